"""Code blocks of a document: who asks for an address in one."""

from __future__ import annotations

import pytest

from tests.unit.audit_host import verdicts


def told(text: str, language: str) -> list[tuple[str, str]]:
    return verdicts(f"```{language}\n{text}\n```")


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("conf", "proxy_pass http://neuros-advanced:{}/;"),
        ("nginx", "    proxy_pass http://neuros-advanced:{};"),
        ("", "proxy_pass http://neuros-advanced:{}/;"),
        ("ini", "url = http://neuros-advanced:{}"),
        ("toml", 'url = "http://neuros-advanced:{}"'),
        ("text", "NEUROS → http://neuros-advanced:{}"),
        ("bash", "docker compose exec auren-pwa curl http://neuros-advanced:{}/health"),
    ],
)
def test_what_is_configured_is_asked_for_by_a_container(language: str, line: str) -> None:
    assert told(line.format(8000), language) == [("url", "true")]
    assert told(line.format(8001), language) == [("url", "false")]


@pytest.mark.parametrize("language", ["bash", "", "text", "console"])
@pytest.mark.parametrize(
    "line",
    [
        "curl -s {}/health",
        "$ curl {}/health",
        "sudo wget -qO- {}",
        "KEY=1 curl {}",
        "cat x | curl -d @- {}",
        "for i in 1 2; do curl {}; done",
        "watch -n 5 curl {}",
    ],
)
def test_a_command_is_typed_on_the_host(language: str, line: str) -> None:
    assert told(line.format("http://neuros-advanced:8000"), language) == [("url", "false")]
    assert told(line.format("http://localhost:8000"), language) == [("url", "true")]


def test_of_nginx_only_where_it_forwards_to_is_read() -> None:
    text = "upstream back {{\n  server neuros-advanced:{};\n}}\nserver {{\n  server_name x;\n  return 301 http://nobody:1;\n  proxy_pass http://back;\n}}"
    assert told(text.format(8000), "nginx") == [("port", "true"), ("url", "unprovable")]
    assert told(text.format(8001), "nginx") == [("port", "false"), ("url", "unprovable")]


@pytest.mark.parametrize("tool", ["curl", "curl -s", "wget", "http"])
def test_a_command_may_leave_the_scheme_out(tool: str) -> None:
    assert told(f"{tool} localhost:8001", "bash") == [("url", "false")]
    assert told(f"{tool} localhost:8000/health", "bash") == [("url", "true")]
    assert told(f"{tool} neuros-advanced:8000", "bash") == [("url", "false")]
    assert told(f"{tool} elsewhere:8000", "bash") == []
    run = [("container", "true")]
    assert told(f"docker exec auren-pwa {tool} neuros-advanced:8000", "bash") == [*run, ("url", "true")]
    assert told(f"docker exec neuros-advanced {tool} localhost:8001", "bash") == [*run, ("url", "false")]


def printed(port: int, kafka: str) -> str:
    rows = [
        ("CONTAINER ID", "IMAGE", "COMMAND", "STATUS", "PORTS", "NAMES"),
        (
            "0f3a9c8d7e6b",
            "redis:7.4.1-alpine",
            '"docker-entrypoint.s…"',
            "Up 2 days (healthy)",
            f"127.0.0.1:{port}->6379/tcp",
            "auren-redis",
        ),
        ("1f3a9c8d7e6b", "auren-pwa:2.3", '"/docker-entry"', "Up 2 days (healthy)", "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", "auren-pwa"),
        ("2f3a9c8d7e6b", "apache/kafka:3.9.1", '"/__cacert_ent"', kafka, "9092/tcp", "auren-kafka"),
    ]
    lines = [f"{one:15}{image:21}{command:25}{status:22}{ports:42}{name}" for one, image, command, status, ports, name in rows]
    return "\n".join(["$ docker ps -a", *lines, "", "out of line: a row that docker ps did not print, of auren-grafana"])


def test_what_docker_ps_printed_is_a_table() -> None:
    right = told(printed(6379, "Up 2 days (healthy)"), "")
    assert {verdict for _kind, verdict in right} == {"true"}
    assert sorted({kind for kind, _verdict in right}) == ["container", "health", "image", "port"]
    wrong = told(printed(6380, "Exited (1) 1 day ago"), "text")
    assert [one for one in wrong if one[1] == "false"] == [("port", "false"), ("health", "false")]


def test_docker_compose_ps_has_other_columns() -> None:
    lines = [
        "NAME          SERVICE   STATUS      PORTS",
        "auren-redis   redis     Up 2 days   6379/tcp",
        "nobody-here   x         Up 2 days",
    ]
    text = "\n".join(lines)
    assert told(text, "console") == [
        ("container", "true"),
        ("health", "true"),
        ("port", "true"),
        ("container", "false"),
        ("health", "false"),
    ]
    assert told(text.replace("SERVICE", "READY  "), "console") == []  # of kubectl
