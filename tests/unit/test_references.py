"""Who refers to a container: in what the Engine knows of others, in files that are mounted into them, in Compose files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.auren.stack.plugins.module_utils import references
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Text
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, LABEL_SERVICE, Container, Pool
from ansible_collections.auren.stack.plugins.module_utils.references import (
    LABEL_COMPOSE_FILES,
    LABEL_COMPOSE_SERVICE,
    clients_first,
    mentions,
)

from tests.unit.network_builders import box, host, net, on

OLD = net("old", "10.1.0.0/24")
FILE = "/srv/shop.yml"
SHOP = {LABEL_COMPOSE_PROJECT: "shop", LABEL_COMPOSE_SERVICE: "db", LABEL_COMPOSE_FILES: FILE}


def told(text: str, owner: str = "user", *more: Container) -> list[str]:
    """Who refers to auren-redis, which is redis on its network, when a container is configured with this."""
    state = host(OLD, box("auren-redis", on("old", "redis")), box("user", on("old")), *more, texts=(Text(owner, "there", text),))
    return mentions(state, state.by_name["auren-redis"])


# --- mentions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "auren-redis",
        "redis",
        "redis://redis:6379/0",
        "redis://:password@auren-redis:6379",
        "      - targets: ['auren-redis:9121']",
        "server redis:6379;",
        "a=1,redis,b=2",
        "http://redis/path",
    ],
)
def test_a_name_in_the_configuration_of_another_container_is_a_mention(text: str) -> None:
    assert told(text) == ["there"]


@pytest.mark.parametrize(
    "text", ["redis://cache:6379", "rediss://cache", "my-redis", "redis-server", "auren-redis-2", "redis_1", "xredis", "cache.redis", ""]
)
def test_a_scheme_and_a_part_of_a_word_are_no_mention(text: str) -> None:
    assert told(text) == []


def test_what_a_container_says_of_itself_is_no_mention() -> None:
    assert told("redis:6379", owner="auren-redis") == []


def test_a_name_that_another_running_container_answers_to_goes_on_leading_there() -> None:
    second = box("second", on("old", "redis"))
    assert told("redis:6379", "user", second) == []
    assert told("auren-redis:6379", "user", second) == ["there"]
    assert told("redis:6379", "user", box("second", on("old", "redis"), state="exited")) == ["there"]


def test_a_line_of_a_compose_file_alone_is_no_mention() -> None:
    assert told("redis:", owner="") == []


def test_a_container_without_a_name_of_its_own_is_mentioned_by_nobody() -> None:
    state = host(box("one"), box("two", on("old", "one")), texts=(Text("two", "there", "one"),))
    assert mentions(state, state.by_name["one"]) == []


# --- depends_on -------------------------------------------------------------------------------------------------------


def compose(text: str, path: str = FILE) -> tuple[Text, ...]:
    return tuple(Text("", f"the Compose file {path}:{number}", line) for number, line in enumerate(text.splitlines(), 1))


def dependents(text: str, **labels: str) -> list[str]:
    state = host(OLD, box("shop-db-1", on("old"), labels={**SHOP, **labels}), texts=compose(text))
    return mentions(state, state.by_name["shop-db-1"])


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ("    depends_on:\n      - cache\n      - db\n", 4),
        ("    depends_on:\n    - db\n", 3),
        ('    depends_on:\n      - "db"  # first\n', 3),
        ("    depends_on: [db]\n", 2),
        ("    depends_on: [cache, 'db', web]\n", 2),
        ("    depends_on:\n      db:\n        condition: service_healthy\n", 3),
        ("    depends_on:\n      cache:\n        condition: service_started\n\n      db:\n        condition: service_healthy\n", 6),
        ("    depends_on:\n      db: {condition: service_healthy}\n", 3),
        ("    depends_on: {db: {condition: service_healthy}}\n", 2),
        ("    depends_on: {cache: {condition: service_started}, db: {condition: service_healthy}}\n", 2),
    ],
)
def test_a_service_that_depends_on_it_is_told(lines: str, number: int) -> None:
    assert dependents(f"  web:\n{lines}") == [f"depends_on in {FILE}:{number}"]


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  db:\n    image: db\n",
        "  web:\n    depends_on:\n      - database\n      - my-db\n",
        "  web:\n    depends_on: [dbs, xdb]\n",
        "  web:\n    depends_on:\n      - cache\n    links:\n      - db\n",
        "  web:\n    depends_on:\n      - cache\n  db:\n    image: x\n",
        "  web:\n    depends_on:\n      # - db\n      - cache\n",
    ],
)
def test_what_is_no_dependence_is_not_told(text: str) -> None:
    assert dependents(text) == []


def test_a_dependence_counts_in_the_files_of_its_own_project_only() -> None:
    text = "  web:\n    depends_on: [db]\n"
    assert dependents(text, **{LABEL_COMPOSE_FILES: "/srv/other.yml"}) == []
    assert dependents(text, **{LABEL_COMPOSE_SERVICE: ""}) == []
    assert dependents(text, **{LABEL_COMPOSE_FILES: f"/srv/base.yml,{FILE}"}) == [f"depends_on in {FILE}:2"]


# --- where a service stands -------------------------------------------------------------------------------------------

LINES = """\
version: "3"
services:
  # the shop
  web:
    image: web
    depends_on:
      - db

  "db":  # data
    image: db
    environment:
      db: x

    # the end
  last:
    image: last
