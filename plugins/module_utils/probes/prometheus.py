# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does Prometheus see what it should? Its configuration is loaded, every target is up, and every job that a rule names exists.

Source: Prometheus documentation, "HTTP API" (/api/v1/targets, /api/v1/rules, /api/v1/query).
Options: jobs: name → address, as ``auren-redis-exporter:9121``, that must be scraped. A target that could be scraped
within the last minute and now cannot is being made anew: it is told, and nothing is said against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.auren.stack.plugins.module_utils.probes import http
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}  # seconds
LOADED = "prometheus_config_last_reload_successful"
JOB = re.compile(r"""\bjob\s*=\s*["']([^"']+)["']""")  # in a rule's expression; not =~, which may match nothing on purpose


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    _loaded(target, timeout)
    targets = active(target, timeout)
    jobs = {_job(one) for one in targets}
    wanted = {str(job): str(address) for job, address in (options.get("jobs") or {}).items()}
    missing = sorted(wanted.keys() - jobs)
    if missing:
        raise ProbeError("missing", f"{target} scrapes no job {', '.join(missing)}; it has {', '.join(sorted(jobs)) or 'none'}")
    _addresses(target, wanted, targets)
    away = [one for one in targets if one.get("health") == "down"]
    just_now = _just_now(target, away, timeout)
    down = [one for one in away if _identity(one.get("labels", {})) not in just_now]
    if down:
        about = sorted({urlsplit(str(one.get("scrapeUrl"))).hostname or "" for one in down})
        raise ProbeError("down", f"{target} cannot scrape {'; '.join(_described(one) for one in down)}", about)
    _rules(target, jobs, timeout)
    waiting = sum(one.get("health") == "unknown" for one in targets)
    later = f", {waiting} not scraped yet" if waiting else ""
    later += f", {len(away)} not at the last scrape" if away else ""
    return f"{target} has its configuration loaded and {len(targets)} targets up{later}"


def active(target: Target, timeout: float) -> list[dict[str, Any]]:
    """The targets that it scrapes, as it tells them. Raises ProbeError, and OSError when the connection breaks."""
    return list(_ask(target, "/api/v1/targets?state=active", timeout)["activeTargets"])


def query(target: Target, expression: str, timeout: float, moment: float | None = None) -> list[float]:
    """The values of an expression, now or at a moment (seconds since 1970). Raises ProbeError."""
    at = f"&time={moment:.3f}" if moment is not None else ""
    data = _ask(target, f"/api/v1/query?query={quote(expression)}{at}", timeout)
    if data.get("resultType") == "scalar":
        return [float(data["result"][1])]
    return [float(one["value"][1]) for one in data["result"]]


def _job(one: Mapping[str, Any]) -> str:
    return str(one.get("labels", {}).get("job", ""))


def _just_now(target: Target, down: Sequence[Mapping[str, Any]], timeout: float) -> set[tuple[str, str]]:
    """Job and instance of those that could be scraped within the last minute, or the last two scrapes: they are being made anew."""
    if not down:
        return set()
    window = max([60.0, *(2 * _seconds(str(one.get("scrapeInterval") or "")) for one in down)])
    found = _ask(target, f"/api/v1/query?query={quote(f'max_over_time(up[{window:.0f}s]) == 1')}", timeout)["result"]
    return {_identity(one.get("metric") or {}) for one in found}


def _identity(labels: Mapping[str, str]) -> tuple[str, str]:
    return str(labels.get("job", "")), str(labels.get("instance", ""))


def _seconds(duration: str) -> float:
    """Prometheus' words for a time: 15s, 1m30s."""
    return sum(float(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h)", duration))


def _addresses(target: Target, wanted: Mapping[str, str], targets: Sequence[Mapping[str, Any]]) -> None:
    """A job that is scraped elsewhere: at an address of the host, or through a published port."""
    for job, address in wanted.items():
        scraped = {urlsplit(str(one.get("scrapeUrl"))).netloc for one in targets if _job(one) == job}
        elsewhere = sorted(scraped - {address, f"{address}:80"})
        if elsewhere:
            said = "an address of the host or a published port changes, the name does not"
            raise ProbeError("target", f"{target} scrapes {job} at {', '.join(elsewhere)} instead of {address}: {said}")


def _loaded(target: Target, timeout: float) -> None:
    """Its own metric says whether the last reload of the file was taken; one that does not scrape itself cannot say."""
    if query(target, LOADED, timeout)[:1] == [0]:
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
                raise ProbeError("rule", said)


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
