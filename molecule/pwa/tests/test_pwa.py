"""The PWA is deployed, stays reachable while a backend moves, keeps serving when a new version is bad, and goes back when told to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from target import PROJECT_DIR, Recap, Target, play, wait_until

PWA = "playbooks/pwa.yml"
PAGES = Path(__file__).resolve().parents[1] / "pages"
BRIDGE = "biometric-production"
LISTENS = 4  # seconds from the start of the bridge's container until it listens, on a busy machine
LOAD = """
import concurrent.futures, json, sys, time, urllib.request
url, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
def ask(at):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return [at, answer.status]
    except Exception as error:
        return [at, str(error)]
asked, begun = [], time.time()
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    for number in range(int(rate * seconds)):
        time.sleep(max(begun + number / rate - time.time(), 0))
        asked.append(pool.submit(ask, time.time()))
json.dump([one.result() for one in asked], open("/tmp/load.json", "w"))
"""


def page(name: str) -> list[str]:
    return ["-e", f"pwa_source={PAGES / name}"]


def title(target: Target, url: str = "http://127.0.0.1/") -> str:
    [found] = re.findall(r"<title>(.*?)</title>", target.http(url).text)
    return str(found)


def last_record(target: Target) -> dict[str, Any]:
    newest = target.run("sh", "-c", f"ls {PROJECT_DIR}/.auren/journal/*-site.jsonl | tail -n 1 | xargs tail -n 1")
    return dict(json.loads(newest))


def head(target: Target, url: str, *words: str) -> str:
    """The head of an answer, asked inside the PWA's container: a host need not have curl."""
    return target.docker("exec", "auren-pwa", "curl", "-skI", *words, url)


def address(target: Target) -> str:
    return target.docker("inspect", "--format", '{{(index .NetworkSettings.Networks "auren-network").IPAddress}}', BRIDGE)


@pytest.fixture(scope="module", autouse=True)
def reference_again(target: Target) -> Iterator[None]:
    """Whatever a test left, the reference PWA serves at the end."""
    yield
    assert play(playbook=PWA).status == 0


def test_it_serves_the_page_and_both_backends(target: Target) -> None:
    assert title(target) == title(target, "http://127.0.0.1/a/deep/link") == "AUREN"
    assert target.http("http://127.0.0.1/api/neuros/health").json["status"] == "healthy"
    assert target.http("http://127.0.0.1/api/biometric/health").json["healthy"] is True
    assert target.http("http://127.0.0.1/api/nobody").json["status"] == 404
    assert target.containers()["auren-pwa"]["Config"]["User"] == "101:101"
    assert target.containers()["auren-pwa"]["HostConfig"]["ReadonlyRootfs"] is True


def test_the_same_source_changes_nothing_and_check_mode_builds_nothing(target: Target) -> None:
    before, images = target.started(), target.docker("images", "--quiet", "--no-trunc")
    again = play(playbook=PWA)
    assert (again.status, again.changed) == (0, 0), again.output
    shown = play("--check", *page("plain"), playbook=PWA)
    assert shown.status == 0, shown.output
    assert "build auren-stack/pwa:current: its files changed" in shown.output
    assert "verification was not run: changes pending" in shown.output
    assert (target.started(), target.docker("images", "--quiet", "--no-trunc")) == (before, images)


def test_a_backend_that_moves_is_found_again_within_five_seconds(target: Target) -> None:
    before = address(target)
    command = f"nohup python3 -c '{LOAD}' http://127.0.0.1/api/biometric/health 50 90 >/dev/null 2>&1 &"
    target.run("sh", "-c", command)
    target.docker("rm", "--force", BRIDGE)
    target.docker("run", "--detach", "--name", "in-its-place", "--network", "auren-network", "redis:7-alpine", "sleep", "600")
    try:
        assert play().status == 0
        assert address(target) != before
        started = target.docker("inspect", "--format", "{{.State.StartedAt}}", BRIDGE)
        back = float(target.run("date", "--date", started, "+%s.%N")) + LISTENS
        answers = wait_until(lambda: target.run("sh", "-c", "cat /tmp/load.json 2>/dev/null || true"), 120, 2)
    finally:
        target.docker("rm", "--force", "in-its-place")
    found = json.loads(answers)
    after = [(at - back, said) for at, said in found if at > back + 5]
    assert len(after) > 100, f"only {len(after)} requests came after it was back: the load ended too early"
    assert [one for one in after if one[1] != 200] == []
    assert [said for _at, said in found if said != 200], "nothing failed while it was away: nobody asked"


