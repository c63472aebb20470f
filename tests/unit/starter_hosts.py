"""Hosts of operators as trees of files, and commands that start what is taken over, or do not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.starters import (
    Old,
    Starter,
)

START = "/usr/bin/docker start auren-kafka"
RC = "#!/bin/sh\ndocker start auren-kafka\nexit 0\n"
INIT = '#!/bin/sh\n### BEGIN INIT INFO\ncase "$1" in\nstart) docker start auren-kafka;;\nstop) docker stop auren-kafka;;\nesac\n'
SYSTEM = "/etc/systemd/system"
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


Entry = tuple[str, int, int, int]


def snapshot(root: Path) -> dict[str, Entry]:
    """Every entry: content or target, mode, owner."""
    found: dict[str, Entry] = {}
    for path in sorted(root.rglob("*")):
        info = os.lstat(path)
        content = os.readlink(path) if path.is_symlink() else "" if path.is_dir() else path.read_bytes().decode("latin-1")
        found[str(path.relative_to(root))] = (content, info.st_mode, info.st_uid, info.st_gid)
    return found


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
