"""Run named steps one after the other and end with one line: `N passed, M failed`.

A pytest step counts its tests (from its JUnit file), any other step counts as one. A failure does not hide what
comes after it, except that steps which need Docker are failed unrun when preparing it failed. A step that ends with status 77
has said what is missing on this machine for it to run, and counts as skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".cache" / "test"
PREPARE = "prepare docker and images"
SKIPPED = 77
INTEGRATION = "python -m pytest tests/integration -n 3 --dist loadfile"  # they wait more than they work
OLDEST = "scripts/in-venv .venv-oldest requirements/oldest.txt 3.13,3.12,3.11"
MODULES = "tests/integration/test_compose_project*.py tests/integration/test_network_*.py -k 'not through_ansible' -n 3 --dist loadfile"
ON_TARGETS = "$(grep -l 'stack.plugins.module' tests/unit/test_*.py)"  # the unit tests of what runs there


@dataclass(frozen=True)
class Step:
    """One command of a level. It is run through bash from the root of the clone."""

    name: str
    command: str
    docker: bool = False
    wanted: str = "."  # path without which there is nothing to do


CHECK = [
    Step("ruff check", "ruff check ."),
    Step("ruff format", "ruff format --check ."),
    Step("mypy", "scripts/mypy"),
    Step("ansible-lint", "ansible-lint --offline"),
    Step("changelog is what the fragments say", "scripts/changelog --check"),
    Step("unit tests", "python -m pytest tests/unit --ignore tests/unit/apps -n 2 --dist worksteal", wanted="tests/unit"),
    Step("unit tests of the applications", ".venv-apps/bin/python -m pytest tests/unit/apps", wanted="tests/unit/apps"),
]
TEST = [
    *CHECK,
    Step("unit tests, oldest ansible-core", f"{OLDEST} python -m pytest tests/unit --ignore tests/unit/apps", wanted="tests/unit"),
    Step("unit tests, Python 3.9", f"scripts/target-python 3.9 python -m pytest {ON_TARGETS}", wanted="tests/unit"),
    Step("sanity", "tests/sanity/run"),
    Step("import into Galaxy", "scripts/galaxy-import"),
    Step(PREPARE, "ansible-playbook tests/prepare.yml"),
    Step("integration", f"{INTEGRATION} -m 'not slow'", docker=True, wanted="tests/integration"),
    Step("molecule default", "scripts/chromium && scripts/molecule default", docker=True, wanted="molecule/default"),
]


FULL = [
    Step("integration slow", f"{INTEGRATION} -m slow", docker=True, wanted="tests/integration"),
    Step("unit tests, Python 3.13", f"scripts/target-python 3.13 python -m pytest {ON_TARGETS}", wanted="tests/unit"),
    Step("properties of the planner", "AUREN_EXAMPLES=3000 python -m pytest tests/unit/test_consolidation_properties.py"),
    Step(
        "integration, Python 3.9",
        f"scripts/target-python 3.9 python -m pytest {MODULES}",
        docker=True,
        wanted="tests/integration",
    ),
    Step("report in a browser", "scripts/chromium && python -m pytest tests/browser", wanted="tests/browser"),
    Step("import into Galaxy with its lint", "scripts/galaxy-import --lint"),
    Step("sanity, oldest ansible-core", f"VENV=.venv-oldest {OLDEST} tests/sanity/run"),
    Step("molecule default, oldest ansible-core", f"{OLDEST} scripts/molecule default", docker=True, wanted="molecule/default"),
]


def full() -> list[Step]:
    """`test`, what is slow, the oldest versions, and each further Molecule scenario."""
    others = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    return [*TEST, *FULL] + [Step(f"molecule {name}", f"scripts/molecule {name}", docker=True) for name in others if name != "default"]


def counted(report: Path, status: int) -> tuple[int, int]:
    """Passed and failed tests of one step. Skipped tests are neither."""
    if status == SKIPPED:
        return 0, 0
    if not report.exists():
        return (1, 0) if status == 0 else (0, 1)
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    passed = failed = 0
    for suite in suites:
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += bad
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return passed, max(failed, 1 if status not in (0, 5) else 0)


def report_of(step: Step) -> Path:
    return REPORTS / f"{step.name.replace(' ', '-')}.xml"


def failures(step: Step) -> list[str]:
    """The tests of one step that did not pass; none for a step without a report."""
    report = report_of(step)
    cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return [f"{case.get('classname', '')}::{case.get('name', '')}" for case in bad]


def run(step: Step) -> tuple[int, int]:
    """Run one step with its output on the terminal; return (passed, failed)."""
    report = report_of(step)
    report.unlink(missing_ok=True)
    env = dict(os.environ) if sys.stdout.isatty() else dict(os.environ, NO_COLOR="1")
    if "pytest" in step.command:
        env["PYTEST_ADDOPTS"] = f"--junitxml={report} {env.get('PYTEST_ADDOPTS', '')}"
    print(f"\n=== {step.name}", flush=True)
    start = time.monotonic()
    done = subprocess.run(["bash", "-c", step.command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False)
    passed, failed = counted(report, done.returncode)
    verdict = "FAILED" if failed else "skipped" if done.returncode == SKIPPED else "ok"
    print(f"=== {step.name}: {verdict}, {time.monotonic() - start:.0f} s", flush=True)
    return passed, failed


def main(level: str) -> int:
    """Run the steps of `check`, `test` or `full`; exit status 1 when anything failed."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    results: dict[str, tuple[int, int]] = {}
    steps = {"check": lambda: CHECK, "test": lambda: TEST, "full": full}[level]()
    for step in steps:
        if not (ROOT / step.wanted).exists():
            continue
        if step.docker and results.get(PREPARE, (0, 0))[1]:
            print(f"\n=== {step.name}: FAILED, not run: {PREPARE} failed")
            results[step.name] = (0, 1)
        else:
            results[step.name] = run(step)
    broken = [step for step in steps if results.get(step.name, (0, 0))[1]]
    for step in broken:
        print("\n".join([f"\nfailed: {step.name}", *(f"  {name}" for name in failures(step))]))
    print(f"\n{sum(p for p, _ in results.values())} passed, {sum(f for _, f in results.values())} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
