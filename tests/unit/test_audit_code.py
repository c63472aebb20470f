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
