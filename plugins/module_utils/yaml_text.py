# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain data as YAML text, for people: a target has Python and the Docker SDK, but not necessarily a YAML library."""

from __future__ import annotations

import json
import re
from typing import Any, Callable

# Words that read the same in YAML 1.1 and 1.2 and are nobody's number, boolean or null.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_TEMPLATE = re.compile("{[{%#]")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

Scalar = Callable[[Any], str]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    text = json.dumps(value, ensure_ascii=False)  # JSON scalars are YAML scalars, but for what YAML calls a break or not printable
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _literal(value: Any) -> str:
    """Ansible takes any string in a file of variables for a template, and what a container says is nobody's to be evaluated."""
    return ("!unsafe " if isinstance(value, str) and _TEMPLATE.search(value) else "") + _scalar(value)


def _lines(value: Any, indent: str, scalar: Scalar) -> list[str]:
    if isinstance(value, dict) and value:
        found: list[str] = []
        for key, item in value.items():
            found.extend(_entry(f"{indent}{_scalar(key)}:", item, indent + "  ", scalar))
        return found
    if isinstance(value, (list, tuple)) and value:
        return [line for item in value for line in _item(item, indent, scalar)]
    return [indent + (scalar(value) if value not in ((), []) else "[]")]


def _entry(head: str, item: Any, indent: str, scalar: Scalar) -> list[str]:
    if isinstance(item, (dict, list, tuple)) and item:
        return [head, *_lines(item, indent, scalar)]
    return [head + " " + (scalar(item) if not isinstance(item, tuple) else "[]")]


def _item(item: Any, indent: str, scalar: Scalar) -> list[str]:
    if not isinstance(item, (dict, list, tuple)) or not item:
        return [f"{indent}- {scalar(item)}"]
    first, *rest = _lines(item, indent + "  ", scalar)
    return [f"{indent}- {first.strip()}", *rest]


def dump(value: Any) -> str:
    """YAML text of dicts, lists, strings, numbers, booleans and None; keys in their own order."""
    return "\n".join(_lines(value, "", _scalar)) + "\n"


def inventory(value: Any) -> str:
    """The same for a file of Ansible's variables: what looks like a template is said to be none. Keys are none (tried: 2.18, 2.21)."""
    return "\n".join(_lines(value, "", _literal)) + "\n"
