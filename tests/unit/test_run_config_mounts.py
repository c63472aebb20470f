"""What is mounted into a container, in Compose's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.inspected import OTHER, bind, read, volume

MOUNTS: list[tuple[dict[str, Any], dict[str, Any], Any]] = [
    (bind("/a"), {"Binds": ["/src:/a/"]}, "/src:/a"),
    (bind("/a", rw=False, propagation="rslave"), {"Binds": ["/src:/a:z,ro,rslave"]}, "/src:/a:ro,z,rslave"),
    (bind("/a"), {"Binds": ["/src:/a:rprivate"]}, "/src:/a:rprivate"),
    (bind("/a b", source="/s c"), {"Binds": ["/s c:/a b"]}, "/s c:/a b"),
    (bind("/from", rw=False), {"VolumesFrom": ["other:ro"]}, "/src:/from:ro"),
    (bind("/a"), {"Mounts": [{"Type": "bind", "Source": "/src", "Target": "/a"}]},
     {"type": "bind", "source": "/src", "target": "/a", "bind": {"create_host_path": False}}),
    (bind("/a", rw=False, propagation="shared"), {"Mounts": [{"Type": "bind", "Source": "/src", "Target": "/a", "ReadOnly": True,
     "Consistency": "cached", "BindOptions": {"Propagation": "shared", "CreateMountpoint": True}}]},
     {"type": "bind", "source": "/src", "target": "/a", "bind": {"create_host_path": True, "propagation": "shared"}, "read_only": True,
      "consistency": "cached"}),
    (bind("/a:b"), {"VolumesFrom": ["other"]}, {"type": "bind", "source": "/src", "target": "/a:b", "bind": {"create_host_path": False}}),
    (volume("/data"), {"Binds": ["vol:/data:z"]}, "vol:/data"),
    (volume("/data", rw=False), {"Binds": ["vol:/data:ro,nocopy"]}, "vol:/data:ro,nocopy"),
    (volume("/data", OTHER), {}, f"{OTHER}:/data"),
    (volume("/data"), {"Mounts": [{"Type": "volume", "Source": "vol", "Target": "/data",
     "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}}}]},
     "vol:/data:nocopy"),
    (volume("/data"), {"Mounts": [{"Type": "volume", "Source": "vol", "Target": "/data",
     "VolumeOptions": {"Subpath": "a", "NoCopy": True}}]},
     {"type": "volume", "source": "vol", "target": "/data", "volume": {"nocopy": True, "subpath": "a"}}),
    (volume("/d:e", rw=False), {"Mounts": [{"Type": "volume", "Source": "vol", "Target": "/d:e"}]},
     {"type": "volume", "source": "vol", "target": "/d:e", "read_only": True}),
    ({"Type": "tmpfs", "Destination": "/t", "RW": True},
     {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 9, "Mode": 1016}}]},
     {"type": "tmpfs", "target": "/t", "tmpfs": {"size": 9, "mode": 1016}}),
]  # fmt: skip


@pytest.mark.parametrize(("point", "host", "entry"), MOUNTS)
def test_mounts(point: dict[str, Any], host: dict[str, Any], entry: Any) -> None:
    found = read(host=host, mounts=[point])
    assert (found.compose, found.unexpressed) == ({"volumes": [entry]}, {})
    assert found.volumes == ((point["Name"],) if point["Type"] == "volume" else ())


def test_tmpfs_has_a_key_of_its_own() -> None:
    assert read(host={"Tmpfs": {"/b": "size=1m", "/a": ""}}).compose == {"tmpfs": ["/a", "/b:size=1m"]}


PARTLY: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"Binds": ["/src:/a:cached"]}, bind("/a"), "Mounts./a.Mode.cached"),
    ({"Binds": ["vol:/a:Z"]}, volume("/a"), "Mounts./a.Mode.Z"),
    ({"Mounts": [{"Target": "/a", "BindOptions": {"NonRecursive": True}}]}, bind("/a"), "Mounts./a.NonRecursive"),
    ({"Mounts": [{"Target": "/a", "BindOptions": {"ReadOnlyNonRecursive": True}}]}, bind("/a", rw=False), "Mounts./a.ReadOnlyNonRecursive"),
    ({"Mounts": [{"Target": "/a", "BindOptions": {"Novelty": True}}]}, bind("/a"), "Mounts./a.Novelty"),
    ({"Mounts": [{"Target": "/a", "VolumeOptions": {"Novelty": True}}]}, volume("/a"), "Mounts./a.Novelty"),
    (
        {"Mounts": [{"Target": "/a", "TmpfsOptions": {"Options": [["noexec"]]}}]},
        {"Type": "tmpfs", "Destination": "/a"},
        "Mounts./a.Options",
    ),
]


@pytest.mark.parametrize(("host", "point", "field"), PARTLY)
def test_what_compose_cannot_say_of_a_mount_is_named(host: dict[str, Any], point: dict[str, Any], field: str) -> None:
    found = read(host=host, mounts=[point])
    assert list(found.unexpressed) == [field]
    assert len(found.compose["volumes"]) == 1
