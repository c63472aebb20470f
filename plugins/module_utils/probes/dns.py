# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the name resolve? Options: names, further names that have to resolve too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    names = [target.host, *(options.get("names") or [])]
    return ", ".join(f"{name} is {' '.join(target.resolve(name, timeout))}" for name in names)
