"""What was changed in a container, from the directory that its storage driver keeps for it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import layer


def test_files_below_the_places_and_no_others(tmp_path: Path) -> None:
    for path in ("app/main.py", "app/deep/er/x.py", "etc/hosts", "usr/lib/a", "application/b"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "srv").mkdir()
    assert layer.changed(str(tmp_path), ("/app", "/srv", "/usr/lib", "/opt/none")) == ["/app/deep/er/x.py", "/app/main.py", "/usr/lib/a"]


def test_a_layer_that_cannot_be_read(tmp_path: Path) -> None:
    assert layer.changed("", ("/app",)) is None
    assert layer.changed(str(tmp_path / "elsewhere"), ("/app",)) is None
