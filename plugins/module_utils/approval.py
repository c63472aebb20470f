# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans that people approve: an id for exactly this plan on exactly this host, and the refusal of any other.

A plan that was shown is kept on the host (``<project>/.auren/plans``, root only), so that a stale approval can be answered with
what has changed since. The id covers the host, the containers and networks that the plan looks at (ids, endpoints, options,
labels) and the steps; not health, times, counters, addresses that the Engine chose, or the networks that it makes anew at every start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile, make_directory, read_text, write
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState
from ansible_collections.auren.stack.plugins.module_utils.model import Network
from ansible_collections.auren.stack.plugins.module_utils.plan import Plan, digest
from ansible_collections.auren.stack.plugins.module_utils.topology import PREDEFINED, attachment_of, spec_of

AUTO = "auto"
ID = re.compile(r"[0-9a-f]{4}-[0-9a-f]{10}")
COVERED = ("kind", "host", "containers", "networks", "steps")  # the keys of a plan that its id is made from
KEPT = 20  # plans that a host remembers


def document(kind: str, state: HostState, plan: Plan, moves: Sequence[Any], looked_at: Sequence[str]) -> dict[str, Any]:
    """A plan as plain data. looked_at: names of the containers that it is about; their networks are part of it.

    Keys: id, kind, host, operations (kind, target, cause, before, after, notice), warnings, steps, containers, networks.
    """
    found = [c for name in sorted(set(looked_at)) if (c := state.container(name)) is not None]
    places = {e.network for c in found for e in c.endpoints} | {m.network or m.target for m in moves}
    data: dict[str, Any] = {
        "format": 1,
        "kind": kind,
        "host": {"id": digest(state.host), "name": state.host[1]},
        "operations": [op.to_data() for op in plan.operations],
        "warnings": list(plan.warnings),
        "steps": [step.to_data() for move in moves for step in move.steps],
        "containers": {
            c.name: {
                "id": c.id,
                "created on": c.network_mode,
                "restart policy": c.restart_policy,
                "runs": c.alive,
                "networks": {e.network: attachment_of(e).to_data() for e in c.endpoints},
            }
            for c in found
        },
        "networks": {n.name: _network(n) for n in state.networks if n.name in places and n.name not in PREDEFINED},
    }
    data["id"] = f"{data['host']['id'][:4]}-{digest({key: data[key] for key in COVERED}, 10)}"
    return json.loads(json.dumps(data, sort_keys=True))  # type: ignore[no-any-return]  # as it will be read again


def _network(network: Network) -> dict[str, Any]:
    """Without a gateway: where none was given the Engine adds one at its next start."""
    spec = spec_of(network)
    return {"id": network.id, **replace(spec, pools=tuple(replace(pool, gateway="") for pool in spec.pools)).to_data()}


def given_ids(approve: str) -> list[str]:
    """The ids of an approval, ``a,b``. Raises StackError for what cannot be one."""
    ids = [word.strip() for word in approve.split(",") if word.strip()]
    for word in ids:
        if not ID.fullmatch(word):
            said = f"auren_approve is {word!r}, which is no id of a plan: give one as it was printed (such as 3f9a-0123456789), or auto"
            raise StackError(f"{said}. Nothing was changed", "bad_approval", word)
    return ids


def approved(project: Path, approve: str, now: Mapping[str, Any]) -> bool:
    """Whether this very plan may be done. approve: an id, several of several hosts, ``auto``, or nothing.

    Raises StackError for an id that is unknown, of another host, or of a plan that does not fit the host any more.
    """
    if approve == AUTO:
        return True
    ids = given_ids(approve)
    mine = [word for word in ids if word[:4] == now["id"][:4]]
    if now["id"] in mine or not ids:
        return bool(ids)
    if not now["operations"]:  # what was approved has been done before
        return True
    if not mine:
        others = ", ".join(ids)
        said = f"the plan {others} is of another host; the plan of {now['host']['name']} is {now['id']}"
        raise StackError(f"{said}. Nothing was changed here", "other_host", others)
    raise _stale(project, mine[0], now)


def _stale(project: Path, wanted: str, now: Mapping[str, Any]) -> StackError:
    before = stored(project, wanted)
    if before is None:
        said = f"the plan {wanted} is not known on {now['host']['name']}; the plan of now is {now['id']}: look at it, then approve that one"
        return StackError(f"{said}. Nothing was changed", "unknown_plan", wanted)
    changes = "; ".join(differences(before, now)) or "the plan itself"
    said = f"the host has changed since the plan {wanted} was made: {changes}. Look at the plan of now, {now['id']}, and approve that one"
    return StackError(f"{said}. Nothing was changed", "stale_plan", wanted, changes)


def plan_path(project: Path, plan: str) -> Path:
    return project / ".auren" / "plans" / f"{plan}.json"


def store(project: Path, plan: Mapping[str, Any]) -> None:
    """Keep a plan that is shown, and forget the oldest beyond `KEPT`."""
    path = plan_path(project, plan["id"])
    make_directory(path.parent.parent, 0o700)
    make_directory(path.parent, 0o700)
    write(WantedFile(path, json.dumps(plan, indent=1, sort_keys=True).encode() + b"\n", 0o600))
    known = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
    for old in known[:-KEPT]:
        old.unlink()


def stored(project: Path, plan: str) -> dict[str, Any] | None:
    """A plan that was shown earlier, None when there is none. Raises StackError for a file that is no plan, or is not that plan."""
    path = plan_path(project, plan)
    try:
        text = read_text(path)
        if text is None:
            return None
        found = json.loads(text)
        if found["id"].partition("-")[2] != digest({key: found[key] for key in COVERED}, 10) or found["id"] != plan:
            raise ValueError("its content is not what its id stands for")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"the plan file {path} is damaged ({error}); remove it, make the plan anew and approve that one"
        raise StackError(f"{said}. Nothing was changed", "bad_plan", str(path), str(error)) from error
    return dict(found)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of the host, and then of the work, is not as it was; each a clause."""
    told = []
    for kind in ("containers", "networks"):
        word, old, new = kind[:-1], before[kind], now[kind]
        told += [f"the {word} {name} is new" for name in sorted(set(new) - set(old))]
        told += [f"the {word} {name} is gone" for name in sorted(set(old) - set(new))]
        told += [_changed(word, name, old[name], new[name]) for name in sorted(set(old) & set(new)) if old[name] != new[name]]
    return told or (["other steps were asked for"] if before["steps"] != now["steps"] else [])


def _changed(word: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if old.get("id") != new.get("id"):
        return f"the {word} {name} was made anew"
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return f"the {word} {name} has changed ({', '.join(keys)})"
