# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All probes by name with the options that each takes, and the one way to run one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes import dns, grafana, http, kafka, postgres, prometheus, redis, tcp
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Probe, ProbeError, Result, Target, attempt

PROBES: dict[str, Probe] = {
    "dns": dns.probe,
    "tcp": tcp.probe,
    "http": http.probe,
    "redis": redis.probe,
    "postgres": postgres.probe,
    "kafka": kafka.probe,
    "prometheus": prometheus.probe,
    "grafana": grafana.probe,
}
OPTIONS: dict[str, dict[str, type]] = {
    "dns": {"names": list},
    "tcp": {},
    "http": {"path": str, "status": int, "tls": bool, "type": str, "body": str, "json": dict},
    "redis": {"user": str, "writable": bool},
    "postgres": {"user": str, "database": str, "extension": str, "tables": dict},
    "kafka": {"topics": dict, "groups": list},
    "prometheus": {"jobs": dict},
    "grafana": {"user": str, "dashboards": list},
}
REQUIRED = {"postgres": ("user",)}
LOGS_IN = ("redis", "postgres", "grafana")  # may have a secret
WRITES = ("redis", "kafka")  # write something of ours and read it again when they are given a text to write


def run(name: str, target: Target, options: Mapping[str, Any], timeout: float) -> Result:
    """Run a probe to its end. timeout: seconds for each of its steps; whoever calls keeps the time of the whole."""
    start = time.monotonic()
    try:
        return Result(True, attempt(target, lambda: PROBES[name](target, options, timeout)), time.monotonic() - start)
    except ProbeError as error:
        return Result(False, error.message, time.monotonic() - start, error.kind, error.about)
