"""The page on top of a bundle, and what a bundle does when there is no room, no time, or nothing to read."""

from __future__ import annotations

import io
import random
import tarfile
import time
from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.evidence import Evidence
from ansible_collections.auren.stack.plugins.module_utils.redaction import Redactor
from ansible_collections.auren.stack.plugins.module_utils.triage import Matter, Seen, matters, page

DOWN = "auren-kafka is exited (exit code 137): docker start auren-kafka"
DISK = Matter("only 1 % of the disk of / is free (0.2 GB): docker system df shows what takes it", "disk", "disk", "/")


def checked(check: str, service: str, status: str, kind: str, evidence: str) -> dict[str, Any]:
    return {"check": check, "service": service, "client": service, "status": status, "kind": kind, "evidence": evidence}


def verified() -> dict[str, Any]:
    checks = [
        checked("container auren-kafka", "auren-kafka", "fail", "down", DOWN),
        checked("kafka auren-kafka:9092", "auren-kafka", "blocked", "dns", "no name"),
        checked("container auren-redis", "auren-redis", "warn", "policy", "auren-redis has no restart policy"),
    ]
    causes = [{"line": DOWN, "service": "auren-kafka", "kind": "down", "clients": [], "blocked": ["kafka from x", "kafka from y"]}]
    return {"checks": checks, "causes": causes, "summary": "verified: 3 checks", "msg": ""}


def test_the_likely_cause_comes_first_with_what_fixes_it() -> None:
    text = page(
        Seen("web", "now", verification=verified(), logs={"auren-kafka": "one\ntwo\n"}, runs="a run", missing=["names.txt: no root"])
    )
    title, _at, heading, cause, follows, fix = text.split("\n\n")[:6]
    assert title == "# web: A container is stopped"
    assert (heading, cause, follows) == ("## The likely cause", f"**{DOWN}**", "2 other checks fail because of it.")
    assert "docker start brings it back" in fix
    assert "docs/runbooks/stopped-container.md" in fix
    assert "The end of the log of auren-kafka:\n\n```\none\ntwo\n```" in text
    assert "- auren-redis has no restart policy (docs/runbooks/stopped-container.md)" in text
    assert "## What this bundle does not have\n\n- names.txt: no root" in text


def test_an_engine_and_a_disk_stand_before_what_follows_from_them() -> None:
    engine = Matter("no Docker Engine answers", "engine", "no_engine", "the Docker Engine")
    reasons, _remarks = matters(verified(), [DISK, engine])
    assert [one.source for one in reasons] == ["engine", "disk", "container"]
    assert page(Seen("web", "now", [engine])).startswith("# web: The Docker Engine does not answer\n")


def test_nothing_is_told_twice() -> None:
    again = Matter(DOWN, "container", "down", "auren-kafka")
    blocked = Matter("no name", "container", "alias", "auren-kafka")
    reasons, remarks = matters(verified(), [again, blocked])
    assert [one.line for one in reasons] == [DOWN]
    assert [one.line for one in remarks] == ["auren-redis has no restart policy"]


def test_what_was_seen_again_a_moment_later_is_not_told_twice() -> None:
    """Seconds and percentages are others at the second look."""
    again = "{} was restarted 4 times, {} s ago the last time: docker logs {}"
    checks = [
        checked("container app", "app", "fail", "loop", again.format("app", 3, "app")),
        checked("disk /", "host", "warn", "disk", "only 4.9 % of the disk of / is free"),
    ]
    causes = [{"line": again.format("app", 3, "app"), "service": "app", "kind": "loop", "clients": [], "blocked": []}]
    own = [
        Matter(again.format("app", 5, "app"), "container", "loop", "app"),
        Matter(again.format("other", 5, "other"), "container", "loop", "other"),
        Matter("only 4.8 % of the disk of / is free", "disk", "disk", "/", "warn"),
        Matter("only 4.8 % of the disk of /srv is free", "disk", "disk", "/srv", "warn"),
    ]
    reasons, remarks = matters({"checks": checks, "causes": causes}, own)
    assert [one.target for one in reasons] == ["app", "other"]
    assert [one.line for one in remarks] == [checks[1]["evidence"], own[3].line]


