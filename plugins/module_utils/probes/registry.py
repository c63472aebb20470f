# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All probes by name with the options that each takes, and the one way to run one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes import dns, http, kafka, postgres, prometheus, redis, tcp
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Probe, ProbeError, Result, Target, said

PROBES: dict[str, Probe] = {
    "dns": dns.probe,
    "tcp": tcp.probe,
    "http": http.probe,
    "redis": redis.probe,
    "postgres": postgres.probe,
    "kafka": kafka.probe,
    "prometheus": prometheus.probe,
}
OPTIONS: dict[str, dict[str, type]] = {
    "dns": {"names": list},
    "tcp": {},
    "http": {"path": str, "status": int, "type": str, "body": str, "json": dict},
    "redis": {"user": str, "writable": bool},
    "postgres": {"user": str, "database": str, "extension": str, "tables": dict},
    "kafka": {"topics": dict, "groups": list},
    "prometheus": {"jobs": list},
}
REQUIRED = {"postgres": ("user",)}
LOGS_IN = ("redis", "postgres")  # may have a secret


def run(name: str, target: Target, options: Mapping[str, Any], timeout: float) -> Result:
    """Run a probe to its end. timeout: seconds for each of its steps; whoever calls keeps the time of the whole."""
    start = time.monotonic()
    try:
        evidence, kind = PROBES[name](target, options, timeout), ""
    except ProbeError as error:
        evidence, kind = error.message, error.kind
    except OSError as error:
        told = said(target, error)
        evidence, kind = told.message, told.kind
    return Result(not kind, evidence, time.monotonic() - start, kind)
