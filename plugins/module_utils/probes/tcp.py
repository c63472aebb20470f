# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does somebody take the connection? No options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    with target.connect(timeout) as connection:
        return f"{target} takes connections at {connection.getpeername()[0]}"
