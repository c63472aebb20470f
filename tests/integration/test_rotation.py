"""A password changes in the server first and in all its clients at once; whatever cuts that off, the next run puts both sides right."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.probes import postgres as probe

from tests.integration.harness import Project, image, module_command, module_environment, module_input

OLD = "the-first-one"
NEW = """n$ew ${HOME} 'q' "r" #s \\t @u :v /w %41 x"""


def server(project: Project) -> dict[str, Any]:
    login = 'PGPASSWORD="$(cat /run/secrets/password)" psql -h 127.0.0.1 -U auren auren -tc "select 1"'
    return project.service(
        "server",
        compose={
            "image": image("postgres"),
            "entrypoint": ["docker-entrypoint.sh"],
            "command": ["postgres"],
            "environment": {"POSTGRES_USER": "auren", "POSTGRES_DB": "auren", "POSTGRES_PASSWORD_FILE": "/run/secrets/password"},
            "healthcheck": {"test": ["CMD-SHELL", login], "interval": "1s", "start_interval": "300ms"},
            "stop_signal": "SIGINT",
        },
        runs_as="70:70",
        secrets=["password"],
        data=[{"volume": project.called("data"), "target": "/var/lib/postgresql/data", "guard": "postgres"}],
        gate={"deadline": 60, "hold": 0.3},
    )


def client(project: Project, **compose: Any) -> dict[str, Any]:
    """Holds the password in a URL of its environment, and is healthy when the server accepts it."""
    return project.service(
        "client",
        compose={
            "image": image("postgres"),
            "environment": {"URL": f"postgresql://auren:<<secret:password:url>>@{project.called('server')}/auren"},
            "healthcheck": {"test": ["CMD-SHELL", 'psql "$URL" -tc "select 1"'], "interval": "1s", "start_interval": "300ms", "retries": 3},
            **compose,
        },
        needs=[project.called("server")],
        gate={"deadline": 8, "hold": 0.3},
    )


def secrets(project: Project, given: str | None) -> dict[str, Any]:
    login = {"container": project.called("server"), "port": 5432, "user": "auren", "database": "auren"}
    specs = {"password": {"generate": True, "volume": project.called("data"), "login": login}}
    return {"secret_specs": specs, "secrets": {"password": given} if given else {}}


def accepts(project: Project, password: str) -> bool:
    address = project.inspect("server")["NetworkSettings"]["Networks"][project.network]["IPAddress"]
    try:
        return probe.login(address, 5432, "auren", password, "auren") == "scram"
    except probe.LoginError:
        return False


def waiting(project: Project) -> Path:
    return project.directory / "secrets" / "password.next"


def healthy(project: Project) -> bool:
    return {project.inspect(name)["State"]["Health"]["Status"] for name in ("server", "client")} == {"healthy"}


@pytest.fixture
def running(project: Project) -> Iterator[Project]:
    """A server and a client that hold OLD."""
    project.volume("data")
    project.do(server(project), client(project), **secrets(project, OLD))
    assert accepts(project, OLD)
    return project


def assert_has(project: Project, password: str, other: str) -> None:
    assert accepts(project, password)
    assert not accepts(project, other)
    assert healthy(project)
    assert (project.directory / "secrets/password").read_text() == password
    assert not waiting(project).exists()


def test_server_and_clients_change_together(running: Project) -> None:
    services, given = (server(running), client(running)), secrets(running, NEW)
    line = f"rotate password: {running.called('server')} has another one than it is to have"
    check = running.do(*services, **given, check=True)
    assert check.actions[0] == line
    assert_has(running, OLD, NEW)
    done = running.do(*services, **given)
    assert done.output["operations"][0].startswith(line)
    assert NEW not in done.text
    assert OLD not in done.text
    assert_has(running, NEW, OLD)
    assert not running.do(*services, **given).changed
    assert not running.do(*services, **secrets(running, None)).changed


def test_a_client_that_fails_at_the_gate_brings_the_old_password_back(running: Project) -> None:
    broken = client(running, healthcheck={"test": ["CMD", "false"], "interval": "500ms", "start_interval": "300ms", "retries": 2})
    failed = running.fails(server(running), broken, **secrets(running, NEW))
    assert "The previous state serves again" in failed.msg
    assert_has(running, OLD, NEW)


def test_a_run_without_all_who_hold_it_is_refused(running: Project) -> None:
    refused = running.fails(server(running), **secrets(running, NEW))
    assert refused.msg == (
        f"password is to change, but {running.called('client')} would keep the old one, because this run is not about them; nothing was "
        "changed. Run site without --tags"
    )
    assert_has(running, OLD, NEW)


@pytest.mark.slow
def test_a_server_that_is_not_running_is_not_guessed_about(running: Project) -> None:
    running.do(state="stopped")
    refused = running.fails(server(running), client(running), **secrets(running, NEW))
    name = running.called("server")
    assert refused.msg == (
        f"password is to change, and {name} accepts none of the values that are known ({name} is not running, so it cannot be asked). "
        f"Nothing was changed. Start {name} if it is not running, or give the password that its data was made with in auren_secrets: "
        "password"
    )
    running.do(server(running), client(running), **secrets(running, OLD))
    assert_has(running, OLD, NEW)


def kill_when(project: Project, seen: Callable[[], bool]) -> None:
    """Start the run that rotates and kill it, with no chance to tidy up, as soon as something is seen."""
    arguments = project.arguments(server(project), client(project), **secrets(project, NEW))
    with subprocess.Popen(
        module_command("compose_project"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=module_environment(), text=True,
    ) as running:  # fmt: skip
        assert running.stdin is not None
        running.stdin.write(module_input(arguments))
        running.stdin.close()
        while not seen() and running.poll() is None:
            time.sleep(0.001)
        running.kill()


def moments(project: Project) -> dict[str, Callable[[], bool]]:
    first = project.inspect("client")["Id"]
    return {
        "before the server knows": waiting(project).exists,
        "when the server knows": lambda: waiting(project).exists() and not accepts(project, OLD),
        "when the files are written": lambda: NEW in (project.directory / "secrets/password").read_text(),
        "when the client is being recreated": lambda: not exists(project, first),
    }


def exists(project: Project, container: str) -> bool:
    done = subprocess.run(["docker", "container", "inspect", container], capture_output=True, check=False)
    return done.returncode == 0


MOMENTS = ["before the server knows", "when the server knows", "when the files are written", "when the client is being recreated"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_rotation_is_finished_by_the_next_run(running: Project, moment: str) -> None:
    kill_when(running, moments(running)[moment])
    services, given = (server(running), client(running)), secrets(running, NEW)
    running.do(*services, **given)
    assert_has(running, NEW, OLD)
    assert not running.do(*services, **given).changed


@pytest.mark.slow
def test_a_killed_rotation_is_undone_when_nobody_asks_for_it_any_more(running: Project) -> None:
    kill_when(running, moments(running)["when the server knows"])
    running.do(server(running), client(running), **secrets(running, OLD))
    assert_has(running, OLD, NEW)
