"""Every fault of the table is found, by one line for each, and fixed by what its page says; a healthy stack has nothing to find; and
what writes cleans up."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
from faults import FAULTS, Fault
from target import Recap, Target, play, wait_until

RUNS = 20  # of the healthy stack
PATIENCE = 60  # seconds
WELL_AGAIN = 150  # seconds
HOPS = ["webhook", "record", "consumed", "row", "sample", "panel", "answer", "rows_away", "keys_away"]


def verified(directory: Path, *arguments: str) -> tuple[Recap, dict[str, Any]]:
    """One run of the playbook, and its JSON report."""
    for old in directory.glob("*/verification.json"):
        old.unlink()
    done = play("-e", f"auren_report_dir={directory}", *arguments, playbook="playbooks/verify.yml")
    [report] = directory.glob("*/verification.json")
    return done, dict(json.loads(report.read_text()))


def noted(result: dict[str, Any], *statuses: str) -> list[str]:
    return [f"{one['check']} from {one['client']}: {one['evidence']}" for one in result["checks"] if one["status"] in statuses]


def well(directory: Path) -> bool:
    """Nothing is red, and nothing is noted."""
    _done, result = verified(directory)
    return noted(result, "fail", "blocked", "warn") == []


@pytest.fixture
def healed(target: Target, tmp_path: Path) -> Any:
    """Afterwards the next fault begins on a stack that is well again."""
    yield
    wait_until(lambda: well(tmp_path), WELL_AGAIN, 2)


def test_a_healthy_stack_has_no_findings(target: Target, tmp_path: Path) -> None:
    wait_until(lambda: well(tmp_path), 60, 2)  # until Prometheus has scraped everybody
    started = target.started()
    for number in range(RUNS):
        done, result = verified(tmp_path)
        assert (done.status, done.changed) == (0, 0), done.output
        assert noted(result, "fail", "blocked", "warn", "skipped") == [], number
    assert target.started() == started


@pytest.mark.usefixtures("healed")
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_is_found_and_its_page_fixes_it(target: Target, tmp_path: Path, fault: Fault) -> None:
    """By these lines and no others. It may take some runs: a crash becomes a loop by and by, an account is written every few seconds."""
    with fault.put_in(target):
        deadline = time.monotonic() + PATIENCE
        while True:
            done, result = verified(tmp_path)
            lines, warnings = [cause["line"] for cause in result["causes"]], noted(result, "warn")
            print(f"{fault.name}: {result['seconds']} s", *lines, *warnings, sep="\n  ")
            exact = len(lines) == len(fault.causes) and not missing(fault.causes, lines) and not missing(fault.warnings, warnings)
            if exact or time.monotonic() > deadline:
                break
            time.sleep(1)
        assert exact, (lines, warnings)
        assert (done.status != 0) == bool(fault.causes), done.output
        assert led(result) & set(fault.kinds), led(result)
        assert [cause["page"] for cause in result["causes"]][:1] == ([fault.page] if fault.causes else [])
        assert (f"docs/runbooks/{fault.page}.md" in done.output) == bool(fault.causes)
        for line in fault.fix:
            do(target, line, tmp_path)
        if fault.fix:
            wait_until(lambda: well(tmp_path), WELL_AGAIN, 2)


def do(target: Target, line: str, directory: Path) -> None:
    """What a page says, as whoever reads it types it: on the host, or a playbook, whose plan is approved as it is shown."""
    command, *words = shlex.split(line)
    if command != "ansible-playbook":
        target.run("bash", "-c", line)
        return
    playbook, *arguments = words
    given = ["-e", f"auren_report_dir={directory}"] + (["-e", "auren_approve=auto"] if playbook.endswith(".streamline") else [])
    done = play(*arguments, *given, playbook=f"playbooks/{playbook.removeprefix('auren.stack.')}.yml")
    print(line, *(text for text in done.output.splitlines() if re.match(r"\s+(recreate|start|set|reload|connect|make) ", text)), sep="\n  ")
    assert done.status == 0, done.output


def led(result: dict[str, Any]) -> set[str]:
    """What the table of runbooks is asked for: source and kind of all that is red or noted."""
    return {f"{source(one['check'])} {one['kind']}" for one in result["checks"] if one["status"] in ("fail", "warn")}


def source(check: str) -> str:
    """Of its label; what the page hands on has one of its own."""
    return "proxy" if re.match(r"http [^/]+/api/", check) else check.split()[0]


def missing(patterns: tuple[str, ...], lines: list[str]) -> list[str]:
    """What no line says."""
    return [pattern for pattern in patterns if not any(re.search(pattern, line) for line in lines)]


# --- end to end ---------------------------------------------------------------------------------------------------------


def left_behind(target: Target) -> list[str]:
    """Rows and keys of heartbeats."""
    tables = ("biometric_events", "user_baselines", "pattern_detections", "mode_switch_history")
    rows = [f"{table} {row}" for table in tables for row in target.rows(f"SELECT user_id FROM {table} WHERE user_id LIKE 'auren-verify-%'")]
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" exec redis-cli --scan --pattern "*auren-verify-*"'
    return rows + target.docker("exec", "auren-redis", "sh", "-c", login).split()


def test_a_reading_goes_through_the_whole_stack(target: Target, tmp_path: Path) -> None:
    done, result = verified(tmp_path, "-e", "auren_verify_level=end_to_end")
    assert (done.status, done.changed) == (0, 0), done.output
    hops = {one["check"].removeprefix("heartbeat "): one for one in result["checks"] if one["hop"]}
    print(*(f"{name} {one['seconds']:.2f} s: {one['evidence']}" for name, one in hops.items()), sep="\n")
    assert [(name, one["status"]) for name, one in hops.items()] == [(name, "pass") for name in HOPS]
    assert sum("and gave back a key that was written" in line for line in noted(result, "pass")) >= 2
    assert sum("a record that was written and read in auren-verify" in line for line in noted(result, "pass")) >= 2
    assert left_behind(target) == []


def test_the_heartbeat_stops_where_the_stack_does(target: Target, tmp_path: Path) -> None:
    target.docker("pause", "neuros-advanced")
    try:
        done, result = verified(tmp_path, "-e", "auren_verify_level=end_to_end")
    finally:
        target.docker("unpause", "neuros-advanced")
    assert done.status != 0
    assert [cause["line"] for cause in result["causes"]] == ["neuros-advanced is paused: docker unpause neuros-advanced"]
    hops = {one["check"].removeprefix("heartbeat "): one["status"] for one in result["checks"] if one["hop"]}
    assert (hops["webhook"], hops["record"], hops["consumed"], hops["row"]) == ("pass", "pass", "blocked", "skipped")
    wait_until(lambda: well(tmp_path), 90, 2)


def test_check_mode_writes_nothing(target: Target, tmp_path: Path) -> None:
    ends = "SELECT count(*) FROM biometric_events"
    before = target.rows(ends)
    done, result = verified(tmp_path, "-e", "auren_verify_level=end_to_end", "--check")
    assert (done.status, noted(result, "fail", "warn", "skipped")) == (0, [])
    assert not any(one["hop"] for one in result["checks"])
    assert target.rows(ends) == before
