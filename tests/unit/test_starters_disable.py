"""Starters are named, switched off and on again, and nothing else of a host changes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.starters import (
    Starter,
    find,
    line_digest,
    pruners,
    starter_from_data,
)
from ansible_collections.auren.stack.plugins.module_utils.starters_disable import PREFIX, disable, enable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.network_hosts import examples
from tests.unit.starter_hosts import (
    COMMANDS,
    HELPERS,
    OLDS,
    RC,
    SECRET,
    START,
    SYSTEM,
    Files,
    enabled,
    snapshot,
    tree,
    unit,
)

# --- words ------------------------------------------------------------------------------------------------------------


def test_sentences_name_places_and_never_a_line(tmp_path: Path) -> None:
    files = {
        **enabled(unit("/usr/bin/docker compose up -d", "WorkingDirectory=/srv/auren")),
        "/etc/systemd/system/boot.timer": "[Timer]\nOnBootSec=1\n",
        "/etc/systemd/system/timers.target.wants/boot.timer": "-> ../boot.timer",
        "/etc/systemd/system/boot.service": unit("/srv/deploy.sh"),
        "/srv/deploy.sh": f"#!/bin/sh\nexport PASSWORD={SECRET}\ndocker run -e P={SECRET} --name auren-postgres postgres\n",
        "/etc/cron.d/x": f"P={SECRET}\n@reboot root P={SECRET} docker start auren-kafka; docker restart auren-redis\n"
        "@daily root systemctl start boot\n",
        "/etc/cron.daily/prune": "#!/bin/sh\ndocker start auren-kafka\n",
    }
    found = find(OLDS, tree(tmp_path, files))
    assert [one.what for one in found] == [
        "the unit auren.service (/etc/systemd/system/auren.service:6) runs docker compose up for the project auren, "
        "which would start auren-kafka, auren-redis",
        "boot.timer starts the unit boot.service (/etc/systemd/system/boot.service:5), which runs docker run in /srv/deploy.sh:3, "
        "which would start auren-postgres",
        "the cron line /etc/cron.d/x:2 runs docker start and docker restart, which would start auren-kafka, auren-redis",
        "the cron line /etc/cron.d/x:3 starts the unit boot.service, which runs docker run in /srv/deploy.sh:3, "
        "which would start auren-postgres",
        "the script /etc/cron.daily/prune (line 2) runs docker start, which would start auren-kafka",
    ]
    told = json.dumps([one.to_data() for one in found]) + repr(found)
    assert SECRET not in told
    assert [starter_from_data(json.loads(json.dumps(one.to_data()))) for one in found] == found


# --- what prunes ------------------------------------------------------------------------------------------------------

PRUNES = [
    ("docker system prune -af", "docker system prune"),
    ("sudo /usr/bin/docker container prune -f --filter until=24h", "docker container prune"),
    ("docker volume prune -f", "docker volume prune"),
    ("podman system prune", "podman system prune"),
    ("docker rm $(docker ps -aq)", "docker rm of all containers"),
    ("docker rm -v `docker ps -a -q -f status=exited`", "docker rm of all containers"),
    ("docker ps -aq | xargs docker container rm", "docker rm of all containers"),
    ("docker volume rm $(docker volume ls -qf dangling=true)", "docker volume rm of all volumes"),
    ("docker image prune -af", ""),
    ("docker builder prune", ""),
    ("docker network prune", ""),
    ("docker rm auren-kafka", ""),
    ("docker rm $(docker ps -q)", ""),
    ("docker start $(docker ps -aq)", ""),
    ("echo docker system prune", ""),
    ("docker logs prune", ""),
]


@pytest.mark.parametrize(("command", "expected"), PRUNES)
def test_what_removes_stopped_containers(tmp_path: Path, command: str, expected: str) -> None:
    tree(
        tmp_path,
        {
            **enabled(unit(f"/bin/sh -c '{command}'")),
            "/etc/cron.d/x": f"\n@daily root {command}\n",
            "/etc/cron.weekly/x": f"#!/bin/sh\n{command}\n",
        },
    )
    end = f" runs {expected}, which may remove a container that is kept as the way back"
    places = [
        "the unit auren.service (/etc/systemd/system/auren.service:5)",
        "the cron line /etc/cron.d/x:2",
        "the script /etc/cron.weekly/x (line 2)",
    ]
    assert pruners(tmp_path) == ([place + end for place in places] if expected else [])


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_systemd_is_told_of_a_changed_link_once(tmp_path: Path) -> None:
    [link, line] = find(OLDS, tree(tmp_path, {**enabled(unit(START)), "/etc/cron.d/x": f"@daily root {START}\n"}))
    told: list[Sequence[str]] = []

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        told.append(arguments)
        return 0, ""

    disable(link, tmp_path, run)
    assert (enable(link, tmp_path, run), told) == (True, [])  # systemd does not run
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    for starter in (link, link, line):
        disable(starter, tmp_path, run)
    assert told == [["systemctl", "daemon-reload"]]
    assert all(enable(starter, tmp_path, run) for starter in (link, link, line))
    assert told == [["systemctl", "daemon-reload"]] * 2
    with pytest.raises(StackError, match="daemon-reload ended with 1; run it by hand"):
        disable(link, tmp_path, lambda _arguments: (1, "Failed"))


# --- off and on again -------------------------------------------------------------------------------------------------


def one(root: Path, files: Files) -> Starter:
    [starter] = find(OLDS, tree(root, files))
    return starter


def test_a_cron_line_becomes_a_comment_that_says_why(tmp_path: Path) -> None:
    path = tmp_path / "etc/crontab"
    text = f"# first\r\n@reboot root {START} \\% x\n\n@daily root true"
    starter = one(tmp_path, {"/etc/crontab": text})
    disable(starter, tmp_path)
    assert path.read_bytes() == text.encode().replace(b"@reboot", b"#auren.stack-takeover# @reboot")
    assert enable(starter, tmp_path)
    assert path.read_bytes() == text.encode()


def test_a_line_is_found_by_its_digest_wherever_it_went(tmp_path: Path) -> None:
    path = tmp_path / "etc/crontab"
    line = f"@reboot root {START}\n"
    starter = one(tmp_path, {"/etc/crontab": f"# a\n{line}"})
    path.write_text(f"# a\n# b\n# c\n{line}", encoding="utf-8")
    disable(starter, tmp_path)
    assert path.read_text() == f"# a\n# b\n# c\n#auren.stack-takeover# {line}"
    path.write_text(f"#auren.stack-takeover# {line}# d\n", encoding="utf-8")
    assert enable(starter, tmp_path)
    assert path.read_text() == f"{line}# d\n"


def test_twin_lines_are_switched_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "etc/crontab"
    line = f"@reboot root {START}\n"
    first, second = find(OLDS, tree(tmp_path, {"/etc/crontab": line * 2}))
    disable(first, tmp_path)
    disable(first, tmp_path)
    assert path.read_text() == f"#auren.stack-takeover# {line}{line}"
    disable(second, tmp_path)
    assert enable(second, tmp_path)
    assert enable(second, tmp_path)
    assert path.read_text() == f"#auren.stack-takeover# {line}{line}"


@pytest.mark.parametrize("files", [enabled(unit(START)), {"/etc/crontab": f"@reboot root {START}\n"}, {"/etc/cron.daily/x": RC}])
def test_what_is_off_stays_off_and_what_is_on_stays_on(tmp_path: Path, files: Files) -> None:
    starter = one(tmp_path, files)
    on = snapshot(tmp_path)
    assert (enable(starter, tmp_path), snapshot(tmp_path)) == (True, on)
    disable(starter, tmp_path)
    off = snapshot(tmp_path)
    assert off != on
    disable(starter, tmp_path)
    assert snapshot(tmp_path) == off
    assert (enable(starter, tmp_path), enable(starter, tmp_path), snapshot(tmp_path)) == (True, True, on)


def write(path: str, text: str) -> list[str]:
    return ["write", path, text]


GONE: list[tuple[str, Files, list[list[str]]]] = [
    ("the unit", enabled(unit(START)), [["rm", f"{SYSTEM}/auren.service"]]),
    ("the crontab", {"/etc/crontab": f"@reboot root {START}\n"}, [["rm", "/etc/crontab"]]),
    ("the line", {"/etc/crontab": f"@reboot root {START}\n"}, [write("/etc/crontab", "# nothing\n")]),
    (
        "the line as it was",
        {"/etc/crontab": f"@reboot root {START}\n"},
        [write("/etc/crontab", f"#auren.stack-takeover# @daily root {START}\n")],
    ),
    ("the script", {"/etc/cron.daily/x": RC}, [["rm", "/etc/cron.daily/x"]]),
    ("the script's mode", {"/etc/cron.daily/x": RC}, [["mode", "/etc/cron.daily/x", "600"]]),
    ("the link's place", enabled(unit(START)), [write(f"{SYSTEM}/multi-user.target.wants/auren.service", "x")]),
]


@pytest.mark.parametrize(("files", "changes"), [pytest.param(files, changes, id=name) for name, files, changes in GONE])
def test_what_is_gone_is_told_and_left_alone(tmp_path: Path, files: Files, changes: list[list[str]]) -> None:
    starter = one(tmp_path, files)
    disable(starter, tmp_path)
    for what, path, *more in changes:
        place = tmp_path / path.lstrip("/")
        if what == "rm":
            place.unlink()
        elif what == "mode":
            place.chmod(int(more[0], 8))
        else:
            place.write_text(more[0], encoding="utf-8")
    before = snapshot(tmp_path)
    assert enable(starter, tmp_path) is False
    assert snapshot(tmp_path) == before
    if starter.kind != "link" or changes[0][0] == "rm":
        disable(starter, tmp_path)
        assert snapshot(tmp_path) == before


def test_a_link_that_leads_elsewhere_now_is_refused(tmp_path: Path) -> None:
    starter = one(tmp_path, enabled(unit(START)))
    place = tmp_path / starter.path.lstrip("/")
    place.unlink()
    place.symlink_to("/srv/auren.service")
    with pytest.raises(StackError, match="leads elsewhere than when the plan was made: plan again"):
        disable(starter, tmp_path)
    assert enable(starter, tmp_path) is False
    assert place.is_symlink()


def test_a_folder_that_went_with_its_last_link_comes_back(tmp_path: Path) -> None:
    starter = one(tmp_path, enabled(unit(START)))
    before = snapshot(tmp_path)
    disable(starter, tmp_path)
    (tmp_path / "etc/systemd/system/multi-user.target.wants").rmdir()
    assert enable(starter, tmp_path)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_and_modes_are_kept(tmp_path: Path) -> None:
    """cron refuses the crontab of a user that is not the user's with mode 0600; a user's own link stays the user's."""
    folder = "/home/ops/.config/systemd/user"
    files = {
        "/var/spool/cron/crontabs/ops": f"@reboot {START}\n",
        "/etc/cron.d/x": f"@reboot root {START}\n",
        "/etc/cron.daily/x": RC,
        f"{folder}/a.service": unit(START),
        f"{folder}/default.target.wants/a.service": f"-> {folder}/a.service",
    }
    tree(tmp_path, files)
    owners = {"/var/spool/cron/crontabs/ops": (1000, 104, 0o600), "/etc/cron.d/x": (0, 0, 0o640), "/etc/cron.daily/x": (1000, 50, 0o4750)}
    for path, (uid, gid, mode) in owners.items():
        os.chown(tmp_path / path.lstrip("/"), uid, gid)
        os.chmod(tmp_path / path.lstrip("/"), mode)
    os.chown(tmp_path / f"{folder}/default.target.wants".lstrip("/"), 1000, 1000)
    os.chown(tmp_path / f"{folder}/default.target.wants/a.service".lstrip("/"), 1000, 1000, follow_symlinks=False)
    before = snapshot(tmp_path)
    found = find(OLDS, tmp_path)
    assert len(found) == 4
    for starter in found:
        disable(starter, tmp_path)
    spool = os.stat(tmp_path / "var/spool/cron/crontabs/ops")
    assert (spool.st_uid, spool.st_gid, stat.S_IMODE(spool.st_mode)) == (1000, 104, 0o600)
    assert stat.S_IMODE(os.stat(tmp_path / "etc/cron.daily/x").st_mode) == 0o4640
    assert os.listdir(tmp_path / "var/spool/cron/crontabs") == ["ops"]
    assert all(enable(starter, tmp_path) for starter in found)
    assert snapshot(tmp_path) == before