volumes:
  db:
"""


@pytest.mark.parametrize(
    ("service", "lines"), [("web", (4, 7)), ("db", (9, 12)), ("last", (15, 16)), ("image", (0, 0)), ("volumes", (0, 0)), ("we", (0, 0))]
)
def test_the_lines_of_a_service(service: str, lines: tuple[int, int]) -> None:
    assert references.service_lines(LINES.splitlines(), service) == lines


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (SHOP, f"the Compose project shop ({FILE}:9-12)"),
        ({**SHOP, LABEL_COMPOSE_FILES: f"/srv/base.yml,{FILE}"}, f"the Compose project shop ({FILE}:9-12)"),
        ({**SHOP, LABEL_COMPOSE_SERVICE: "gone"}, "the Compose project shop"),
        ({LABEL_COMPOSE_PROJECT: "shop"}, "the Compose project shop"),
        ({}, ""),
    ],
)
def test_the_place_of_a_container_in_its_compose_project(labels: dict[str, str], said: str) -> None:
    state = host(box("db", labels=labels), texts=compose(LINES))
    assert references.compose_place(state, state.by_name["db"]) == said


# --- where texts come from --------------------------------------------------------------------------------------------


def test_the_engine_knows_a_container_by_environment_command_and_labels() -> None:
    labels = {
        "traefik.url": "http://redis",
        "com.docker.compose.service": "redis",
        "auren.stack.service": "x",
        "org.opencontainers.image": "y",
    }
    found = references.texts_of(box("one", env={"URL": "redis"}, command=("sh", "-c", "redis"), labels=labels))
    assert [(text.owner, text.where, text.text) for text in found] == [
        ("one", "environment key URL of one", "redis"),
        ("one", "command of one", "sh -c redis"),
        ("one", "label traefik.url of one", "http://redis"),
    ]


def test_a_text_does_not_show_what_may_be_a_secret() -> None:
    assert repr(Text("one", "environment key P of one", "hunter2")) == "Text(one, environment key P of one)"


def test_the_lines_of_mounted_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "prometheus.yml").write_text("scrape:\n  - redis:9121\n")
    (tmp_path / "one.conf").write_bytes(b"server redis;\xff\n")
    (tmp_path / "binary").write_bytes(b"redis\0")
    (tmp_path / "large").write_text("redis\n" * references.LARGEST)
    (tmp_path / "link").symlink_to(tmp_path / "one.conf")
    binds = (str(tmp_path), str(tmp_path / "conf.d" / "prometheus.yml"), str(tmp_path / "gone"))
    found = [(text.where, text.text) for text in references.mounted_texts(box("one", binds=binds))]
    scrape = [(f"{tmp_path}/conf.d/prometheus.yml:{number} of one", line) for number, line in ((1, "scrape:"), (2, "  - redis:9121"))]
    assert found == [(f"{tmp_path}/one.conf:1 of one", "server redis;\ufffd"), *scrape, *scrape]


def test_a_mounted_directory_is_not_read_without_end(tmp_path: Path) -> None:
    for number in range(references.MOST_FILES + 5):
        (tmp_path / f"{number:04}").write_text("line\n")
    assert len(list(references.mounted_texts(box("one", binds=(str(tmp_path),))))) == references.MOST_FILES


def test_a_directory_that_is_called_like_one_without_configurations_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/developer begins like /dev."""
    for name in ("dev", "developer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.conf").write_text("redis\n")
    monkeypatch.setattr(references, "NOT_WRITTEN", {tmp_path / "dev"})
    binds = tuple(str(tmp_path / name) for name in ("dev", "dev/a.conf", "developer"))
    assert [text.where for text in references.mounted_texts(box("one", binds=binds))] == [f"{tmp_path}/developer/a.conf:1 of one"]


