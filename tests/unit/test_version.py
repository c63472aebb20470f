"""The version that goes along to a host is the collection's."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.auren.stack.plugins.module_utils.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_galaxy_yml() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION
