# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the answer to one GET the expected one?

Options: path (/), status (200), json: keys of the answer's object with the values they must have, because some health endpoints
answer 200 and say in the body that they are not well.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

LONGEST = 1 << 20  # bytes of a body that are read


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    path, wanted = str(options.get("path") or "/"), int(options.get("status") or 200)
    connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
    connection.sock = target.connect(timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(LONGEST)
    except http.client.HTTPException as error:
        raise ProbeError("protocol", f"{target} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()
    if answer.status != wanted:
        raise ProbeError("status", f"GET {path} of {target} answers {answer.status} instead of {wanted}")
    expected = options.get("json") or {}
    _compare(f"GET {path} of {target} answers {answer.status}", expected, body)
    said = "".join(f", {key} {json.dumps(value)}" for key, value in expected.items())
    return f"GET {path} of {target} answers {answer.status}{said}"


def _compare(sentence: str, expected: Mapping[str, Any], body: bytes) -> None:
    """Raises ProbeError for the first key whose value is another one."""
    if not expected:
        return
    try:
        found = json.loads(body)
    except ValueError as error:
        raise ProbeError("protocol", f"{sentence}, but its body is no JSON") from error
    if not isinstance(found, dict):
        raise ProbeError("protocol", f"{sentence}, but its body is no JSON object")
    for key, value in expected.items():
        if found.get(key) != value:
            shown = json.dumps(found.get(key))[:80] if key in found else "nothing"
            raise ProbeError("status", f"{sentence}, but {key} is {shown} instead of {json.dumps(value)}")
