"""What a page is told to call: every literal of its files is read, and nothing else is."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils import bundle, literals

INTERNAL = ["neuros-advanced", "redis"]


def hosts(name: str, text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    return [one.host for one in bundle.findings({name: text.encode()}, INTERNAL, allowed)]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('fetch("http://a.example/x")', ["a.example"]),
        ("fetch('ws://a.example')", ["a.example"]),
        ("fetch(`http://a.example/${x}`)", ["a.example"]),
        ("fetch(`http://${location.hostname}:8000/x`)", ["${"]),
        ("fetch(`https://${location.host}/x`)", []),
        ('fetch("https://me:word@neuros-advanced/x")', ["neuros-advanced"]),
        ('x=JSON.parse("{\\"a\\":\\"http:\\\\/\\\\/redis\\"}")', ["redis"]),
        ('new URL(p,"http://localhost");fetch("http://localhost:8000/x")', ["localhost"]),
        ('x="http://json-schema.org/draft-07/schema#";y={"@context":"http://schema.org"}', []),
        ("fetch(`${base}/x ${`http://deep.example`} http://after.example`)", ["deep.example", "after.example"]),
        ('x={a:1};y=`${{b:"}"}.b}`;fetch("http://a.example")', ["a.example"]),
        ('fetch("\\u0068ttp://a.example")', ["a.example"]),
        ('fetch("https://neuros-advanced/x")', ["neuros-advanced"]),
        ('fetch("HTTP://REDIS:6379")', ["redis"]),
        ('connect("redis://redis:6379")', ["redis"]),
        ('// "http://a.example"\n/* "http://b.example" */', []),
        ("//# sourceMappingURL=http://a.example/x.map", []),
        ('x=/["\'`]http:\\/\\/a.example/g;y="http://b.example"', ["b.example"]),
        ('if(x)/"/.exec(y);z="http://b.example"', ["b.example"]),
        ('x=(a)/2+"http://b.example"/c', ["b.example"]),
        ('return/[/"]/.test(x)?"http://b.example":1', ["b.example"]),
        ('x="http://www.w3.org/2000/svg";y="http://www.w3.org/1999/xlink"', []),
        ('x="https://a.example";y="/api/neuros/";z="//cdn.example"', []),
        ('x="it is neuros-advanced, not a host"', []),
    ],
)
def test_literals_of_a_script(script: str, found: list[str]) -> None:
    assert hosts("assets/a.js", script) == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("index.html", '<!-- <a href="http://c.example"> --><a href="http://a.example">http://text.example</a>', ["a.example"]),
        ("index.html", '<script>fetch("http://redis")</script><style>a{b:url(http://a.example/x)}</style>', ["redis", "a.example"]),
        ("index.html", '<svg xmlns="http://www.w3.org/2000/svg"></svg>', []),
        (
            "a.css",
            "/* url(http://c.example) */ @import 'http://a.example/b.css'; x{y:url( http://b.example/z )}",
            ["a.example", "b.example"],
        ),
        ("m.webmanifest", '{"start_url": "http://a.example/", "icons": [{"src": "http://redis/i"}]}', ["a.example", "redis"]),
        ("broken.json", '{"a": "http://a.example', []),
        ("assets/a.js.map", '{"sources": ["http://a.example"]}', []),
        ("notes.txt", "http://a.example", []),
    ],
)
def test_other_files(name: str, text: str, found: list[str]) -> None:
    assert hosts(name, text) == found


def test_what_is_allowed_is_not_found() -> None:
    script = 'a="http://a.example/x";b="http://b.example/y";c="http://b.example/z"'
    assert hosts("a.js", script, ("a.example", "http://b.example/y")) == ["b.example"]


def test_a_finding_says_which_file_and_why() -> None:
    [inside, plain] = bundle.findings({"a.js": b"x='http://redis/a';y='ws://b.example'"}, INTERNAL, [])
    assert inside.line() == "a.js holds 'http://redis/a': redis is a name inside the Docker network, which no browser can resolve"
    assert plain.line() == "a.js holds 'ws://b.example': it is not encrypted"


def test_a_long_literal_is_shortened_around_the_address() -> None:
    [one] = bundle.findings({"a.js": f"x='{'a' * 500} http://redis/x {'b' * 500}'".encode()}, INTERNAL, [])
    assert len(one.text) <= 100
    assert "http://redis/x" in one.text


def test_the_page_names_its_parts() -> None:
    page = b'<link rel="stylesheet" href="/a.css"><link crossorigin href=./manifest.json rel="manifest">'
    assert bundle.manifest({"index.html": page}) == "/manifest.json"
    assert bundle.manifest({"index.html": b"<p>"}) == ""
    assert bundle.workers({"sw.js": b"", "assets/service-worker.js": b""}) == ["sw.js"]
    assert bundle.problem({"index.html": page}) == ""
    assert bundle.problem({"other.html": page}) == "it has no index.html"
    assert "nginx" in bundle.problem({"index.html": b"<title>Welcome to nginx!</title>"})


def test_nothing_makes_the_reader_stop() -> None:
    for text in ("`${`${`", "}}}}", "'", '"\\', "/", "//", "/*", "`\\", "a`b${c", "(((", ")))", "/[", "\\"):
        assert list(literals.of_script(text)) is not None
