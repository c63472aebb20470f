"""compose_project and secrets: made once, never lost, never shown, and whole on every way into a container."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.auren.stack.plugins.module_utils.probes import postgres as probe

from tests.integration.harness import Project, Result, docker, image

SPECIAL = """p$a ${HOME} $$ 'q' "r" #s \\t \\\\ @u :v /w %x%41 y&z=`;|?*é~"""
RUNS_AS = "999:1000"


def secrets_of(project: Project) -> dict[str, Any]:
    return {"secret_specs": {"password": {"generate": True, "volume": project.called("data")}, "empty": {"optional": True}}}


def redis(project: Project, **compose: Any) -> dict[str, Any]:
    """A real Redis that reads its password from a file, and holds it in its environment and in a URL too."""
    check = 'REDISCLI_AUTH="$(cat /run/secrets/password)" redis-cli ping | grep -qx PONG'
    return project.service(
        "redis",
        compose={
            "entrypoint": ["redis-server", "/etc/redis/redis.conf"],
            "user": RUNS_AS,
            "environment": {
                "PASSWORD": "<<secret:password>>",
                "URL": "redis://default:<<secret:password:url>>@127.0.0.1:6379/0",
                "EMPTY": "<<secret:empty>>",
                "PLAIN": "$x",
            },
            "volumes": [f"{project.directory}/config/{project.called('redis')}:/etc/redis:ro"],
            "healthcheck": {"test": ["CMD-SHELL", check], "interval": "500ms", "start_interval": "100ms"},
            **compose,
        },
        runs_as=RUNS_AS,
        secrets=["password"],
        files={"redis.conf": {"content": 'requirepass "<<secret:password:json>>"\n'}},
        data=[{"volume": project.called("data"), "target": "/data"}],
    )


@pytest.fixture
def kept(project: Project) -> Project:
    """A project whose volume remembers the secret."""
    project.volume("data")
    return project


def seen(project: Project, *command: str) -> str:
    return docker("exec", project.called("redis"), *command)


def shown(result: Result, secret: str) -> list[str]:
    """The forms of a secret that a module's output holds."""
    return [form for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]) if form in result.text]