def test_what_programs_write_is_no_configuration(tmp_path: Path) -> None:
    """Logs, and of a server's data all but what people may have written there; the rest is read as ever."""
    read = [
        "nginx.conf",
        "rotate.log.py",
        "sub/a.yml",
        "pg/postgresql.conf",
        "redis/redis.conf",
        "tsdb/prometheus.yml",
        "tsdb/targets/a.yml",
    ]
    written = ["access.log", "error.log.1", "logs/access", "log/x.conf", "pg/PG_VERSION", "pg/base/1/x", "pg/log/pg.csv"]
    written += ["redis/appendonlydir/appendonly.aof.1.incr.aof", "tsdb/wal/0", "tsdb/queries.active"]
    for name in (*read, *written):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("10.1.0.9\n")
    binds = (str(tmp_path), str(tmp_path / "logs"), str(tmp_path / "access.log"))
    found = [text.where for text in references.mounted_texts(box("one", binds=binds))]
    assert sorted(found) == sorted(f"{tmp_path}/{name}:1 of one" for name in read)


def test_the_compose_files_of_others_are_read_once(tmp_path: Path) -> None:
    first, second, ours = (tmp_path / name for name in ("a.yml", "b.yml", "ours.yml"))
    for path in (first, second, ours):
        path.write_text(f"name: {path.name}\n")
    files = LABEL_COMPOSE_FILES
    labelled: list[dict[str, str]] = [{files: f"{second},{first}"}, {files: str(first)}, {files: str(ours), LABEL_SERVICE: "x"}, {}]
    containers = tuple(box(f"c{number}", labels=labels) for number, labels in enumerate(labelled))
    assert [(text.owner, text.where, text.text) for text in references.compose_texts(containers)] == [
        ("", f"the Compose file {first}:1", "name: a.yml"),
        ("", f"the Compose file {second}:1", "name: b.yml"),
    ]


# --- addresses --------------------------------------------------------------------------------------------------------


def test_an_address_in_a_scrape_configuration_is_found_and_one_elsewhere_is_not() -> None:
    texts = (
        Text("prometheus", "/srv/prometheus.yml:9 of prometheus", "      - targets: ['10.1.0.17:9121', 'redis:9121']"),
        Text("user", "environment key HOST of user", "10.2.0.17"),
        Text("user", "environment key NET of user", "10.1.0.0/24"),
        Text("user", "environment key VERSION of user", "10.1.0.17.1"),
    )
    state: HostState = host(OLD, texts=texts)
    assert state.address_users("old") == ["/srv/prometheus.yml:9 of prometheus"]
    assert state.address_users("gone") == []


@pytest.mark.parametrize(
    ("pool", "gateway"),
    [
        (Pool("10.1.0.0/24", "10.1.0.7"), "10.1.0.7"),
        (Pool("10.1.0.0/24", "10.1.0.7/24"), "10.1.0.7"),
        (Pool("10.1.0.0/24"), "10.1.0.1"),
        (Pool("10.1.0.0/16", "", "10.1.4.0/24"), "10.1.4.0"),
    ],
)
def test_a_gateway_is_no_container_and_goes_with_its_network(pool: Pool, gateway: str) -> None:
    texts = (Text("web", "/srv/web.conf:3 of web", f"real_ip_from {gateway};"), Text("web", "environment key HOST of web", "10.1.0.9"))
    state = host(net("old", pool.subnet, pools=(pool,)), texts=texts)
    assert state.container_address_users("old") == ["environment key HOST of web"]
    assert state.address_users("old") == [text.where for text in texts]


def test_an_address_is_told_by_its_place_and_not_by_the_line_that_it_has_just_now() -> None:
    wheres = ["/srv/b.yml:9 of web", "the Compose file /srv/c.yml:4", "/srv/b.yml:3 of web", "/a:1/x.yml:2 of web", "command of web"]
    state = host(OLD, texts=tuple(Text("web", where, "10.1.0.9") for where in wheres))
    assert state.container_address_users("old") == [
        "/a:1/x.yml of web",
        "/srv/b.yml of web",
        "command of web",
        "the Compose file /srv/c.yml",
    ]


def test_clients_join_before_those_that_they_ask_for() -> None:
    """Who knows whom: web → api → db; the two that know each other come last, by name."""
    boxes = [box(name, on("old", name + "-alias")) for name in ("api", "db", "here", "there", "web")]
    known = {"web": "http://api-alias:80/x", "api": "postgres://u@db/x", "here": "there", "there": "here-alias", "db": "db"}
    state = host(OLD, *boxes, texts=tuple(Text(owner, "somewhere", text) for owner, text in known.items()))
    assert list(clients_first(state)) == ["web", "api", "db", "here", "there"]
    assert list(clients_first(replace(state, texts=()))) == ["api", "db", "here", "there", "web"]
