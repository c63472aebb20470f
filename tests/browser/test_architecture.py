"""The architecture page in a real browser: one page that needs nothing else, in light and dark, whatever a service is called."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_report import HOSTILE, ROOT, browse, shot

SINCE = "2026-11-26T06:10:52Z"


def facts(**values: str) -> list[dict[str, str]]:
    return [{"what": what, "value": value, "seen": "docker inspect", "since": SINCE} for what, value in values.items()]


def service(name: str, layer: str) -> dict[str, Any]:
    told = facts(image="redis:7", status="running, healthy", ports="none published", purpose=HOSTILE, needs="nothing")
    return {"name": name, "declared": True, "layer": layer, "since": SINCE, "facts": told}


def connection(client: str, target: str, **more: Any) -> dict[str, Any]:
    known = {"status": "proved", "monitoring": False, "checks": ["tcp"], "told": "", "since": SINCE, "facts": facts(status="proved: tcp")}
    return {"client": client, "service": target, **known, **more}


LAYERS = {"host": "user", "page": "frontend", "app": "backend", "store": "data", "watch": "monitoring", HOSTILE: "monitoring"}
RESULT = {
    "records": [
        {
            **dict.fromkeys(("run", "kind", "outcome", "who", "version", "plan", "downtime", "verification", "way_back", "error"), HOSTILE),
            "began": SINCE,
            "seconds": 1,
            "done": [],
            "operations": [{"kind": "recreate", "target": "app", "cause": HOSTILE}],
        }
    ],
    "document": {
        "overview": facts(everything=HOSTILE),
        "services": [service(name, layer) for name, layer in LAYERS.items() if name != "host"],
        "strangers": [service("odd", "")],
        "networks": [{"name": "net", "home": True, "since": SINCE, "facts": facts(driver="bridge")}],
        "places": [
            {"network": "net", "name": "app", "address": "10.0.0.2", "names": ["app"], "since": SINCE, "facts": facts(on="10.0.0.2")}
        ],
        "remarks": [{"target": HOSTILE, "since": SINCE, "facts": facts(policy=HOSTILE)}],
        "nodes": [{"name": name, "layer": layer, "status": "down" if name == "store" else "well"} for name, layer in LAYERS.items()],
        "connections": [
            connection("host", "page"),
            connection("page", "app"),
            connection("app", "store", status="failed", told="timeout"),
            connection("page", "store", status="unproved"),
            connection("watch", "app", monitoring=True),
            connection("watch", HOSTILE, monitoring=True),
        ],
        "commands": [{"what": HOSTILE, "line": f"echo '{HOSTILE}'"}],
    },
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("architecture")
    (directory / "result.json").write_text(json.dumps(RESULT))
    command = ["ansible-playbook", "tests/browser/document.yml", "-e", f"result={directory}/result.json", "-e", f"directory={directory}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "localhost" / "architecture.html"


def test_the_diagram_has_its_layers_and_its_arrows(page: Path) -> None:
    dom, complaints = browse(page, "--dump-dom")
    assert complaints == ""
    assert "<title>Architecture of localhost</title>" in dom  # what a service is called is text, never markup
    assert re.findall(r'<text class="layer"[^>]*>(\w+)<', dom) == ["user", "frontend", "backend", "data", "monitoring"]
    arrows = re.findall(r'<path class="arrow ([\w ]+)".*?<title>(.*?):', dom)
    assert ("failed", "app → store") in arrows
    assert ("proved monitoring", "watch → app") in arrows
    assert ("proved", "host → page") in arrows
    assert ("unproved", "page → store") in arrows
    assert len(arrows) == len(RESULT["document"]["connections"])  # type: ignore[call-overload]


def test_the_page_needs_nothing_but_itself(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"<(?:script|link|img|iframe)\b|url\((?!#)|@import|https?://", text) == []


def test_light_and_dark_and_a_phone(page: Path) -> None:
    light = shot(page, "light", 1200, "--blink-settings=preferredColorScheme=1")
    dark = shot(page, "dark", 1200, "--blink-settings=preferredColorScheme=0")
    phone = shot(page, "phone", 500)
    assert len({light, dark}) == 2
    assert struct.unpack(">I", phone[16:20])[0] == 500


def test_the_markdown_holds_the_same(page: Path) -> None:
    text = page.with_suffix(".md").read_text()
    assert re.findall(r"^    linkStyle (\d+) stroke:red$", text, re.MULTILINE) == ["5"]  # red ones are drawn last
    assert re.findall(r"^    linkStyle (\d+) stroke:grey$", text, re.MULTILINE) == ["4"]
    assert "grey where only the host could ask, in the place of the client" in text
    assert text.count("-.->") == 2
    assert all(line.count("|") - line.count("\\|") == 6 for line in text.splitlines() if line.startswith("| app | store"))