# --- properties -------------------------------------------------------------------------------------------------------

COMMAND = st.sampled_from([command for command, _ in COMMANDS])
NOISE = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=30)
ROW = st.one_of(COMMAND.map(lambda c: f"*/5 * * * * root {c}"), NOISE, NOISE.map(lambda text: PREFIX.decode() + text), st.just(""))
TABLE = st.tuples(st.lists(ROW, max_size=6), st.sampled_from(["\n", "\r\n", ""])).map(lambda t: "\n".join(t[0]) + t[1])
MODE = st.sampled_from([0o755, 0o700, 0o555, 0o744, 0o644, 0o4750])


@st.composite
def hosts(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, int]]:
    """Files and modes of a host with units, crontabs and scripts, some of which start what is old."""
    files = dict(HELPERS)
    for path in ("/etc/crontab", "/etc/cron.d/a", "/var/spool/cron/crontabs/ops"):
        files[path] = draw(TABLE)
    for name in draw(st.sets(st.sampled_from("abc"))):
        files |= enabled(unit(f"/bin/sh -c '{draw(COMMAND)}'"), f"{name}.service", draw(st.sampled_from(["x.wants", "y.requires"])))
    modes = {}
    for path in draw(st.sets(st.sampled_from(["/etc/cron.daily/s", "/etc/rc.local", "/etc/rc2.d/S01s"]))):
        files[path] = f"#!/bin/sh\n{draw(COMMAND)}\n{draw(NOISE)}\n"
        modes[path] = draw(MODE)
    return files, modes


