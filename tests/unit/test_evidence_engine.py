"""What a bundle says of the Engine's images."""

from __future__ import annotations

from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import evidence_engine
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine


class Images:
    """An Engine on which two images have lost their names."""

    def images(self) -> list[dict[str, Any]]:
        nameless = [{"RepoTags": tags, "Id": f"sha256:{n}", "Size": 2e6, "Created": 0} for n, tags in enumerate((None, []))]
        return [*nameless, {"RepoTags": ["redis:7"], "Id": "sha256:9", "Size": 1e6, "Created": 86400}]


def test_images_without_a_name_are_listed_each() -> None:
    engine = object.__new__(Engine)
    engine.api = Images()
    assert evidence_engine._images(engine).splitlines() == [
        "redis:7  sha256:9  1 MB  1970-01-02T00:00:00Z",
        "without a name  sha256:0  2 MB  1970-01-01T00:00:00Z",
        "without a name  sha256:1  2 MB  1970-01-01T00:00:00Z",
    ]