def refused(target: Target, *arguments: str) -> Recap:
    """A deploy that has to fail, and to leave everything as it is."""
    before, image = target.started(), target.docker("images", "--quiet", "--no-trunc", "auren-stack/pwa:current")
    done = play(*arguments, playbook=PWA)
    assert done.status != 0, done.output
    assert (target.started(), title(target)) == (before, "AUREN")
    assert target.docker("images", "--quiet", "--no-trunc", "auren-stack/pwa:current") == image
    assert target.docker("ps", "--all", "--quiet", "--filter", "name=auren-pwa-candidate") == ""
    return done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (page("no-manifest"), "GET /manifest.webmanifest of it answers 404"),
        (page("internal-name"), "biometric-production is a name inside the Docker network, which no browser can resolve"),
        (["-e", '{"pwa_csp": "\\"; broken"}'], "the new version of auren-pwa was tried beside the present one and is not good"),
    ],
    ids=["something is missing", "internal name", "nginx does not start"],
)
def test_a_bad_version_never_takes_the_port(target: Target, arguments: list[str], said: str) -> None:
    done = refused(target, *arguments)
    assert said in " ".join(done.output.split())
    record = last_record(target)
    assert record["outcome"] == "failed"
    assert any("it goes on" in line and "sha256:" in line for line in record["refused"])
    assert any("was tried and refused" in line and "sha256:" in line for line in record["refused"])


def test_another_project_takes_the_port_and_can_be_taken_back(target: Target) -> None:
    done = play(*page("plain"), playbook=PWA)
    assert done.status == 0, done.output
    assert title(target) == "another page"
    assert re.search(r"new connections were refused for \d+\.\d+ s", done.output)  # how long: make bench
    assert "Content-Security-Policy-Report-Only" in head(target, "http://127.0.0.1:8080/")
    back = play(*page("plain"), "-e", "pwa_rollback=true", playbook=PWA)
    assert back.status == 0, back.output
    assert "build " not in back.output
    assert title(target) == "AUREN"
    again = play(*page("plain"), "-e", "pwa_rollback=true", playbook=PWA)
    assert (again.status, again.changed) == (0, 0), again.output


def test_a_ready_image_is_taken_as_it_is(target: Target) -> None:
    recipe = "FROM nginx:1.28-alpine\nRUN mkdir -p /srv/app && echo '<!doctype html><title>ready</title>' > /srv/app/index.html\n"
    target.docker("build", "--quiet", "--tag", "auren-test/page:1", "-", stdin=recipe)
    done = play("-e", "pwa_image=auren-test/page:1 pwa_root=/srv/app", playbook=PWA)
    assert done.status == 0, done.output
    assert title(target) == "ready"
    welcome = play("-e", "pwa_image=nginx:1.28-alpine", playbook=PWA)
    assert welcome.status != 0
    assert "own welcome page; pwa_root says where the bundle is" in " ".join(welcome.output.split())
    assert title(target) == "ready"


def test_tls(target: Target) -> None:
    tls = ["-e", "pwa_tls=self_signed"]
    done = play(*tls, playbook=PWA)
    assert done.status == 0, done.output
    said = head(target, "https://127.0.0.1:8443/send")
    assert "HTTP/2 200" in said
    assert "strict-transport-security: max-age=31536000" in said.lower()
    assert "308 Permanent Redirect" in head(target, "http://127.0.0.1:8080/api/biometric/webhooks/oura", "-X", "POST")
    again = play(*tls, playbook=PWA)
    assert (again.status, again.changed) == (0, 0), again.output
    verified = play(*tls, "-e", "auren_verify_level=end_to_end auren_report_dir=", playbook="playbooks/verify.yml")
    assert verified.status == 0, verified.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "pwa_source=/nowhere"], "/nowhere is no folder on the controller"),
        (["-e", "pwa_source=/tmp pwa_image=a:1"], "pwa_source is /tmp and pwa_image is a:1; give one of them. Nothing was changed"),
        (["-e", "pwa_image=nobody/has:this"], "is built on nobody/has:this, which is not on this host and cannot be had"),
        (["-e", "pwa_tls=maybe"], "value of pwa_tls must be one of"),
    ],
    ids=["no folder", "two pages", "no such base", "no such TLS"],
)
def test_bad_input_is_one_sentence_and_changes_nothing(target: Target, arguments: list[str], said: str) -> None:
    before = target.started()
    done = play(*arguments, playbook=PWA)
    assert done.status != 0
    assert said in " ".join(done.output.split()), done.output
    assert target.started() == before


def test_a_port_that_a_host_s_own_nginx_holds_is_named_with_its_process(target: Target) -> None:
    target.run("sh", "-c", "nohup python3 -m http.server 8081 --bind 0.0.0.0 >/dev/null 2>&1 & echo $! > /tmp/holder.pid")
    try:
        done = play("-e", "pwa_port=8081", playbook=PWA)
        assert done.status != 0
        assert re.search(r"0\.0\.0\.0:8081 that auren-pwa publishes is taken by python3 \(pid \d+\)", " ".join(done.output.split())), (
            done.output
        )
    finally:
        target.run("sh", "-c", "kill $(cat /tmp/holder.pid)")
