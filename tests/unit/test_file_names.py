"""Names of files that are no UTF-8: whoever tells of one tells it so that it can be written down, in a plan, a journal or a document."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.auren.stack.plugins.module_utils import (
    container_checks,
    evidence_host,
    layer,
    plan,
    references,
    takeover_read,
    tree_archive,
    unknown_files,
)
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.evidence import Evidence
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.redaction import Redactor

from tests.unit.builders import container, foreign, image, service

NAME, TOLD = os.fsdecode(b"caf\xe9.conf"), "caf\ufffd.conf"


class OwnLayer:
    """An Engine of which nothing is asked but what its storage driver keeps."""

    def edited(self, one: Container, places: tuple[str, ...]) -> list[str]:
        return layer.changed(one.upper, places) or []

    def image(self, _ref: str) -> Any:
        return image()


ENGINE = cast("Engine", OwnLayer())


def files(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        (root / folder / NAME).write_text("redis\n")


def of_takeover(root: Path) -> Sequence[str]:
    """The one in /etc counts by when it was written, which only its real name tells."""
    files(root, "app", "etc")
    os.utime(root / "etc" / NAME, (1e9, 1e9))
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return takeover_read.hot_patches(ENGINE, foreign("one", upper=str(root), started_at=moment, created_at=moment))


def of_checks(root: Path) -> Sequence[str]:
    files(root, "app")
    one = container("one", upper=str(root))
    return container_checks.seen_of(ENGINE, service(), [one], []).edited


def of_project(root: Path) -> Sequence[str]:
    files(root, "config/one")
    return [f"/{path}" for _service, path in unknown_files.unknown_files(root, [])]


def of_mounts(root: Path) -> Sequence[str]:
    files(root, "conf.d")
    texts = references.mounted_texts(foreign("one", binds=(str(root),)))
    return [text.where.removeprefix(str(root)).partition(":")[0] for text in texts]


def of_bundle(root: Path) -> Sequence[str]:
    files(root, "config/one")
    into = Evidence(Redactor([]), time.monotonic() + 60)
    evidence_host.gather(root, into, lambda _words: (0, ""))
    return [path.removeprefix("project") for path in into.texts if "config" in path]


@pytest.mark.parametrize(
    ("tell", "paths"),
    [
        (of_takeover, [f"/app/{TOLD}", f"/etc/{TOLD}"]),
        (of_checks, [f"/app/{TOLD}"]),
        (of_project, [f"/config/one/{TOLD}"]),
        (of_mounts, [f"/conf.d/{TOLD}"]),
        (of_bundle, [f"/config/one/{TOLD}"]),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_it_can_be_written_down(tell: Callable[[Path], Sequence[str]], paths: list[str], tmp_path: Path) -> None:
    told = tell(tmp_path)
    assert list(told) == paths
    assert json.dumps(list(told), ensure_ascii=False).encode()
    assert plan.digest(list(told))


def test_an_error_about_it_can_be_written_down(tmp_path: Path) -> None:
    """It stands in the journal of the run that it ended."""
    (tmp_path / NAME).write_bytes(bytes(100))
    stream = tree_archive.pack(str(tmp_path))
    next(stream), next(stream)
    os.truncate(tmp_path / NAME, 5)
    with pytest.raises(StackError, match="became shorter") as caught:
        list(stream)
    assert caught.value.message.encode()
    assert TOLD in caught.value.message
