"""A build context is the same for the same files, on any machine."""

from __future__ import annotations

import base64
import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.auren.stack.plugins.lookup import build_context
from ansible_collections.auren.stack.plugins.lookup.build_context import Context


def make(folder: Path, umask: int = 0o022, **files: str) -> Path:
    previous = os.umask(umask)
    try:
        for name, text in {"Dockerfile": "FROM a:1\n", "app/main.py": "x\n", **files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    finally:
        os.umask(previous)
    return folder


def test_umask_time_order_and_caches_do_not_count(tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    two = make(
        tmp_path / "two", umask=0o077, **{"__pycache__/x.pyc": "1", "app/__pycache__/y.pyc": "2", ".mypy_cache/3.10/z": "3", "a.pyc": "4"}
    )
    for path in two.rglob("*"):
        os.utime(path, (1, 1))
    assert build_context.digest(Context(one)) == build_context.digest(Context(two))
    assert build_context.archive(Context(one)) == build_context.archive(Context(two))


@pytest.mark.parametrize("change", ["content", "name", "new file", "executable", "moved boundary"])
def test_every_change_of_a_file_counts(tmp_path: Path, change: str) -> None:
    one, two = make(tmp_path / "one", b="xy"), make(tmp_path / "two", b="xy")
    if change == "content":
        (two / "b").write_text("xz")
    elif change == "name":
        (two / "b").rename(two / "c")
    elif change == "new file":
        (two / "empty").touch()
    elif change == "executable":
        (two / "b").chmod(0o755)
    else:
        (two / "app" / "main.py").write_text("x\nb")
    assert build_context.digest(Context(one)) != build_context.digest(Context(two))


@pytest.mark.parametrize(
    ("dockerfile", "bases"),
    [
        ("FROM a:1\n", ["a:1"]),
        ("# FROM x\nFROM a:1 AS build\nRUN y\nFROM b\nCOPY --from=build /x /x\nCOPY --from=c:2 /y /y\n", ["a:1", "b", "c:2"]),
        ("from a:1 as Build\nfrom build\n", ["a:1"]),
        ("FROM scratch\nCOPY x /\n", []),
        ("FROM a:1\nFROM a:1\n", ["a:1"]),
        ("FROM --platform=linux/amd64 a:1 AS x\n  FROM x\n", ["a:1"]),
        ("ARG V=20\nFROM a:${V}\nARG V\nRUN x\n", ["a:20"]),
        ('ARG B="a:20"\nFROM $B\n', ["a:20"]),
        ("FROM a:${V:-20} AS one\nFROM b\n", ["a:20", "b"]),
        ("FROM a:1\nRUN <<EOF python\nfrom foo import bar\nEOF\nFROM b\n", ["a:1", "b"]),
        ("FROM a:1\nRUN x \\\n  && y\n# FROM c\nFROM \\\n  b\n", ["a:1", "b"]),
        ("FROM a:1\r\nFROM b\r\n", ["a:1", "b"]),
        ("FROM a:1\nCOPY --chown=1:1 --from=b:2 --link /x /y\nCOPY --chown=1:1 /x /y\n", ["a:1", "b:2"]),
    ],
)
def test_the_images_that_it_starts_from(tmp_path: Path, dockerfile: str, bases: list[str]) -> None:
    assert build_context.bases(Context(make(tmp_path, Dockerfile=dockerfile))) == bases


def test_the_archive_is_what_an_engine_builds_from(tmp_path: Path) -> None:
    folder = make(tmp_path, run="#!/bin/sh\n")
    (folder / "run").chmod(0o700)
    packed = gzip.decompress(base64.b64decode(build_context.archive(Context(folder))))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = {m.name: (oct(m.mode), m.uid, m.mtime) for m in tar.getmembers()}
    assert found == {"Dockerfile": ("0o644", 0, 0), "app/main.py": ("0o644", 0, 0), "run": ("0o755", 0, 0)}


def test_a_dockerfile_of_ours_and_arguments_take_the_place_of_the_folder_s(tmp_path: Path) -> None:
    folder = make(tmp_path, **{"dist/old.js": "1", "public/dist/lib.js": "4", "node_modules/x/index.js": "2", ".git/HEAD": "3"})
    text = "ARG base=b:1\nARG other\nFROM ${base}\nFROM $other\nCOPY --from=0 /x /x\n"
    ours = Context.of({"context": str(folder), "dockerfile": text, "args": {"other": "c:2"}, "ignore": ["dist"]})
    assert [(file.name, file.content) for file in ours.files()] == [
        ("Dockerfile", text.encode()),
        ("app/main.py", b"x\n"),
        ("public/dist/lib.js", b"4"),
    ]
    assert build_context.bases(ours) == ["b:1", "c:2"]
    digests = {
        build_context.digest(Context.of({"context": str(folder), "dockerfile": text, "args": args})) for args in ({}, {"other": "c:2"})
    }
    assert len(digests | {build_context.digest(ours)}) == 3


@pytest.mark.parametrize(("folder", "said"), [("nowhere", "is no folder on the controller"), ("", "holds no Dockerfile")])
def test_what_cannot_be_built_is_named(tmp_path: Path, folder: str, said: str) -> None:
    with pytest.raises(AnsibleError, match=said):
        Context.of(str(tmp_path / folder))
