"""The architecture diagram has five bands, places that do not overlap, and the same picture for the same input."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.filter.architecture_graph import HIGH, picture
from ansible_collections.auren.stack.plugins.module_utils.known_commands import Host, commands
from ansible_collections.auren.stack.plugins.module_utils.layers import LAYERS

from tests.unit.builders import service


def node(name: str, layer: str, status: str = "well") -> dict[str, str]:
    return {"name": name, "layer": layer, "status": status}


def arrow(client: str, target: str, **more: Any) -> dict[str, Any]:
    return {"client": client, "service": target, "status": "proved", "monitoring": False, "checks": ["tcp"], "told": "", **more}


DOCUMENT = {
    "nodes": [
        node("host", "user"),
        node("page", "frontend"),
        *(node(f"app{n}", "backend") for n in range(2)),
        *(node(f"store{n}", "data", "down" if n else "well") for n in range(3)),
        *(node(f"watch{n}", "monitoring") for n in range(5)),
    ],
    "connections": [
        arrow("host", "page"),
        arrow("page", "app0"),
        arrow("app0", "store0", status="failed", told="timeout"),
        arrow("app1", "store1"),
        arrow("app1", "store2", status="unproved"),
        arrow("watch0", "app0", monitoring=True),
        arrow("watch0", "watch1", monitoring=True),
    ],
}


def test_five_fixed_layers_with_everybody_in_its_own() -> None:
    found = picture(DOCUMENT)
    assert [band["layer"] for band in found["bands"]] == list(LAYERS)
    tops = {band["layer"]: band["y"] for band in found["bands"]}
    for one in found["nodes"]:
        top = tops[one["layer"]]
        assert top <= one["y"] <= one["y"] + HIGH <= top + found["bands"][0]["height"]
        assert 0 <= one["x"] <= one["x"] + one["width"] <= found["width"]
    spans = sorted((one["y"], one["x"], one["x"] + one["width"]) for one in found["nodes"])
    assert all(right <= left for (y, _x, right), (below, left, _r) in zip(spans, spans[1:]) if y == below)


def test_an_empty_layer_keeps_its_band() -> None:
    found = picture({"nodes": [node("host", "user")], "connections": []})
    assert [band["layer"] for band in found["bands"]] == list(LAYERS)


def test_every_connection_is_an_arrow_and_red_ones_are_last() -> None:
    arrows = picture(DOCUMENT)["arrows"]
    assert len(arrows) == len(DOCUMENT["connections"])
    assert (arrows[-1]["client"], arrows[-1]["told"]) == ("app0", "failed: tcp (timeout)")
    assert len({one["path"] for one in arrows}) == len(arrows)


def test_the_same_input_in_any_order_of_connections_is_the_same_arrows() -> None:
    shuffled = list(DOCUMENT["connections"])
    random.Random(4).shuffle(shuffled)
    first, second = picture(DOCUMENT), picture({**DOCUMENT, "connections": shuffled})
    assert {(one["client"], one["service"]) for one in first["arrows"]} == {(one["client"], one["service"]) for one in second["arrows"]}
    assert picture(DOCUMENT) == first


def test_commands_are_those_that_the_host_can_run() -> None:
    web = service(
        "web",
        compose={"ports": ["80:8080"], "healthcheck": {"test": ["CMD-SHELL", "test -e '/tmp/a b'"]}},
        checks=[
            {"probe": "http", "port": 8080, "path": "/api/x", "from": ["host"]},
            {"probe": "http", "port": 8080, "path": "/gone", "status": 404, "from": ["host"]},
            {"probe": "http", "port": 8080, "path": "/in", "from": ["other"]},
        ],
    )
    plain = service("plain", compose={"healthcheck": {"test": ["NONE"]}})
    found = [
        one["line"] for one in commands({"web": web, "plain": plain}, Host(["web", "plain"], "net", "/p/docker-compose.yml", False, "py"))
    ]
    assert found[0] == "docker compose --file /p/docker-compose.yml ps --all"
    assert "docker inspect --format '{{.State.Health.Status}}' web" in found
    assert """docker exec web sh -c 'test -e '"'"'/tmp/a b'"'"''""" in found
    assert len(found) == 5
    assert found[-1].startswith("py -c ")
    assert "http://127.0.0.1:80/api/x" in found[-1]
    stopped = commands({"web": web}, Host([], "net", "", True, "py"))
    assert stopped[0]["line"] == "docker ps --all"
    assert len(stopped) == 2
    with_curl = commands({"web": web}, Host(["web"], "net", "", True, "py"))
    assert with_curl[-1]["line"].startswith("curl --fail ")


@pytest.mark.parametrize("template", ["architecture.md.j2", "architecture.html.j2"])
def test_the_legend_speaks_of_every_arrow_that_is_drawn(template: str) -> None:
    """Failed and unproved ones are drawn, too: it must not say that an arrow is proved."""
    path = Path(__file__).parents[2] / "roles" / "documentation" / "templates" / template
    [legend] = re.findall("An arrow is .*", path.read_text())
    legend = re.sub("</?span[^>]*>", "", legend)
    assert legend.startswith(
        "An arrow is a connection that verification asked: dotted for monitoring, red where it failed{{ ', grey where it is not proved"
    )
    assert "Every other one was proved from where it begins." in legend
