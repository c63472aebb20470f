# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does Prometheus see what it should? Its configuration is loaded, every target is up, and every job that a rule names exists.

Source: Prometheus documentation, "HTTP API" (/api/v1/targets, /api/v1/rules, /api/v1/query).
Options: jobs: names that must be among the targets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.auren.stack.plugins.module_utils.probes import http
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

LOADED = "prometheus_config_last_reload_successful"
JOB = re.compile(r"""\bjob\s*=\s*["']([^"']+)["']""")  # in a rule's expression; not =~, which may match nothing on purpose


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    _loaded(target, timeout)
    targets = _ask(target, "/api/v1/targets?state=active", timeout)["activeTargets"]
    down = [one for one in targets if one.get("health") == "down"]
    if down:
        raise ProbeError("down", f"{target} cannot scrape {'; '.join(_described(one) for one in down)}")
    jobs = {str(one.get("labels", {}).get("job", "")) for one in targets}
    missing = sorted({str(job) for job in options.get("jobs") or []} - jobs)
    if missing:
        raise ProbeError("missing", f"{target} scrapes no job {', '.join(missing)}; it has {', '.join(sorted(jobs)) or 'none'}")
    _rules(target, jobs, timeout)
    waiting = sum(one.get("health") == "unknown" for one in targets)
    later = f", {waiting} not scraped yet" if waiting else ""
    return f"{target} has its configuration loaded and {len(targets)} targets up{later}"


def _loaded(target: Target, timeout: float) -> None:
    """Its own metric says whether the last reload of the file was taken; one that does not scrape itself cannot say."""
    found = _ask(target, f"/api/v1/query?query={quote(LOADED)}", timeout)["result"]
    if found and found[0]["value"][1] == "0":
        raise ProbeError("status", f"{target} refused its new configuration and runs with the one before: look at its log")


def _described(one: Mapping[str, Any]) -> str:
    job = one.get("labels", {}).get("job", "?")
    return f"{job} at {one.get('scrapeUrl', '?')} ({one.get('lastError') or 'no error told'})"


def _rules(target: Target, jobs: set[str], timeout: float) -> None:
    for group in _ask(target, "/api/v1/rules", timeout)["groups"]:
        for rule in group.get("rules", []):
            unknown = sorted(set(JOB.findall(str(rule.get("query", "")))) - jobs)
            if unknown:
                said = f"the rule {rule.get('name')} of {target} is about the job {', '.join(unknown)}, which it does not scrape"
                raise ProbeError("missing", said)


def _ask(target: Target, path: str, timeout: float) -> Any:
    """The data of an answer. Raises ProbeError."""
    answer = http.get(target, path, timeout)
    try:
        found = json.loads(answer.body)
        if answer.status != 200 or found["status"] != "success":
            raise ProbeError("status", f"GET {path} of {target} answers {answer.status}: {str(found.get('error', ''))[:200]}")
        return found["data"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError("protocol", f"{target} does not answer as Prometheus does to GET {path}") from error
