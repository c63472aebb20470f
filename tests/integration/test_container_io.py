"""Commands in containers, their content as an image, a second life under another name, and directories out of their layer and back."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils import container_data, container_io, tree
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container

from tests.integration.harness import RUN, docker, image

SECRET = "s3cret-of-the-test"
BASE = f"{RUN}-io"
WRITE = "mkdir -p /srv/data/sub && cd /srv/data && echo one >kept && echo two >sub/gone && ln kept sub/hard && ln -s kept link"


@pytest.fixture(scope="module")
def engine(images: None) -> Engine:
    return Engine()


def remove() -> None:
    found = docker("ps", "-aq", "--filter", f"name={BASE}").split()
    if found:
        docker("rm", "-f", "-v", *found, check=False)
    for network in docker("network", "ls", "-q", "--filter", f"name={BASE}").split():
        docker("network", "rm", network, check=False)
    for made in docker("images", "-q", f"{BASE}/*").split():
        docker("rmi", "-f", made, check=False)


@pytest.fixture(autouse=True)
def clean(images: None) -> Iterator[None]:
    yield
    remove()


def run(engine: Engine, name: str, *options: str, setup: str = ":") -> Container:
    """A container that has done its setup, and can be stopped at once."""
    started = ["--stop-signal", "SIGKILL", *options, "--entrypoint", "sh", image("redis")]
    docker("run", "-d", "--name", f"{BASE}-{name}", *started, "-c", f"{setup}; touch /tmp/ready; exec sleep infinity")
    until(lambda: subprocess.run(["docker", "exec", f"{BASE}-{name}", "test", "-e", "/tmp/ready"], check=False).returncode == 0)
    return at(engine, name)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def at(engine: Engine, name: str) -> Container:
    found = engine.container(f"{BASE}-{name}")
    assert found
    return found


def shell(container: str, text: str) -> str:
    return docker("exec", f"{BASE}-{container}", "sh", "-c", text)


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_has_its_status_its_output_and_its_environment(engine: Engine) -> None:
    box = run(engine, "box", "--user", "999").id
    assert container_io.execute(engine, box, ["sh", "-c", "echo out; sleep .1; echo err >&2; exit 3"]) == (3, "out\nerr")
    out = io.BytesIO()
    told = container_io.execute(engine, box, ["sh", "-c", 'printf %s "$KEY"; id -u >&2'], {"KEY": SECRET}, out)
    assert (told, out.getvalue().decode()) == ((0, "999"), SECRET)
    assert container_io.execute(engine, box, ["id", "-u"], user="0") == (0, "0")
    assert "executable file not found" in container_io.execute(engine, box, ["no-such-tool"])[1]
    with pytest.raises(StackError, match=f"cannot run ls in {RUN}-none"):
        container_io.execute(engine, f"{RUN}-none", ["ls"])


def test_what_goes_in_comes_out_however_much_and_whoever_is_slower(engine: Engine) -> None:
    box = run(engine, "box").id
    content = os.urandom(6_000_000)
    for command in (["cat"], ["sh", "-c", "cat >/tmp/x; cat /tmp/x"]):
        out = io.BytesIO()
        assert container_io.execute(engine, box, command, {}, out, io.BytesIO(content)) == (0, "")
        assert out.getvalue() == content
    assert container_io.execute(engine, box, ["head", "-c", "3"], {}, None, io.BytesIO(b"abc" + content)) == (0, "abc"), "it leaves early"
    assert container_io.execute(engine, box, ["sleep", "0"], {}, None, io.BytesIO(content)) == (0, "")


def test_a_silent_command_outlives_the_time_that_the_engine_has_to_answer(engine: Engine) -> None:
    box = run(engine, "box").id
    assert container_io.execute(Engine(timeout=1), box, ["sh", "-c", "sleep 1.5; echo late"]) == (0, "late")


def test_what_cannot_be_written_here_is_told(engine: Engine) -> None:
    box = run(engine, "box").id
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(StackError, match="No space left"):
        container_io.execute(engine, box, ["echo", "x"], {}, full)


# --- images and clones ------------------------------------------------------------------------------------------------


def test_no_secret_is_in_the_image_of_a_container(engine: Engine) -> None:
    options = ["-e", f"PASSWORD={SECRET}", "-e", "OTHER=kept", "-e", "TOKEN=t0ken-of-the-test", "--label", f"url=redis://:{SECRET}@h"]
    box = run(engine, "box", *options, setup=f"{WRITE}; : {SECRET} other-secret")
    made = container_io.commit(engine, box.name, f"{BASE}/box:1", {"PASSWORD", "TOKEN"}, {"other-secret"})
    assert docker("image", "inspect", "-f", "{{.Id}}", f"{BASE}/box:1") == made
    saved = subprocess.run(["docker", "save", made], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        small = [archive.extractfile(member) for member in archive if member.isfile() and member.size < 100_000]
    texts = [found.read() for found in small if found] + [docker("image", "inspect", made).encode()]
    texts.append(docker("history", "--no-trunc", made).encode())
    for hidden in (SECRET, "t0ken-of-the-test", "other-secret"):
        assert not any(hidden.encode() in text for text in texts), hidden
    assert any(b"OTHER=kept" in text for text in texts), "the configuration was looked at"
    env = json.loads(docker("image", "inspect", "-f", "{{json .Config.Env}}", made))
    assert {"PASSWORD=", "TOKEN=", "OTHER=kept"} <= set(env)
    assert docker("run", "--rm", "--name", f"{BASE}-look", "--entrypoint", "cat", made, "/srv/data/sub/hard") == "one"
    dangling = docker("images", "-q", "--filter", "dangling=true", "--filter", f"since={image('redis')}", "--no-trunc").split()
    assert not [i for i in dangling if BASE in docker("image", "inspect", i, check=False) or SECRET in docker("history", i, check=False)]


def test_a_container_that_vanishes_when_it_stops_lives_on_in_its_clone(engine: Engine) -> None:
    for number, more in enumerate((["--subnet", "10.231.77.0/24"], [])):
        docker("network", "create", *more, f"{BASE}-net{number}")
    options = ["--rm", "-v", "/anonymous", "--mount", "type=volume,dst=/other", "-e", f"PASSWORD={SECRET}", "-p", "127.0.0.1::6379"]
    options += ["--network", f"{BASE}-net0", "--ip", "10.231.77.9", "--network-alias", "alias", "--memory", "64m", "--cap-add", "NET_ADMIN"]
    box = run(engine, "box", *options, "--label", "kept=yes", setup="test -e /edit || echo edit >/edit")
    docker("network", "connect", "--alias", "second", f"{BASE}-net1", box.name)
    shell("box", "echo data >/anonymous/file; echo more >/other/file")
    raw = engine.inspect(box.name)
    assert raw
    volumes = {mount["Name"] for mount in raw["Mounts"] if mount["Type"] == "volume"}
    made = container_io.commit(engine, box.name, f"{BASE}/box:1", {"PASSWORD"})
    clone = container_io.clone(engine, raw, f"{BASE}-clone", made)
    assert at(engine, "clone").state == "created"
    engine.stop(box.name)
    until(lambda: engine.container(box.name) is None)
    assert volumes <= set(docker("volume", "ls", "-q").split())
    engine.start(clone)
    again = engine.inspect(clone)
    assert again
    assert shell("clone", "cat /anonymous/file /other/file /edit; printenv PASSWORD").split() == ["data", "more", "edit", SECRET]
    assert same_in(raw, again)
    now = at(engine, "clone")
    assert (now.auto_remove, now.restart_policy, set(now.volumes)) == (False, "no", set(box.volumes) | volumes)
    places = {one.network: (one.aliases, one.fixed_ipv4, one.ipv4) for one in now.endpoints}
    assert places[f"{BASE}-net0"] == (("alias",), "10.231.77.9", "10.231.77.9")
    assert places[f"{BASE}-net1"][0] == ("second",)
    assert len(places) == 2


def same_in(raw: dict[str, Any], again: dict[str, Any]) -> bool:
    """Whether two containers have the same settings, but for what a clone has of its own."""
    own = {"AutoRemove", "RestartPolicy", "Binds", "Mounts", "Image", "VolumesFrom"}

    def kept(one: dict[str, Any], part: str) -> dict[str, Any]:
        return {key: value for key, value in one[part].items() if key not in own and value}

    differ = {part: (kept(raw, part), kept(again, part)) for part in ("Config", "HostConfig")}
    assert all(one == two for one, two in differ.values()), differ
    return True


@pytest.mark.parametrize("kind", ["bridge", "host", "none", "another's", "volumes and links"])
def test_other_kinds_of_networks_and_mounts_are_cloned_too(engine: Engine, kind: str) -> None:
    first = run(engine, "first", "-v", "/shared")
    options = {
        "another's": ["--network", f"container:{first.name}"],
        "volumes and links": ["--volumes-from", f"{first.name}:ro", "--link", f"{first.name}:db", "-v", "/tmp:/mnt:ro"],
    }.get(kind, ["--network", kind])
    box = run(engine, "box", *options)
    raw = engine.inspect(box.name)
    assert raw
    clone = container_io.clone(engine, raw, f"{BASE}-clone", image("redis"))
    engine.stop(box.name)
    engine.start(clone)
    now = at(engine, "clone")
    assert now.network_mode == box.network_mode
    assert [one.network for one in now.endpoints] == [one.network for one in box.endpoints]
    again = engine.inspect(clone)
    assert again
    facts = [{(m["Destination"], m["Source"], m["RW"]) for m in one["Mounts"]} for one in (raw, again)]
    if kind == "volumes and links":
        assert facts[0] == facts[1]
        assert ("/mnt", "/tmp", False) in facts[0]
        assert " db " in f"{shell('clone', 'cat /etc/hosts')} ".replace("\t", " ")


def test_a_clone_that_cannot_have_its_places_is_not_left_behind(engine: Engine) -> None:
    for number in range(2):
        docker("network", "create", f"{BASE}-net{number}")
    box = run(engine, "box", "--network", f"{BASE}-net0")
    docker("network", "connect", f"{BASE}-net1", box.name)
    raw = engine.inspect(box.name)
    assert raw
    raw["NetworkSettings"]["Networks"][f"{BASE}-net1"]["IPAMConfig"] = {"IPv4Address": "none"}
    with pytest.raises(StackError, match=f"cannot connect .* to {BASE}-net1: the Engine said: invalid endpoint settings"):
        container_io.clone(engine, raw, f"{BASE}-clone", image("redis"))
    assert engine.container(f"{BASE}-clone") is None


# --- data out of a layer and back -------------------------------------------------------------------------------------


def test_data_goes_out_of_a_layer_and_comes_back_changed(engine: Engine, tmp_path: Path) -> None:
    box = run(engine, "box", setup=f"test -e /srv/data || {{ {WRITE}; }}")
    shell("box", "chown 999:1000 /srv/data; chmod 2770 /srv/data; mkfifo /srv/data/p")
    with pytest.raises(StackError, match="it is running, and its files change; stop it first"):
        container_data.take_out(engine, box, "/srv/data", str(tmp_path))
    engine.stop(box.name)
    out = tmp_path / "out"
    out.mkdir()
    assert container_data.take_out(engine, box, "/srv/data", str(out)) == tree.checksum(str(out))
    assert (out / "kept").stat().st_ino == (out / "sub" / "hard").stat().st_ino
    assert oct(out.stat().st_mode) == "0o42770"
    container_data.put_back(engine, box, "/srv/data", str(out))
    (out / "sub" / "gone").unlink()
    (out / "link").unlink()
    (out / "link").mkdir()
    (out / "kept").write_text("changed\n")
    os.chown(out / "kept", 999, 70)
    (out / ("long" * 60)).write_text("new\n")
    for _time in range(2):
        container_data.put_back(engine, box, "/srv/data/", str(out))
    engine.start(box.name)
    assert shell("box", "cd /srv/data; stat -c '%u:%g %a' . kept; ls; cat kept sub/hard long*").split() == [
        *("999:1000", "2770", "999:70", "644"),
        *("kept", "link", "long" * 60, "p", "sub"),
        *("changed", "changed", "new"),
    ]


def test_what_the_image_has_there_goes_as_well(engine: Engine, tmp_path: Path) -> None:
    """/etc/init.d is the image's own and was never touched; the other two are not there."""
    box = run(engine, "box")
    engine.stop(box.name)
    (tmp_path / "only").write_text("x")
    for path in ("/etc/init.d", "/new/place"):
        if path == "/new/place":
            docker("cp", f"{tmp_path}/.", f"{box.name}:/new")
        container_data.put_back(engine, box, path, str(tmp_path))
    engine.start(box.name)
    assert shell("box", "ls /etc/init.d /new/place; stat -c %a /etc").split() == ["/etc/init.d:", "only", "/new/place:", "only", "755"]


def test_a_place_that_cannot_be_made_the_same_is_told(engine: Engine, tmp_path: Path) -> None:
    """Over a link the Engine adds, and nothing is removed; what is on the host at that path is not touched."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("kept")
    source = tmp_path / "source"
    source.mkdir()
    box = run(engine, "box", setup=f"mkdir -p {tmp_path}; ln -s /etc {victim}")
    engine.stop(box.name)
    with pytest.raises(StackError, match="different checksums; do not start the container"):
        container_data.put_back(engine, box, str(victim / "init.d"), str(source))
    assert (victim / "file").read_text() == "kept"
