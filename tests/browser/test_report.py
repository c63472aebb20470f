"""The report in a real browser: one page that needs nothing else, in light and dark, on a screen and on a phone."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
OFFLINE = ["--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"]
CHROMIUM = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", *OFFLINE]


def checked(check: str, service: str, client: str, status: str = "pass", **more: Any) -> dict[str, Any]:
    known = {"kind": "", "evidence": f"{service} answers", "seconds": 0.004, "because": "", "attempts": 1, "speaks": False, "hop": False}
    return {"check": check, "service": service, "client": client, "status": status, **known, **more}


BROKEN = {
    "seconds": 0.42,
    "checks": [
        checked("container auren-postgres", "auren-postgres", "auren-postgres"),
        checked("postgres auren-postgres:5432", "auren-postgres", "biometric-production", "fail", kind="auth", evidence=HOSTILE),
        checked("postgres auren-postgres:5432", "auren-postgres", "neuros-advanced"),
        checked(
            "http biometric-production:8888",
            "biometric-production",
            "auren-prometheus",
            "blocked",
            because="biometric-production → auren-postgres",
        ),
        checked("grafana auren-grafana:3000", "auren-grafana", "host", "warn", kind="slow", evidence="it took 3.0 s"),
        checked("heartbeat webhook", "biometric-production", "host", hop=True, evidence="took a reading", seconds=0.031),
        checked("heartbeat record", "biometric-production", "host", "skipped", hop=True, evidence="not done by this image"),
    ],
    "causes": [
        {
            "line": "biometric-production → auren-postgres: the password is not accepted",
            "service": "auren-postgres",
            "kind": "auth",
            "clients": ["biometric-production"],
            "blocked": ["http biometric-production:8888 from auren-prometheus"],
            "page": "password-drift",
        }
    ],
}
WELL = {"seconds": 0.31, "checks": [one for one in BROKEN["checks"] if one["status"] == "pass"], "causes": []}  # type: ignore[attr-defined]


def rendered(directory: Path, result: dict[str, Any]) -> Path:
    (directory / "result.json").write_text(json.dumps(result))
    command = ["ansible-playbook", "tests/browser/render.yml", "-e", f"result={directory}/result.json", "-e", f"directory={directory}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "localhost" / "verification.html"


def browse(page: Path, *flags: str) -> tuple[str, str]:
    """What Chromium prints, and what it complains of."""
    done = subprocess.run(
        [*CHROMIUM, f"--user-data-dir={page.parent}/profile", *flags, page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def shot(page: Path, name: str, width: int, *flags: str) -> bytes:
    """A screenshot, as PNG; it is kept beside the page for people to look at."""
    path = page.parent / f"{name}.png"
    _out, complaints = browse(page, f"--screenshot={path}", f"--window-size={width},1100", *flags)
    assert complaints == ""
    return path.read_bytes()


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered(tmp_path_factory.mktemp("broken"), BROKEN)


def test_a_broken_stack_shows_its_reason_first_and_colours_its_arrows(broken: Path) -> None:
    page, complaints = browse(broken, "--dump-dom")
    assert complaints == ""
    assert "<title>broken: localhost</title>" in page  # what a service says is text, never markup
    assert (
        page.index("the password is not accepted")
        < page.index("Who asks whom")
        < page.index("A reading on its way")
        < page.index("Checks</h2>")
    )
    arrows = re.findall(r'class="arrow (\w+)".*?<title>(.*?):', page)
    assert ("fail", "biometric-production → auren-postgres") in arrows
    assert ("blocked", "auren-prometheus → biometric-production") in arrows
    assert ("pass", "neuros-advanced → auren-postgres") in arrows
    assert "0.03 s" in page


def test_a_healthy_stack_says_so(tmp_path: Path) -> None:
    page, complaints = browse(rendered(tmp_path, WELL), "--dump-dom")
    assert (complaints, "✓ All is well" in page, "What to look at" in page) == ("", True, False)


def test_the_page_needs_nothing_but_itself(broken: Path) -> None:
    text = broken.read_text()
    assert re.findall(r"<(?:script|link|img|iframe)\b|url\((?!#)|@import|https?://", text) == []


def test_light_and_dark_and_a_phone(broken: Path) -> None:
    light = shot(broken, "light", 1200, "--blink-settings=preferredColorScheme=1")
    dark = shot(broken, "dark", 1200, "--blink-settings=preferredColorScheme=0")
    phone = shot(broken, "phone", 500)
    assert len({light, dark}) == 2
    assert struct.unpack(">I", phone[16:20])[0] == 500


def test_the_other_reports_are_well_formed(broken: Path) -> None:
    suite = ElementTree.parse(broken.with_suffix(".xml")).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("7", "2", "1")
    assert json.loads(broken.with_suffix(".json").read_text())["causes"] == BROKEN["causes"]
    assert "1. **biometric-production → auren-postgres: the password is not accepted**" in broken.with_suffix(".md").read_text()