def facts(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return oct(stat.S_IMODE(found.st_mode)), found.st_uid, found.st_gid


def test_a_password_of_special_characters_arrives_whole_on_every_way(kept: Project) -> None:
    given = {**secrets_of(kept), "secrets": {"password": SPECIAL}}
    results = [kept.run(redis(kept), check=True, **given), kept.do(redis(kept), **given), kept.do(redis(kept), **given)]
    assert [r.changed for r in results] == [True, True, False]
    assert [shown(r, SPECIAL) for r in results] == [[], [], []]
    assert seen(kept, "printenv", "PASSWORD") == SPECIAL
    assert seen(kept, "printenv", "PLAIN") == "$x"
    assert seen(kept, "printenv", "EMPTY") == ""
    assert seen(kept, "cat", "/run/secrets/password") == SPECIAL
    assert seen(kept, "sh", "-c", 'redis-cli --no-auth-warning -u "$URL" ping') == "PONG"  # by its URL, and by its configuration file
    assert seen(kept, "sh", "-c", 'REDISCLI_AUTH="$PASSWORD" redis-cli ping') == "PONG"
    assert "NOAUTH" in seen(kept, "redis-cli", "ping")


def test_it_is_made_once_and_only_its_reader_can_read_it(kept: Project) -> None:
    previous = os.umask(0o077)  # decides nothing
    try:
        kept.do(redis(kept), **secrets_of(kept))
    finally:
        os.umask(previous)
    secrets = kept.directory / "secrets"
    value = (secrets / "password").read_text()
    assert len(value) >= 32
    assert seen(kept, "cat", "/run/secrets/password") == value
    name = kept.called("redis")
    wanted = {
        secrets / "password": ("0o600", 0, 0),
        secrets / "env" / f"{name}.env": ("0o600", 0, 0),
        secrets / "mounts" / name / "password": ("0o400", 999, 1000),
        kept.directory / "config" / name / "redis.conf": ("0o400", 999, 1000),
        kept.directory / "services" / f"{name}.yml": ("0o644", 0, 0),
        kept.directory / ".auren" / "declared.json": ("0o600", 0, 0),
    }
    assert {path: facts(path) for path in wanted} == wanted
    modes = {p: facts(kept.directory / p)[0] for p in ("", "secrets", ".auren", "config", f"config/{name}", "services")}
    assert modes == {"": "0o755", "secrets": "0o700", ".auren": "0o700", "config": "0o755", f"config/{name}": "0o755", "services": "0o755"}

    assert not kept.do(redis(kept), **secrets_of(kept)).changed
    assert (secrets / "password").read_text() == value


def test_no_value_is_in_a_file_that_others_can_read_or_in_a_label(kept: Project) -> None:
    kept.do(redis(kept), secrets={"password": SPECIAL}, **secrets_of(kept))
    forms = [form.encode() for form in (SPECIAL, quote(SPECIAL, safe=""), json.dumps(SPECIAL, ensure_ascii=False)[1:-1])]
    for path in (p for p in kept.directory.rglob("*") if p.is_file() and p.stat().st_mode & 0o077):
        assert not [form for form in forms if form in path.read_bytes()], path
    labels = json.dumps(kept.inspect("redis")["Config"]["Labels"])
    assert not [form for form in forms if form.decode() in labels]
    assert SPECIAL.encode() not in (kept.directory / ".auren" / "declared.json").read_bytes()


def test_a_failure_shows_the_log_without_the_secret(kept: Project) -> None:
    bad = redis(kept, entrypoint=["sh", "-c", 'echo "started with $PASSWORD at $URL"; sleep infinity'], stop_signal="SIGKILL")
    secret = "s3cret with / and %"
    failed = kept.fails({**bad, "gate": {"deadline": 3, "hold": 0}}, secrets={"password": secret}, **secrets_of(kept))
    assert "started with " in failed.msg
    assert shown(failed, secret) == []


def remove(project: Project, *paths: str) -> None:
    """Remove below the project's secrets; by a container, because some belong to others."""
    mount = f"{project.directory}/secrets:/s"
    docker("run", "--rm", "-v", mount, "--entrypoint", "rm", image("redis"), "-r", *(f"/s/{path}" for path in paths))


def test_lost_files_are_taken_back_from_the_container(kept: Project) -> None:
    kept.do(redis(kept), secrets={"password": SPECIAL}, **secrets_of(kept))
    name, started = kept.called("redis"), kept.started("redis")
    for lost in (["password"], ["password", f"mounts/{name}/password", f"env/{name}.env"]):
        remove(kept, *lost)
        done = kept.do(redis(kept), **secrets_of(kept))
        assert done.actions == [f"write secrets/{path}: missing" for path in lost]
        assert (kept.directory / "secrets" / "password").read_text() == SPECIAL
        assert seen(kept, "cat", "/run/secrets/password") == SPECIAL
        assert kept.started("redis") == started
        assert not kept.do(redis(kept), **secrets_of(kept)).changed


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_lost_directory_reaches_a_container_only_when_it_is_recreated(kept: Project, made_anew: bool) -> None:
    kept.do(redis(kept), secrets={"password": SPECIAL}, **secrets_of(kept))
    name = kept.called("redis")
    copy = kept.directory / "copy"
    shutil.copytree(kept.directory / "secrets" / "mounts" / name, copy)
    remove(kept, f"mounts/{name}")
    if made_anew:
        copy.rename(kept.directory / "secrets" / "mounts" / name)
    done = kept.do(redis(kept), **secrets_of(kept))
    assert done.actions[-1] == f"recreate {name}: secrets/mounts/{name} is no longer the one that it has"
    assert seen(kept, "cat", "/run/secrets/password") == SPECIAL
    assert not kept.do(redis(kept), **secrets_of(kept)).changed


def test_a_missing_secret_for_a_volume_with_data_is_refused(kept: Project) -> None:
    name = kept.volumes[0]
    (kept.mountpoint("data") / "appendonly.aof").write_text("data")
    before = kept.state()
    assert kept.fails(redis(kept), **secrets_of(kept)).msg == (
        f"password is not known, but volume {name} holds data that was made with it; a new one would lock everyone out: "
        "give the old one in auren_secrets: password"
    )
    assert kept.state() == before
    kept.do(redis(kept), secrets={"password": "the old one"}, **secrets_of(kept))
    before = kept.state()
    refused = kept.fails(redis(kept), secrets={"password": "another one"}, **secrets_of(kept))
    assert refused.msg == (
        f"password: the value given in auren_secrets is not the one that the data in volume {name} was made with; "
        "changing only the clients would lock them out. Change it in the service itself first and put it into the file of that name in the "
        "project's secrets directory, or take password out of auren_secrets to keep the present one"
    )
    assert kept.state() == before
    assert shown(refused, "the old one") + shown(refused, "another one") == []


def test_a_client_that_was_given_another_value_by_hand_is_made_anew(project: Project) -> None:
    """An edited env file and Compose called by hand: the container's label says that all is well."""
    value = "p$a 'q' \"r\" =x #s %41"
    client = project.service("client", compose={"environment": {"PASSWORD": "<<secret:password>>", "PLAIN": "1"}})
    given = {"secret_specs": {"password": {}}, "secrets": {"password": value}}
    project.do(client, **given)
    assert project.do(client, **given).actions == []
    path = project.directory / "secrets" / "env" / f"{project.called('client')}.env"
    path.write_text("PASSWORD='drifted'\n")
    project.compose("up", "--detach", "--no-deps", "--force-recreate", project.called("client"))
    assert "PASSWORD=drifted" in project.inspect("client")["Config"]["Env"]
    [action] = [one for one in project.do(client, **given).actions if "recreate" in one]
    assert "its environment key PASSWORD holds another secret than the project" in action
    assert f"PASSWORD={value}" in project.inspect("client")["Config"]["Env"]
    assert project.do(client, **given).actions == []


def test_a_changed_secret_is_a_cause_without_its_value(project: Project) -> None:
    specs = {"secret_specs": {"token": {}}}
    service = project.service("one", compose={"environment": {"TOKEN": "<<secret:token>>"}}, secrets=["token"])
    project.do(service, secrets={"token": "first-value"}, **specs)
    done = project.do(service, secrets={"token": "second-value"}, **specs)
    assert done.actions == [f"recreate {project.called('one')}: environment key TOKEN changed, secret token changed"]
    assert shown(done, "first-value") + shown(done, "second-value") == []
    assert docker("exec", project.called("one"), "printenv", "TOKEN") == "second-value"


@pytest.mark.parametrize(
    ("specs", "sentence"),
    [
        ({}, "the secret token is not described; add it to auren_secret_specs"),
        ({"token": {}}, "token has no value and is never generated: give it in auren_secrets: token"),
    ],
)
def test_a_secret_that_nobody_gives(project: Project, specs: dict[str, Any], sentence: str) -> None:
    before = project.state()
    failed = project.fails(project.service("one", secrets=["token"]), secret_specs=specs)
    assert failed.msg == sentence
    assert project.state() == before


def test_a_misspelt_secret_is_told(project: Project) -> None:
    before = project.state()
    given = {"token": "a-value", "tokn": "a-value"}
    failed = project.fails(
        project.service("one", secrets=["token"]), secrets=given, secret_specs={"token": {}, "other": {"optional": True}}
    )
    assert failed.msg == "auren_secrets names tokn, which nobody asks for; known are other, token"
    assert project.state() == before


# --- a server that remembers ------------------------------------------------------------------------------------------


def postgres(project: Project) -> dict[str, Any]:
    """A real PostgreSQL whose volume remembers the password."""
    return project.service(
        "pg",
        compose={
            "image": image("postgres"),
            "entrypoint": ["docker-entrypoint.sh", "postgres"],
            "environment": {"POSTGRES_USER": "auren", "POSTGRES_DB": "auren", "POSTGRES_PASSWORD": "<<secret:password>>"},
            "healthcheck": {"test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "auren"], "interval": "1s", "start_interval": "200ms"},
            "stop_signal": "SIGINT",
        },
        gate={"deadline": 60, "hold": 0.5},
        data=[{"volume": project.called("pg"), "target": "/var/lib/postgresql/data", "guard": "postgres"}],
    )


@pytest.fixture(scope="module")
def database(new_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with new_project(tmp_path_factory.mktemp("database")) as made:
        made.volume("pg")
        made.do(postgres(made), secrets={"password": SPECIAL}, **remembered(made))
        yield made


def remembered(project: Project) -> dict[str, Any]:
    login = {"container": project.called("pg"), "port": 5432, "user": "auren", "database": "auren"}
    return {"secret_specs": {"password": {"generate": True, "volume": project.called("pg"), "login": login}}}


def test_the_server_is_asked_whether_a_harvested_password_is_right(database: Project) -> None:
    file = database.directory / "secrets" / "password"
    file.unlink()
    assert database.do(postgres(database), **remembered(database)).actions == ["write secrets/password: missing"]
    assert file.read_text() == SPECIAL

    file.unlink()
    docker("exec", database.called("pg"), "psql", "-U", "auren", "-c", "ALTER ROLE auren PASSWORD 'changed by hand'")
    try:
        before = database.state()
        failed = database.fails(postgres(database), **remembered(database))
        assert failed.msg == (
            "password: its file is gone and the value that the containers hold was not accepted "
            '(password authentication failed for user "auren"); give it in auren_secrets: password'
        )
        assert shown(failed, SPECIAL) == []
        assert database.state() == before
    finally:
        quoted = SPECIAL.replace("'", "''")
        docker("exec", database.called("pg"), "psql", "-U", "auren", "-c", f"ALTER ROLE auren PASSWORD '{quoted}'")
        file.write_text(SPECIAL)
        file.chmod(0o600)


def asked_for(project: Project, method: str, password: str) -> str:
    """The address of the server, once it asks for this method and the role has this password."""
    name, quoted = project.called("pg"), password.replace("'", "''")
    encryption = "md5" if method == "md5" else "scram-sha-256"
    psql = ["exec", name, "psql", "-U", "auren", "-Atc"]
    docker(*psql, f"SET password_encryption = '{encryption}'; ALTER ROLE auren PASSWORD '{quoted}'")
    file = docker(*psql, "SHOW hba_file")
    docker("exec", name, "sh", "-c", f"printf 'local all all trust\\nhost all all all {method}\\n' > {file}")
    loaded = docker(*psql, "SELECT pg_conf_load_time()")
    docker(*psql, "SELECT pg_reload_conf()")
    while docker(*psql, "SELECT pg_conf_load_time()") == loaded:
        time.sleep(0.05)
    return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)


@pytest.mark.parametrize(
    ("method", "password", "said"),
    [
        ("scram-sha-256", SPECIAL, "scram"),
        ("scram-sha-256", "é ü 漢", "scram"),
        ("md5", SPECIAL, "md5"),
        ("password", SPECIAL, "cleartext"),
        ("trust", SPECIAL, "trust"),
    ],
)
def test_login_by_each_method_the_server_may_ask_for(database: Project, method: str, password: str, said: str) -> None:
    address = asked_for(database, method, password)
    assert probe.login(address, 5432, "auren", password, "auren") == said
    with pytest.raises(probe.LoginError, match='database "nowhere" does not exist'):
        probe.login(address, 5432, "auren", password, "nowhere")
    if method == "trust":
        return
    with pytest.raises(probe.LoginError, match='password authentication failed for user "auren"'):
        probe.login(address, 5432, "auren", password + "x", "auren")


def test_login_where_no_server_is() -> None:
    with pytest.raises(probe.LoginError, match=r"^127\.0\.0\.1:1 cannot be reached: .*refused"):
        probe.login("127.0.0.1", 1, "auren", "x", "auren")