@examples(150)
@given(hosts(), st.randoms(use_true_random=False))
def test_off_and_on_again_is_the_same_host(host: tuple[dict[str, str], dict[str, int]], random: object) -> None:
    files, modes = host
    with TemporaryDirectory() as name:
        root = tree(Path(name), files)
        for path, mode in modes.items():
            os.chmod(root / path.lstrip("/"), mode)
        before, found = snapshot(root), find(OLDS, root)
        for starter in (*found, *found[::2]):
            disable(starter, root)
        assert find(OLDS, root) == []
        random.shuffle(again := [*found, *found[1::2]])  # type: ignore[attr-defined]
        assert all(enable(starter, root) for starter in again)
        assert snapshot(root) == before
        assert find(OLDS, root) == found


@examples(300)
@given(st.text(st.sampled_from("$(){}[]`'\"\\;&|<>#\n %=ab01-"), max_size=60), st.text(max_size=40))
def test_no_text_is_too_strange_to_be_read(shell: str, other: str) -> None:
    with TemporaryDirectory() as name:
        root = tree(
            Path(name), {"/etc/cron.daily/a": f"#!/bin/sh\n{shell}{other}", "/etc/systemd/system/x.wants/a.service": "-> ../a.service"}
        )
        (root / "etc/systemd/system/a.service").write_text(f"[Service]\nExecStart={shell}\n{other}", encoding="utf-8", errors="replace")
        (root / "etc/crontab").write_text(f"@reboot root {shell}\n{other}", encoding="utf-8", errors="replace")
        assert find(OLDS, root) == []


def test_the_digest_is_of_the_line_alone() -> None:
    assert line_digest(b"x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
