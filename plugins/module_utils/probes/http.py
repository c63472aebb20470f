# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the answer to one GET the expected one?

Options: path (/), status (200), type: how the content type begins, body: a text that must be in it, json: keys of the answer's object
with the values they must have, because some health endpoints answer 200 and say in the body that they are not well. A key with dots
leads into objects and lists: ``checks.0.state``. tls: whether it is asked over TLS; the certificate is not checked, for it may be
self-signed.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target

LONGEST = 1 << 23  # bytes of a body that are read


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    path, wanted = str(options.get("path") or "/"), int(options.get("status") or 200)
    answer = ask(target, path, timeout, tls=bool(options.get("tls")))
    if answer.status != wanted:
        raise ProbeError("status", f"GET {path} of {target} answers {answer.status} instead of {wanted}")
    sentence, expected = f"GET {path} of {target} answers {answer.status}", options.get("json") or {}
    kind, text = str(options.get("type") or ""), str(options.get("body") or "")
    if not answer.kind.startswith(kind):
        raise ProbeError("status", f"{sentence}, but as {answer.kind or 'nothing'} instead of {kind}")
    if text.encode() not in answer.body:
        raise ProbeError("status", f"{sentence}, but {text!r} is not in it")
    _compare(sentence, expected, answer.body)
    said = "".join(f", {key} {json.dumps(value)}" for key, value in expected.items())
    return f"{sentence}{said}"


@dataclass(frozen=True)
class Answer:
    """kind: the content type."""

    status: int
    kind: str
    body: bytes


def get(target: Target, path: str, timeout: float) -> Answer:
    """One GET. Raises ProbeError, and OSError when the connection breaks."""
    return ask(target, path, timeout)


def ask(target: Target, path: str, timeout: float, headers: Mapping[str, str] | None = None, body: Any = None, tls: bool = False) -> Answer:
    """One GET, or a POST of JSON when there is a body (bytes are sent as they are). Raises ProbeError and OSError."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
    connection.sock = _encrypted(target, timeout) if tls else target.connect(timeout)
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    told = {**({"Content-Type": "application/json"} if sent is not None else {}), **(headers or {})}
    try:
        connection.request("GET" if sent is None else "POST", path, sent, told)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Content-Type") or "", answer.read(LONGEST))
    except http.client.HTTPException as error:
        raise ProbeError("protocol", f"{target} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()


def _encrypted(target: Target, timeout: float) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(target.connect(timeout), server_hostname=target.host)


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
        there, actual = at(found, key)
        if not there or actual != value:
            shown = json.dumps(actual)[:80] if there else "nothing"
            raise ProbeError("status", f"{sentence}, but {key} is {shown} instead of {json.dumps(value)}")


def at(found: Any, key: str) -> tuple[bool, Any]:
    """Whether there is something at a dotted key, and what. A key that has the dots in its own name goes first."""
    if isinstance(found, dict) and key in found:
        return True, found[key]
    for word in key.split("."):
        if isinstance(found, dict) and word in found:
            found = found[word]
        elif isinstance(found, list) and word.isdigit() and int(word) < len(found):
            found = found[int(word)]
        else:
            return False, None
    return True, found
