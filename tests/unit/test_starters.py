"""What would start an old container at boot or by cron, on trees of files as operators' hosts have them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.starters import (
    Old,
    Starter,
    find,
    line_digest,
    pruners,
    running_units,
    starter_from_data,
)
from ansible_collections.auren.stack.plugins.module_utils.starters_disable import PREFIX, disable, enable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.network_hosts import examples

FILE = "/srv/auren/docker-compose.yml"
KAFKA = Old("auren-kafka", (FILE,), "/srv/auren", "auren", "kafka")
REDIS = Old("auren-redis", (FILE,), "/srv/auren", "auren", "redis")
POSTGRES = Old("auren-postgres")  # docker run by hand
OLDS = (KAFKA, REDIS, POSTGRES)
ALL = "kafka redis postgres"
PROJECT = "kafka redis"
COMPOSE = "services:\n  kafka:\n    image: apache/kafka\n  redis: {image: redis}\n"
PASSWD = "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/bash\n"
BASE = {"/etc/passwd": PASSWD, FILE: COMPOSE, "/srv/other/compose.yaml": "services: \n  web:\n    image: nginx\n"}
SECRET = "hunter2-S3cret"

Files = Mapping[str, str]


def tree(root: Path, files: Files) -> Path:
    """Files below root; a value that begins with "-> " is a link; what begins with "#!" or lies in a script folder is executable."""
    for path, content in {**BASE, **files}.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            place.symlink_to(content[3:])
            continue
        place.write_text(content, encoding="utf-8")
        place.chmod(0o755 if content.startswith("#!") else 0o644)
    return root


def names(starters: Sequence[Starter]) -> str:
    """The containers that are found, without their common prefix."""
    found = {name for starter in starters for name in starter.containers}
    return " ".join(old.name.split("-")[1] for old in OLDS if old.name in found)


def unit(command: str, *more: str) -> str:
    return "\n".join(["[Unit]", "Description=docker start auren-kafka", "[Service]", "Type=oneshot", *more, f"ExecStart={command}", ""])


def enabled(text: str, name: str = "auren.service", wants: str = "multi-user.target.wants") -> dict[str, str]:
    path = f"/etc/systemd/system/{name}"
    return {path: text, f"/etc/systemd/system/{wants}/{name}": f"-> {path}"}


# --- commands ---------------------------------------------------------------------------------------------------------

COMMANDS = [
    ("docker start auren-kafka", "kafka"),
    ("/usr/bin/docker start auren-kafka auren-redis >/dev/null 2>&1", "kafka redis"),
    ("docker container start 'auren-kafka'", "kafka"),
    ('docker --log-level error -H unix:///run/docker.sock restart -t 10 "auren-postgres"', "postgres"),
    ("podman start auren-kafka; nerdctl -n k8s start auren-redis", "kafka redis"),
    ("docker start /auren-kafka", "kafka"),
    ("docker run -d --name auren-kafka -e PASSWORD=x apache/kafka", "kafka"),
    ("docker run --rm --name=auren-kafka --link auren-redis apache/kafka", "kafka"),
    ("docker create --name auren-kafka apache/kafka", "kafka"),
    ("docker ps | grep -q auren-kafka || docker start auren-kafka", "kafka"),
    ("docker inspect auren-redis >/dev/null && docker start auren-kafka", "kafka"),
    ("(sleep 30; docker start auren-kafka) &", "kafka"),
    ("sudo -n -u ops docker start auren-kafka", "kafka"),
    ("flock -n /run/lock/x docker start auren-kafka", "kafka"),
    ("flock -n /run/lock/x -c 'docker start auren-kafka'", "kafka"),
    ("timeout -k 5 60 nice -n 10 ionice -c3 docker start auren-kafka", "kafka"),
    ("su - ops -c 'docker start auren-kafka'", "kafka"),
    ("runuser -u ops -- docker start auren-kafka", "kafka"),
    ("nohup docker start auren-kafka &", "kafka"),
    ("bash -lc 'docker start auren-kafka'", "kafka"),
    ("sh -c \"sh -c 'docker start auren-kafka'\"", "kafka"),
    ("sleep 5 && exec /usr/bin/env docker start auren-kafka", "kafka"),
    ("start-stop-daemon --start --exec /usr/bin/docker -- start auren-kafka", "kafka"),
    ("echo auren-kafka auren-redis | xargs -n1 docker start", "kafka redis"),
    ("docker start $(docker ps -aq)", ALL),
    ('docker start "$(docker ps -a -q)"', ALL),
    ("docker start `docker ps -qa -f status=exited`", ALL),
    ("docker restart $(docker container ls --all --quiet)", ALL),
    ("docker start $(docker ps -aq --filter name=kafka)", "kafka"),
    ("docker start $(docker ps -aqf name=kafka)", "kafka"),
    ("docker start $(docker ps -aq --filter label=com.docker.compose.project=auren)", PROJECT),
    ("docker start $(docker ps -aq --filter label=com.docker.compose.project=shop)", ""),
    ("docker ps -aq --no-trunc | xargs -r docker start", ALL),
    ("docker ps -a --format '{{.Names}}' | grep auren | xargs docker start", ALL),
    ("docker ps -aq | while read -r c; do docker start $c; done", ALL),
    ("for c in $(docker ps -aq); do docker start $c; done", ALL),
    ("for c in auren-kafka auren-redis; do docker start $c; done", "kafka redis"),
    ('C=auren-kafka; docker start "$C"', "kafka"),
    ("A=auren; docker start ${A}-kafka ${B:-auren-redis}", "kafka redis"),
    ("DOCKER=$(which docker); $DOCKER start auren-kafka", "kafka"),
    ("D=`command -v docker` && $D start auren-kafka", "kafka"),
    ("cd /srv/auren && docker compose up -d", PROJECT),
    ("cd /srv/auren; /usr/local/bin/docker-compose up -d >> /var/log/x.log 2>&1", PROJECT),
    ("docker compose -f /srv/auren/docker-compose.yml up -d --remove-orphans", PROJECT),
    ("docker-compose --file=/srv/./other/../auren/docker-compose.yml start", PROJECT),
    ("docker-compose -f /data/link/docker-compose.yml restart", PROJECT),
    ("docker compose --project-directory /srv/auren up", PROJECT),
    ("docker compose -p auren start", PROJECT),
    ("docker compose --project-name=auren --ansi never restart", PROJECT),
    ("COMPOSE_FILE=/srv/auren/docker-compose.yml docker-compose up -d", PROJECT),
    ("env COMPOSE_PROJECT_NAME=auren docker-compose start", PROJECT),
    ("export COMPOSE_FILE=/srv/auren/docker-compose.yml; docker-compose up -d", PROJECT),
    ("cd /srv && (cd auren && docker compose up -d)", PROJECT),
    ("cd /srv/auren/config && docker compose up -d", PROJECT),  # Compose looks in the folders above as well
    ("cd /opt/envfile && docker compose up -d", PROJECT),
    ("docker compose -f /srv/auren/docker-compose.yml up -d kafka", PROJECT),
    ("docker compose -f /srv/auren/docker-compose.yml up -d --no-deps -t 5 kafka", "kafka"),
    ("docker compose -f /srv/auren/docker-compose.yml up -d --no-deps web", ""),
    ("docker-compose -f /srv/auren/docker-compose.yml run --rm --no-deps redis kafka", "redis"),
    ("podman-compose -f /srv/auren/docker-compose.yml up -d", PROJECT),
    ("/srv/auren/up.sh", PROJECT),
    ("cd /srv/auren && ./up.sh", PROJECT),
    ("sh /srv/auren/up.sh", PROJECT),
    (". /srv/auren/up.sh", PROJECT),
    ("bash -x /srv/auren/first.sh", PROJECT),
    ("/srv/auren/ctl.sh start", "kafka"),
    ("/srv/auren/ctl.sh stop", ""),
    ("/srv/auren/ctl.sh status", ""),
    ("/srv/auren/ensure.sh auren-redis", "redis"),
    ("ensure-all", "kafka redis"),
    ("/srv/auren/watch.py", "kafka"),
    ("/srv/auren/loop.sh", "kafka"),
    ("run-parts /srv/auren/boot.d", "postgres"),
    ("systemctl restart sleeping.service", "kafka"),
    ("systemctl --no-block start sleeping", "kafka"),
    ("service sleeping start", "kafka"),
    # nothing is started
    ("docker stop auren-kafka", ""),
    ("docker rm -f auren-kafka", ""),
    ("docker logs auren-kafka > /tmp/start", ""),
    ("docker exec auren-kafka kafka-topics.sh start", ""),
    ("docker exec auren-kafka docker start", ""),
    ("docker start auren-kafka-2 my-auren-kafka", ""),
    ("docker run --rm --link auren-kafka --network container:auren-redis --volumes-from auren-postgres busybox", ""),
    ("echo docker start auren-kafka", ""),
    ("true # docker start auren-kafka", ""),
    ("logger 'docker start auren-kafka'", ""),
    ("ssh other 'docker start auren-kafka'", ""),
    ("docker -H ssh://ops@other start auren-kafka", ""),
    ("DOCKER_HOST=tcp://10.0.0.9:2376 docker start auren-kafka", ""),
    ("docker restart $(docker ps -q)", ""),  # shows running ones alone
    ("docker image ls -a | xargs docker start", ""),
    ("docker volume create auren-kafka", ""),
    ("docker network create auren-kafka", ""),
    ("docker compose -f /srv/auren/docker-compose.yml down", ""),
    ("docker compose -f /srv/auren/docker-compose.yml exec kafka start", ""),
    ("docker compose -f /srv/auren/docker-compose.yml logs --tail 5 up", ""),
    ("docker compose -f /srv/auren/docker-compose.yml ps", ""),
    ("cd /srv/other && docker compose up -d", ""),
    ("docker compose -p shop up -d", ""),
    ("cd /opt/auren && docker compose up -d", ""),  # another folder of the same name, whose file has none of the services
    ("systemctl stop sleeping; systemctl enable sleeping; systemctl status sleeping", ""),
    ("docker build -t auren-kafka .", ""),
    ("tar czf /backup/x.tgz /srv/auren/docker-compose.yml", ""),
]
HELPERS = {
    "/data/link": "-> /srv/auren",
    "/srv/auren/config/x": "",
    "/opt/auren/compose.yml": "services:\n  blog:\n    image: x\n",
    "/opt/envfile/.env": f"SECRET={SECRET}\nCOMPOSE_FILE=/srv/auren/docker-compose.yml\n",
    "/srv/auren/up.sh": '#!/bin/bash\nset -e\ncd "$(dirname "$0")" || exit 1\n# docker start auren-postgres\ndocker compose \\\n  up -d\n',
    "/srv/auren/first.sh": "#!/usr/bin/env bash\n"
    'DIR="$( cd -- "$( dirname -- "${BASH_SOURCE[0]}" )" &> /dev/null && pwd )"\nsource "$DIR/second.sh"\n',
    "/srv/auren/second.sh": 'HERE="${0%/*}"\n"$HERE"/up.sh "$@"\n',
    "/srv/auren/ctl.sh": "#!/bin/sh\n"
    'case "$1" in\n  start|restart)\n    docker start auren-kafka\n    ;;\n  stop) docker stop auren-kafka;;\n'
    "  *) echo usage: start; exit 1;;\nesac\n",
    "/srv/auren/ensure.sh": "#!/bin/sh\n"
    'ensure() {\n  if ! docker ps | grep -q "$1"; then\n    docker start "$1"\n  fi\n}\nfor c in "$@"; do ensure "$c"; done\n',
    "/usr/local/bin/ensure-all": "#!/bin/sh\n/srv/auren/ensure.sh auren-kafka\n/srv/auren/ensure.sh auren-redis\n",
    "/srv/auren/watch.py": "#!/usr/bin/python3\n# docker start auren-redis\nimport subprocess\n"
    'subprocess.run([\n    "docker",\n    "start",\n    "auren-kafka",\n])\n',
    "/srv/auren/loop.sh": "#!/bin/sh\n/srv/auren/loop.sh\ndocker start auren-kafka\nexec /srv/auren/loop.sh\n",
    "/srv/auren/boot.d/10-db": "#!/bin/sh\ndocker start auren-postgres\n",
    "/etc/systemd/system/sleeping.service": unit("/usr/bin/docker start -a auren-kafka"),
}


@pytest.mark.parametrize(("command", "expected"), COMMANDS)
def test_what_a_command_of_a_cron_line_starts(tmp_path: Path, command: str, expected: str) -> None:
    tree(tmp_path, {**HELPERS, "/etc/cron.d/job": f"MAILTO=ops@example.com\n*/5 * * * * root {command}\n"})
    found = find(OLDS, tmp_path)
    assert names(found) == expected
    assert [(one.kind, one.path, one.line) for one in found] == ([("cron line", "/etc/cron.d/job", 2)] if expected else [])


@pytest.mark.parametrize(("command", "expected"), COMMANDS)
def test_what_a_command_of_a_script_starts(tmp_path: Path, command: str, expected: str) -> None:
    found = find(OLDS, tree(tmp_path, {**HELPERS, "/etc/cron.daily/job": f"#!/bin/sh\nset -eu\nif true; then\n{command}\nfi\n"}))
    assert names(found) == expected
    assert [(one.kind, one.path, one.line, one.before) for one in found] == (
        [("script", "/etc/cron.daily/job", 0, "0755")] if expected else []
    )


@pytest.mark.parametrize(("command", "expected"), COMMANDS)
def test_what_a_command_of_a_unit_starts(tmp_path: Path, command: str, expected: str) -> None:
    quoted = command.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    found = find(OLDS, tree(tmp_path, {**HELPERS, **enabled(unit(f'/bin/sh -c "{quoted}"'))}))
    assert names(found) == expected
    link = ("link", "/etc/systemd/system/multi-user.target.wants/auren.service", 0, "/etc/systemd/system/auren.service")
    assert [(one.kind, one.path, one.line, one.before) for one in found] == ([link] if expected else [])


SCRIPTS = [
    ("C=auren-kafka\nif [ $X ]; then C=auren-redis; fi\ndocker start $C\n", "kafka redis"),
    ('LIST=(auren-kafka\n  auren-redis)\nfor c in "${LIST[@]}"; do docker start $c; done\n', "kafka redis"),
    ('while read -r c; do\n  docker start "$c"\ndone < /srv/names.txt\n# auren-redis\necho auren-kafka\n', "kafka"),
    ("for c in $(cat /srv/names.txt); do docker start $c; done\n", "redis"),
    ("while read c; do docker start $c; done < <(docker ps -aq)\n", ALL),
    ("bash <<'EOF'\ndocker start auren-kafka\nEOF\ndocker start auren-redis\n", "kafka redis"),
    ("cat <<EOF > /tmp/x\ndocker start auren-kafka\nEOF\n", ""),
    ("ssh other <<EOF\ndocker start auren-kafka\nEOF\n", ""),
    ("cat <<-EOF\n\tdocker start auren-kafka\n\tEOF\ndocker start auren-redis\n", "redis"),
    ("f() {\n  docker start auren-kafka\n}\n", ""),
    ("function f {\n  docker start $1\n}\nf auren-kafka\n", "kafka"),
    ("f() { f; docker start auren-kafka; }\nf\n", "kafka"),
    ('X=auren-kafka\n[ -n "$1" ] && X=auren-redis\ndocker start $X\n', "kafka redis"),
    ("docker start \\\n  auren-kafka \\\n  auren-redis\n", "kafka redis"),
    ("set -- auren-kafka\ndocker start $1\n", "kafka"),
    ("APP=/srv/auren\npushd $APP\ndocker-compose up -d\n", PROJECT),
    ('cd "$APP_DIR" && docker-compose up -d\n', ""),  # nobody knows where, and nothing of it is named
    ("APP_DIR=$(sed -n 1p /etc/app)\n# /srv/auren\ncd $APP_DIR && docker-compose up -d\n", ""),
    ("X=/srv/auren\ncd $(pick $X) && docker-compose up -d\n", PROJECT),  # nobody knows where, but the folder is named
    ("echo \"it's\" 'a \"quote' \\\" # '\ndocker start auren-kafka\n", "kafka"),
    ("[[ $a == b && $c < d ]] && docker start auren-kafka\n", "kafka"),
    ("n=$((1 + (2 * 3)))\ndocker start auren-kafka\n", "kafka"),
    ("until docker info >/dev/null 2>&1; do sleep 1; done\ndocker start auren-kafka\n", "kafka"),
    ("case x in\n  x) case $1 in a) : ;; esac ;;\n  y) docker start auren-kafka ;;\nesac\ndocker start auren-redis\n", "redis"),
    ("trap 'rm -f /x' EXIT\necho $(docker start auren-kafka)\n", "kafka"),
    ("echo 'unclosed\ndocker start auren-kafka\n", ""),
    ("$(" * 500 + "\n", ""),
    ("echo " + "${a:-" * 300 + "}" * 300 + "\ndocker start auren-kafka\n", None),  # what follows may be lost, the run is not
    ("echo " + "$(echo " * 40 + ")" * 40 + "\ndocker start auren-kafka\n", "kafka"),
    ("echo $² ${00} ${99999999999999999999}\ndocker start auren-kafka\n", "kafka"),
]


@pytest.mark.parametrize(("text", "expected"), SCRIPTS)
def test_scripts_of_more_than_a_line(tmp_path: Path, text: str, expected: str) -> None:
    files = {"/srv/names.txt": "auren-redis\n", "/etc/cron.hourly/job": "#!/bin/bash\n" + text}
    found = names(find(OLDS, tree(tmp_path, files)))
    assert found == expected or expected is None


def test_scripts_are_followed_three_deep_and_no_deeper(tmp_path: Path) -> None:
    chain = {f"/srv/{n}.sh": f"#!/bin/sh\n/srv/{n + 1}.sh\n" for n in range(1, 9)}
    for last, expected in ((3, "kafka"), (4, "")):
        files = {**chain, f"/srv/{last}.sh": "#!/bin/sh\ndocker start auren-kafka\n", "/etc/cron.d/x": "@reboot root /srv/1.sh\n"}
        assert names(find(OLDS, tree(tmp_path / str(last), files))) == expected


def test_binaries_and_huge_files_are_not_read(tmp_path: Path) -> None:
    start = "\ndocker start auren-kafka\n"
    jobs = "@reboot root /srv/a\n@reboot root /srv/b\n@reboot root /srv/c\n"
    files = {"/srv/a": f"#!/bin/sh{start}\0", "/srv/b": "#!/bin/sh\n" + "#" * 262144 + start, "/srv/c": f"#!/bin/sh{start}"}
    assert [one.line for one in find(OLDS, tree(tmp_path, {**files, "/etc/crontab": jobs}))] == [3]


# --- places -----------------------------------------------------------------------------------------------------------

START = "/usr/bin/docker start auren-kafka"
RC = "#!/bin/sh\ndocker start auren-kafka\nexit 0\n"
INIT = '#!/bin/sh\n### BEGIN INIT INFO\ncase "$1" in\nstart) docker start auren-kafka;;\nstop) docker stop auren-kafka;;\nesac\n'
SYSTEM = "/etc/systemd/system"
PLACES: list[tuple[str, Files, list[str]]] = [
    ("wants", enabled(unit(START)), [f"{SYSTEM}/multi-user.target.wants/auren.service"]),
    ("requires", enabled(unit(START), wants="docker.service.requires"), [f"{SYSTEM}/docker.service.requires/auren.service"]),
    ("not enabled", {f"{SYSTEM}/auren.service": unit(START)}, []),
    (
        "masked",
        {
            f"{SYSTEM}/a.service": "-> /dev/null",
            "/lib/systemd/system/a.service": unit(START),
            f"{SYSTEM}/x.wants/a.service": "-> /lib/systemd/system/a.service",
        },
        [],
    ),
    (
        "vendor",
        {"/usr/lib/systemd/system/a.service": unit(START), f"{SYSTEM}/x.wants/a.service": "-> /usr/lib/systemd/system/a.service"},
        [f"{SYSTEM}/x.wants/a.service"],
    ),
    (
        "merged usr",
        {
            "/lib": "-> usr/lib",
            "/usr/lib/systemd/system/a.service": unit(START),
            "/usr/lib/systemd/system/x.wants/a.service": "-> ../a.service",
        },
        ["/lib/systemd/system/x.wants/a.service"],
    ),
    (
        "relative link",
        {**enabled(unit(START)), f"{SYSTEM}/x.wants/auren.service": "-> ../auren.service"},
        [f"{SYSTEM}/multi-user.target.wants/auren.service", f"{SYSTEM}/x.wants/auren.service"],
    ),
    (
        "linked unit",
        {"/srv/a.service": unit(START), f"{SYSTEM}/a.service": "-> /srv/a.service", f"{SYSTEM}/x.wants/a.service": "-> /srv/a.service"},
        [f"{SYSTEM}/x.wants/a.service"],
    ),
    (
        "timer",
        {**enabled("[Timer]\nOnBootSec=1min\n", "a.timer", "timers.target.wants"), f"{SYSTEM}/a.service": unit(START)},
        [f"{SYSTEM}/timers.target.wants/a.timer"],
    ),
    (
        "timer of another unit",
        {**enabled("[Timer]\nUnit=b.service\n", "a.timer", "timers.target.wants"), f"{SYSTEM}/b.service": unit(START)},
        [f"{SYSTEM}/timers.target.wants/a.timer"],
    ),
    (
        "timer of nothing",
        {**enabled("[Timer]\nUnit=b.service\n", "a.timer", "timers.target.wants"), f"{SYSTEM}/a.service": unit(START)},
        [],
    ),
    (
        "path",
        {**enabled("[Path]\nPathExists=/x\n", "a.path"), f"{SYSTEM}/a.service": unit(START)},
        [f"{SYSTEM}/multi-user.target.wants/a.path"],
    ),
    (
        "template",
        {
            f"{SYSTEM}/box@.service": unit("/usr/bin/docker start -a %i"),
            f"{SYSTEM}/x.wants/box@auren-kafka.service": f"-> {SYSTEM}/box@.service",
            f"{SYSTEM}/x.wants/box@web.service": f"-> {SYSTEM}/box@.service",
        },
        [f"{SYSTEM}/x.wants/box@auren-kafka.service"],
    ),
    (
        "drop-in",
        {**enabled(unit("/bin/true")), f"{SYSTEM}/auren.service.d/more.conf": f"[Service]\nExecStartPost={START}\n"},
        [f"{SYSTEM}/multi-user.target.wants/auren.service"],
    ),
    (
        "drop-in that takes back",
        {**enabled(unit(START)), f"{SYSTEM}/auren.service.d/none.conf": "[Service]\nExecStart=\nExecStart=/bin/true\n"},
        [],
    ),
    (
        "drop-in of a template",
        {
            f"{SYSTEM}/box@.service": unit("/bin/true"),
            f"{SYSTEM}/box@.service.d/x.conf": "[Service]\nExecStartPre=-/usr/bin/docker start %i\n",
            f"{SYSTEM}/x.wants/box@auren-kafka.service": f"-> {SYSTEM}/box@.service",
        },
        [f"{SYSTEM}/x.wants/box@auren-kafka.service"],
    ),
    (
        "continued line",
        enabled("[Service]\nExecStart=/usr/bin/docker \\\n# a comment between\n  start \\\n  auren-kafka\n"),
        [f"{SYSTEM}/multi-user.target.wants/auren.service"],
    ),
    ("commented", enabled(f"[Service]\n#ExecStart={START}\n;ExecStart={START}\nExecStart=/bin/true\n"), []),
    (
        "pulled in",
        {**enabled("[Unit]\nWants=network.target b.service\n", "all.target"), f"{SYSTEM}/b.service": unit(START, "Wants=all.target")},
        [f"{SYSTEM}/multi-user.target.wants/all.target"],
    ),
    ("only stops", enabled(f"[Service]\nExecStart=/bin/true\nExecStop=/usr/bin/docker stop auren-kafka\nExecReload={START}\n"), []),
    (
        "user's own",
        {
            "/home/ops/.config/systemd/user/a.service": unit(START),
            "/home/ops/.config/systemd/user/default.target.wants/a.service": "-> ../a.service",
        },
        ["/home/ops/.config/systemd/user/default.target.wants/a.service"],
    ),
    (
        "SysV",
        {
            "/etc/init.d/auren": INIT,
            "/etc/rc2.d/S20auren": "-> ../init.d/auren",
            "/etc/rc3.d/S20auren": "-> ../init.d/auren",
            "/etc/rc0.d/K01auren": "-> ../init.d/auren",
            "/etc/rc2.d/K20auren": "-> ../init.d/auren",
        },
        ["/etc/rc2.d/S20auren", "/etc/rc3.d/S20auren"],
    ),
    (
        "SysV of Red Hat",
        {"/etc/init.d/auren": INIT, "/etc/rc.d/rc3.d/S20auren": "-> /etc/init.d/auren", "/etc/rc3.d": "-> rc.d/rc3.d"},
        ["/etc/rc3.d/S20auren"],
    ),
    ("rc.local", {"/etc/rc.local": RC}, ["/etc/rc.local"]),
    ("rc.local that is off", {"/etc/rc.local": RC[10:]}, []),
    ("rc.local of Red Hat", {"/etc/rc.d/rc.local": RC, "/etc/rc.local": "-> rc.d/rc.local"}, ["/etc/rc.d/rc.local"]),
    ("linked script", {"/srv/x.sh": RC, "/etc/cron.weekly/x": "-> /srv/x.sh"}, ["/etc/cron.weekly/x"]),
    ("left over by an editor", {"/etc/cron.monthly/x~": RC, "/etc/cron.d/.x.swp": f"@reboot root {START}\n"}, []),
    ("cloud-init", {"/var/lib/cloud/scripts/per-boot/x.sh": RC}, ["/var/lib/cloud/scripts/per-boot/x.sh"]),
    (
        "crontab",
        {"/etc/crontab": f"SHELL=/bin/bash\n17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly\n@reboot root {START}\n"},
        ["/etc/crontab:3"],
    ),
    (
        "crontab of Debian's user",
        {"/var/spool/cron/crontabs/ops": f"# m h dom mon dow command\n@reboot {START}\n"},
        ["/var/spool/cron/crontabs/ops:2"],
    ),
    ("crontab of Red Hat's user", {"/var/spool/cron/ops": f"*/5 * * * 1-5 {START}\n"}, ["/var/spool/cron/ops:1"]),
    (
        "home of a user",
        {
            "/var/spool/cron/crontabs/ops": "0 3 * * * cd ~/auren && docker-compose up -d\n0 3 * * * cd auren; docker-compose up -d\n",
            "/home/ops/auren": "-> /srv/auren",
        },
        ["/var/spool/cron/crontabs/ops:1", "/var/spool/cron/crontabs/ops:2"],
    ),
    (
        "home of another user",
        {"/var/spool/cron/crontabs/root": "0 3 * * * cd ~/auren && docker-compose up -d\n", "/home/ops/auren": "-> /srv/auren"},
        [],
    ),
    ("PATH of a crontab", {"/etc/crontab": "PATH=/srv/bin:/usr/bin\n@reboot root boot\n", "/srv/bin/boot": RC}, ["/etc/crontab:2"]),
    ("percent", {"/etc/crontab": f"@reboot root date +\\%F; {START}\n@reboot root cat%{START}\n"}, ["/etc/crontab:1"]),
    ("commented line", {"/etc/crontab": f"# @reboot root {START}\n  #@reboot root {START}\n"}, []),
    ("anacron", {"/etc/anacrontab": f"1\t5\tcron.daily\trun-parts --report /etc/cron.daily\n7 10 auren {START}\n"}, ["/etc/anacrontab:2"]),
    (
        "environment of a unit",
        enabled(unit("/usr/bin/docker compose up -d", f'Environment="COMPOSE_FILE={FILE}" A=b')),
        [f"{SYSTEM}/multi-user.target.wants/auren.service"],
    ),
    (
        "environment file",
        {
            **enabled(unit("/usr/bin/docker start ${BOX}", "EnvironmentFile=-/etc/default/auren")),
            "/etc/default/auren": "# x\nBOX=auren-kafka\n",
        },
        [f"{SYSTEM}/multi-user.target.wants/auren.service"],
    ),
    (
        "working directory",
        enabled(
            unit(
                "/usr/bin/docker compose up -d",
                "RemainAfterExit=yes",
                "WorkingDirectory=-/srv/auren/",
                "ExecStop=/usr/bin/docker compose down",
            )
        ),
        [f"{SYSTEM}/multi-user.target.wants/auren.service"],
    ),
    ("another working directory", enabled(unit("/usr/bin/docker compose up -d", "WorkingDirectory=/srv/other")), []),
    (
        "docker itself",
        {
            **enabled(unit("/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"), "docker.service"),
            **enabled(unit("/usr/bin/containerd"), "containerd.service"),
        },
        [],
    ),
    (
        "other restarts of docker",
        {"/etc/cron.d/x": "0 4 * * 0 root systemctl restart docker\n", f"{SYSTEM}/docker.service": unit("/usr/bin/dockerd")},
        [],
    ),
    (
        "loops of links",
        {
            "/srv/a": "-> b",
            "/srv/b": "-> a",
            "/etc/cron.d/x": "@reboot root cd /srv/a && docker compose up; /srv/a\n",
            f"{SYSTEM}/x.wants/a.service": "-> a.service",
        },
        [],
    ),
]


@pytest.mark.parametrize(("files", "expected"), [pytest.param(files, expected, id=name) for name, files, expected in PLACES])
def test_where_starters_are(tmp_path: Path, files: Files, expected: list[str]) -> None:
    found = find(OLDS, tree(tmp_path, files))
    assert [one.path + (f":{one.line}" if one.line else "") for one in found] == expected
    before = snapshot(tmp_path)
    for starter in found:
        disable(starter, tmp_path)
    assert find(OLDS, tmp_path) == []
    assert all(enable(starter, tmp_path) for starter in found)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("row", "expected"), [("@daily ops cd ~/auren", PROJECT), ("@daily root cd ~/auren", ""), ("HOME=/srv\n@daily root cd auren", PROJECT)]
)
def test_each_line_of_a_system_crontab_has_the_home_of_its_user(tmp_path: Path, row: str, expected: str) -> None:
    tree(tmp_path, {"/etc/cron.d/x": f"{row} && docker compose up -d\n", "/home/ops/auren": "-> /srv/auren"})
    assert names(find(OLDS, tmp_path)) == expected


HOSTS: list[tuple[str, Files, list[str]]] = [
    (
        "the unit of a Compose project, with Compose 1.29 of pip",
        {
            **enabled(
                "[Unit]\nDescription=Auren stack\nRequires=docker.service\nAfter=docker.service network-online.target\n\n"
                "[Service]\nType=oneshot\nRemainAfterExit=yes\nWorkingDirectory=/srv/auren\n"
                "ExecStartPre=-/usr/local/bin/docker-compose pull --quiet\nExecStart=/usr/local/bin/docker-compose up -d --remove-orphans\n"
                "ExecStop=/usr/local/bin/docker-compose down\nTimeoutStartSec=0\n\n[Install]\nWantedBy=multi-user.target\n"
            ),
            **enabled("[Unit]\nWants=containerd.service\n[Service]\nExecStart=/usr/bin/dockerd -H fd://\n", "docker.service"),
            "/usr/local/bin/docker-compose": "#!/usr/bin/python3\nimport sys\nfrom compose.cli.main import main\nsys.exit(main())\n",
        },
        [
            "the unit auren.service (/etc/systemd/system/auren.service:11) runs docker-compose up for the project auren, "
            "which would start auren-kafka, auren-redis"
        ],
    ),
    (
        "a unit for each container",
        enabled(
            "[Service]\nRestart=always\nExecStartPre=-/usr/bin/docker stop %N\nExecStartPre=-/usr/bin/docker rm %N\n"
            "ExecStart=/usr/bin/docker run --rm --name %N \\\n  -v pgdata:/var/lib/postgresql/data \\\n  postgres:16\n",
            "auren-postgres.service",
        ),
        [
            "the unit auren-postgres.service (/etc/systemd/system/auren-postgres.service:5) runs docker run, "
            "which would start auren-postgres"
        ],
    ),
    (
        "a watchdog in the crontab of root",
        {
            "/var/spool/cron/crontabs/root": 'MAILTO=""\n*/5 * * * * /root/restart.sh >> /var/log/restart.log 2>&1\n',
            "/root/restart.sh": "#!/bin/bash\nfor X in auren-kafka auren-redis; do\n"
            '  if [ "$(docker inspect -f \'{{.State.Running}}\' "$X" 2>/dev/null)" != "true" ]; then\n'
            '    echo "$(date "+%F %T") $X is down"\n    docker start "$X" || { echo failed; exit 1; }\n  fi\ndone\n'
            "docker ps | grep -q auren-postgres || docker restart auren-postgres\n",
        },
        [
            "the cron line /var/spool/cron/crontabs/root:2 runs docker start in /root/restart.sh:5 and docker restart in "
            "/root/restart.sh:8, which would start auren-kafka, auren-redis, auren-postgres"
        ],
    ),
    (
        "two files of Compose in rc.local",
        {
            "/etc/rc.local": "#!/bin/sh -e\nsleep 20\ncd /srv/auren || exit 1\n"
            "screen -dmS auren docker compose --env-file x.env -f docker-compose.yml -f docker-compose.prod.yml --profile all up\nexit 0\n"
        },
        ["the script /etc/rc.local (line 4) runs docker compose up for the project auren, which would start auren-kafka, auren-redis"],
    ),
    (
        "a backup that stops and starts",
        {
            "/etc/cron.d/backup": "SHELL=/bin/bash\nMAILTO=ops@example.com\n30 2 * * * root /opt/backup/run.sh nightly\n",
            "/opt/backup/run.sh": "#!/bin/bash\nset -euo pipefail\nreadonly SERVICES=(auren-postgres)\n"
            'docker stop "${SERVICES[@]}"\ntar czf "/backup/$(date +%F).tgz" /data\ndocker start "${SERVICES[@]}"\n',
        },
        ["the cron line /etc/cron.d/backup:3 runs docker start in /opt/backup/run.sh:6, which would start auren-postgres"],
    ),
]


@pytest.mark.parametrize(("files", "expected"), [pytest.param(files, expected, id=name) for name, files, expected in HOSTS])
def test_hosts_of_operators(tmp_path: Path, files: Files, expected: list[str]) -> None:
    assert [one.what for one in find(OLDS, tree(tmp_path, files))] == expected


def test_an_empty_host_has_none(tmp_path: Path) -> None:
    assert (find(OLDS, tmp_path), pruners(tmp_path), find((), tree(tmp_path / "x", HELPERS))) == ([], [], [])


def test_compose_knows_a_project_by_its_name_alone(tmp_path: Path) -> None:
    """Labels of Compose before 1.25 tell neither file nor folder, and a project that was moved keeps its name."""
    files = {"/etc/cron.d/x": "@reboot root cd /opt/auren && docker-compose up -d\n", "/opt/auren/docker-compose.yml": COMPOSE}
    tree(tmp_path, files)
    assert names(find(OLDS, tmp_path)) == PROJECT
    assert names(find([replace(KAFKA, project_files=(), project_dir="")], tmp_path)) == "kafka"
    assert names(find([replace(KAFKA, project="shop")], tmp_path)) == ""
    (tmp_path / "opt/auren/docker-compose.yml").write_text("name: shop\n" + COMPOSE, encoding="utf-8")
    assert (names(find(OLDS, tmp_path)), names(find([replace(KAFKA, project="shop")], tmp_path))) == ("", "kafka")


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


# --- units that run ---------------------------------------------------------------------------------------------------


def test_units_with_a_process_of_their_own_are_told_where_systemd_runs(tmp_path: Path) -> None:
    states = {"a": "active running", "b": "active exited", "c": "inactive dead", "d": "activating auto-restart", "e": "active running"}
    files = {key: value for name in "abcd" for key, value in enabled(unit(START), f"{name}.service").items()}
    files |= {**enabled("[Timer]\nUnit=e.service\n", "t.timer", "timers.target.wants"), f"{SYSTEM}/e.service": unit(START)}
    starters = find(OLDS, tree(tmp_path, {**files, "/etc/cron.d/x": f"@daily root {START}\n"}))
    asked: list[str] = []

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        assert list(arguments[:3]) == ["systemctl", "show", "--property=ActiveState,SubState"]
        asked.append(arguments[3])
        active, sub = states[arguments[3].split(".")[0]].split()
        return 0, f"ActiveState={active}\nSubState={sub}\n"

    assert (running_units(starters, run, tmp_path), asked) == ([], [])
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert running_units(starters, run, tmp_path) == ["a.service", "e.service"]
    assert sorted(asked) == [f"{name}.service" for name in "abcde"]
    assert running_units(starters, lambda _arguments: (1, "ActiveState=active\nSubState=running\n"), tmp_path) == []


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

Entry = tuple[str, int, int, int]


def snapshot(root: Path) -> dict[str, Entry]:
    """Every entry: content or target, mode, owner."""
    found: dict[str, Entry] = {}
    for path in sorted(root.rglob("*")):
        info = os.lstat(path)
        content = os.readlink(path) if path.is_symlink() else "" if path.is_dir() else path.read_bytes().decode("latin-1")
        found[str(path.relative_to(root))] = (content, info.st_mode, info.st_uid, info.st_gid)
    return found


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
