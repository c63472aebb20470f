"""What would start an old container at boot or by cron, on trees of files as operators' hosts have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.starters import (
    find,
    pruners,
)
from ansible_collections.auren.stack.plugins.module_utils.starters_disable import disable, enable

from tests.unit.starter_hosts import (
    COMPOSE,
    FILE,
    HELPERS,
    INIT,
    KAFKA,
    OLDS,
    PROJECT,
    RC,
    START,
    SYSTEM,
    Files,
    enabled,
    names,
    snapshot,
    tree,
    unit,
)

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
    ("own name", enabled(unit(f"-@/usr/bin/docker kafka {START[16:]}")), [f"{SYSTEM}/multi-user.target.wants/auren.service"]),
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
