"""The PWA in a real browser, in front of the real NEUROS and bridge. Screenshots of a phone and a desktop are kept in .cache/pwa."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from target import ROOT, Target, wait_until

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser is tried once, under the newest ansible-core")
SHOTS = ROOT / ".cache" / "pwa"
LIGHTHOUSE = ROOT / ".cache" / "lighthouse"
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-sync", "--disable-component-update"]
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
ANSWER = 30_000  # milliseconds that NEUROS, or a reading on its way, may take


@pytest.fixture(scope="module")
def url(host: Any) -> Iterator[str]:
    """The page as localhost: only there does a browser run service workers without TLS."""
    known = host.ansible.get_variables()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [
        "ssh",
        "-N",
        "-L",
        f"127.0.0.1:{port}:127.0.0.1:80",
        "-p",
        str(known["ansible_port"]),
        "-i",
        known["ansible_private_key_file"],
    ]
    command += ["-o", f"UserKnownHostsFile={os.environ['MOLECULE_EPHEMERAL_DIRECTORY']}/known_hosts", "-o", "ExitOnForwardFailure=yes"]
    tunnel = subprocess.Popen([*command, f"{known['ansible_user']}@{known['ansible_host']}"])
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10, 0.1)
        yield f"http://localhost:{port}"
    finally:
        tunnel.terminate()
        tunnel.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield started
        started.close()


class Page:
    """A page of its own profile, and what its console complained of."""

    def __init__(self, browser: Any, url: str, viewport: dict[str, int] = DESKTOP, dark: bool = False) -> None:
        self.context = browser.new_context(viewport=viewport, base_url=url, color_scheme="dark" if dark else "light")
        self.tab = self.context.new_page()
        self.errors: list[str] = []
        self.tab.on("console", self._said)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))

    def _said(self, said: Any) -> None:
        """Errors, but for the one that Chromium itself logs when the bridge answers 404: there is no baseline of this metric yet."""
        none_yet = "/api/biometric/baselines/" in said.location["url"] and "404" in said.text
        if said.type == "error" and not none_yet:
            self.errors.append(said.text)

    def ready(self) -> None:
        """Until the service worker has taken the page over."""
        self.tab.evaluate("navigator.serviceWorker.ready.then(() => true)")
        self.tab.wait_for_function("navigator.serviceWorker.controller !== null", timeout=10_000)

    def text(self, selector: str) -> str:
        return str(self.tab.locator(selector).first.inner_text())

    def until(self, selector: str, within: int = ANSWER) -> str:
        self.tab.wait_for_selector(selector, timeout=within)
        return self.text(selector)


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Page]:
    made = Page(browser, url)
    yield made
    made.context.close()


def test_it_loads_and_can_be_installed(page: Page) -> None:
    page.tab.goto("/")
    page.ready()
    assert "AUREN" in page.tab.title()
    for service in ("network", "neuros", "biometric"):
        page.until(f'#status [data-service="{service}"][data-state="ok"]')
    href = page.tab.get_attribute("link[rel=manifest]", "href")
    manifest = page.tab.evaluate("href => fetch(href).then(answer => answer.json())", href)
    assert {"name", "start_url", "display", "icons"} <= set(manifest)
    sizes = {icon["sizes"]: page.tab.evaluate("src => fetch(src).then(answer => answer.status)", icon["src"]) for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= set(sizes)
    assert set(sizes.values()) == {200}
    assert page.errors == []


def test_a_message_is_answered_by_neuros(page: Page) -> None:
    page.tab.goto("/")
    page.tab.fill("#message", "How did I sleep?")
    page.tab.press("#message", "Enter")
    assert page.text('#messages [data-role="user"]')
    assert len(page.until('#messages [data-role="neuros"]')) > 20
    assert page.errors == []


def test_a_reading_appears_after_a_webhook(page: Page, target: Target) -> None:
    page.tab.goto("/body")
    page.tab.wait_for_function("() => /\\d/.test(document.querySelector('#updated')?.innerText ?? '')", timeout=ANSWER)
    score = 60 + int(time.time()) % 40  # the same body again would be a retry, and no new reading
    body = {"event_type": "readiness.updated", "user_id": "me", "data": {"score": score}}
    assert target.http("http://127.0.0.1:8888/webhooks/oura", body).status == 200
    shown = f"() => document.querySelector('[data-metric=\"readiness_score\"]')?.innerText.includes('{score}')"
    page.tab.wait_for_function(shown, timeout=ANSWER)
    assert page.errors == []


def focused(page: Page, selector: str, presses: int = 40) -> None:
    """Press Tab until an element has the focus, which has to be seen on it."""
    for _press in range(presses):
        page.tab.keyboard.press("Tab")
        if page.tab.evaluate("selector => document.activeElement?.matches(selector)", selector):
            style = "getComputedStyle(document.activeElement)"
            assert page.tab.evaluate(f"{style}.outlineStyle !== 'none' || {style}.boxShadow !== 'none'"), f"no focus is seen on {selector}"
            return
    raise AssertionError(f"{selector} is not reached by keyboard")


def test_a_reading_is_sent_with_the_keyboard_alone(page: Page) -> None:
    page.tab.goto("/")
    focused(page, 'nav a[href="/send"]')
    page.tab.keyboard.press("Enter")
    page.until("#reading")
    focused(page, "#field-score")
    page.tab.keyboard.type("77")
    focused(page, "#send-reading")
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_function("() => /\\d/.test(document.querySelector('#reading-result')?.innerText ?? '')", timeout=ANSWER)
    assert page.errors == []


def test_offline_it_loads_keeps_what_is_said_and_sends_it_later(page: Page) -> None:
    page.tab.goto("/")
    page.ready()
    page.context.set_offline(True)
    page.tab.reload()
    page.until("#message")
    assert "AUREN" in page.tab.title()
    page.until('#status [data-service="network"][data-state="bad"]')
    page.tab.fill("#message", "Are you there?")
    page.tab.press("#message", "Enter")
    page.until('#messages [data-state="waiting"]')
    page.tab.reload()
    page.until('#messages [data-state="waiting"]')
    page.context.set_offline(False)
    page.until('#messages [data-role="neuros"]', 60_000)
    assert page.tab.locator('#messages [data-state="waiting"]').count() == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_page_fits_its_screen(browser: Any, url: str, viewport: dict[str, int], dark: bool) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = Page(browser, url, viewport, dark)
    try:
        for path in ("/", "/body", "/send"):
            page.tab.goto(path)
            page.until('#status [data-service="neuros"][data-state="ok"]')
            assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{path} is wider than {viewport['width']} pixels"
            )
            name = f"{path.strip('/') or 'chat'}-{viewport['width']}-{'dark' if dark else 'light'}.png"
            assert len(page.tab.screenshot(path=SHOTS / name)) > 5000
    finally:
        page.context.close()
    assert page.errors == []


def test_lighthouse_finds_it_accessible_and_well_made(url: str, tmp_path: Path) -> None:
    """Asked of the page by the tool that operators would use. npm comes with the machine; the tool from its registry."""
    tool = LIGHTHOUSE / "node_modules" / ".bin" / "lighthouse"
    if not tool.exists():
        LIGHTHOUSE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--prefix", str(LIGHTHOUSE), "lighthouse@12.8.2"], check=True, timeout=300
        )
    report = tmp_path / "report.json"
    command = [str(tool), url, "--quiet", "--output=json", f"--output-path={report}", "--only-categories=accessibility,best-practices"]
    command += [f"--chrome-flags=--headless=new {' '.join(QUIET)}"]
    environment = {**os.environ, "CHROME_PATH": str(shutil.which("chromium"))}
    subprocess.run(command, env=environment, check=True, timeout=180)
    found = {name: round(100 * category["score"]) for name, category in json.loads(report.read_text())["categories"].items()}
    assert min(found.values()) >= 95, found
