"""Which containers a command starts, in a cron line, a script and a unit."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils.starters import (
    find,
)

from tests.unit.starter_hosts import (
    ALL,
    COMMANDS,
    HELPERS,
    OLDS,
    PROJECT,
    enabled,
    names,
    tree,
    unit,
)


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