def test_a_host_that_is_well() -> None:
    well = {"checks": [checked("container a", "a", "pass", "", "a is running")], "causes": [], "summary": "verified: 1 checks"}
    text = page(Seen("web", "now", verification=well))
    assert text.startswith("# web: all checks pass\n\nnow\n\nverified: 1 checks\n\nNothing is the matter")
    assert page(Seen("web", "now")).startswith("# web: nothing was found, and nothing was verified")


def test_many_matters_are_counted_and_not_listed() -> None:
    many = [Matter(f"{number} is away", "container", "down", str(number)) for number in range(40)]
    many += [Matter(f"{number} is unknown", "host", "unknown", str(number), "warn") for number in range(40)]
    text = page(Seen("web", "now", many))
    assert text.count("is away") == 9
    assert "- and 31 more" in text
    assert "- and 25 more" in text
    assert len(text.splitlines()) < 80


# --- packing ----------------------------------------------------------------------------------------------------------


def unpacked(content: bytes) -> dict[str, tuple[str, int]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: (archive.extractfile(member).read().decode(), member.mode) for member in archive}  # type: ignore[union-attr]


def test_a_bundle_is_what_was_read_and_only_its_owner_may_read_it() -> None:
    into = Evidence(Redactor(["secret-value"]), time.monotonic() + 60)
    into.read("a.txt", lambda: "one secret-value")
    into.read("b.json", lambda: {"key": ["secret-value"], "token": "x-1"})
    into.read("none.txt", lambda: "")
    found = unpacked(into.packed("web", 1 << 20, 0))
    assert found["web/a.txt"] == ("one ****\n", 0o600)
    assert found["web/b.json"][0] == '{\n "key": [\n  "****"\n ],\n "token": "****"\n}\n'
    assert len(found) == 2
    assert into.missing == []


@pytest.mark.parametrize("size", [6_000, 20_000, 100_000])
def test_a_bundle_has_no_more_bytes_than_it_may_and_says_what_it_lost(size: int) -> None:
    into = Evidence(Redactor([]), time.monotonic() + 60)
    into.keep("diagnosis.md", "the likely cause")
    for name in ("one", "two"):
        words = random.Random(name)
        into.keep(f"{name}.log", "\n".join(f"{number} {words.random()}" for number in range(20_000)))
    content = into.packed("web", size, 0)
    found = {name: text for name, (text, _mode) in unpacked(content).items()}
    assert len(content) <= size
    assert found["web/diagnosis.md"] == "the likely cause\n"
    assert "two.log: had no room" in found["web/left-out.txt"] or "two.log: only its end had room" in found["web/left-out.txt"]
    if "web/one.log" in found:
        assert found["web/one.log"].splitlines()[-1].startswith("19999 ")
        assert found["web/one.log"].split()[0].isdigit()


def test_what_cannot_be_read_is_named_and_the_rest_goes_on() -> None:
    def fail(error: Exception) -> str:
        raise error

    into = Evidence(Redactor(["secret-value"]), time.monotonic() + 60)
    into.read("a", lambda: fail(StackError("cannot read a: secret-value", "engine")))
    into.read("b", lambda: fail(PermissionError(13, "Permission denied", "/root/b")))
    into.read("c", lambda: fail(KeyError("State")))
    into.read("d", lambda: "there")
    assert into.missing == ["a: cannot read a: ****", "b: only root may read /root/b", "c: KeyError: 'State'"]
    assert list(into.texts) == ["d"]


def test_nothing_is_read_when_the_time_is_over() -> None:
    into = Evidence(Redactor([]), time.monotonic() - 1)
    into.read("a", lambda: "there")
    assert (into.texts, into.missing) == ({}, ["a: no time was left"])
