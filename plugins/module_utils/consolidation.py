# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a host's networks as they are to the one network that was asked for: the plan, without doing anything. Pure.

The wanted topology is worked out from the present one; `topology.route` knows the way there. What forbids it is in
`consolidation_checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.auren.stack.plugins.module_utils import consolidation_checks as checks
from ansible_collections.auren.stack.plugins.module_utils.host_state import (
    GATEWAY_API,
    RECONNECT_NOTICE,
    HostState,
    Wish,
    detach_notice,
    gateway_notice,
    listed,
    summary,
)
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.network_plan import plan_target, target_spec
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.references import clients_first
from ansible_collections.auren.stack.plugins.module_utils.topology import (
    PREDEFINED,
    Attachment,
    Move,
    Topology,
    route,
    settled,
    topology_of,
)

RESTART = "unless-stopped"
LAST_GATEWAY = -100
CUT_OFF = "a run that was cut off left it so"


@dataclass
class Consolidation:
    """What a plan holds beside its operations: the moves behind them, in the same order, and the topology that they lead to."""

    plan: Plan = field(default_factory=Plan)
    moves: list[Move] = field(default_factory=list)
    wanted: Topology = field(default_factory=Topology)


def plan_consolidation(state: HostState, wish: Wish) -> Consolidation:
    """Everything that leads from this host to the wish, with causes; or what forbids it, all together."""
    now = topology_of(state.containers, state.networks)
    target = plan_target(wish.target, wish.subnet, state.networks, state.routes)
    if target.conflicts:
        return Consolidation(Plan(conflicts=target.conflicts))
    wanted, kept = _wanted(state, wish, settled(now, (wish.target, *repairs(state, wish))))
    moves = route(now, wanted, clients_first(state))
    plan = Plan([_operation(state, wish, move) for move in moves])
    plan.conflicts = checks.conflicts(state, wish, wanted)
    plan.warnings = checks.warnings(state, wish, wanted) + kept
    return Consolidation(plan, moves, wanted)


def _wanted(state: HostState, wish: Wish, base: Topology) -> tuple[Topology, list[str]]:
    """The wanted topology, and why some networks stay."""
    networks, attachments, policies = dict(base.networks), dict(base.attachments), dict(base.policies)
    networks.setdefault(wish.target, target_spec(wish.target, wish.subnet))
    for container in listed(state, wish):
        attachments[container.name, wish.target] = _attachment(state, wish, container, base)
        if container.running and policies[container.name] == "no" and not container.auto_remove:
            policies[container.name] = RESTART
        held = [network for network in base.networks_of(container.name) if state.temporary(network)]
        for network in [*held, *(leaving(state, wish, container) if wish.detach else ())]:
            attachments.pop((container.name, network), None)
        networks = {name: spec for name, spec in networks.items() if name not in held}
    for gone in repairs(state, wish):
        networks.setdefault(gone, target_spec(gone, ""))
    wanted = Topology(networks, attachments, {**policies, **dict.fromkeys(wish.stop, "no")}, base.stopped | set(wish.stop))
    return _without_sources(state, wish, wanted)


def _attachment(state: HostState, wish: Wish, container: Container, base: Topology) -> Attachment:
    """The container's place on the target: all its names from everywhere, what it had there already, what was asked for."""
    own = next(one for one in wish.containers if one.name == container.name)
    here = {network: base.attachments[container.name, network] for network in base.networks_of(container.name)}
    left = {network: one for (name, network), one in state.pending.items() if name == container.name}
    places = [one for network, one in {**left, **here}.items() if network not in PREDEFINED]
    aliases = {alias for place in places for alias in place.aliases} | set(own.aliases)
    present = base.attachments.get((container.name, wish.target))
    quiet = LAST_GATEWAY if state.api_version >= GATEWAY_API and base.networks_of(container.name) else 0
    there = present or Attachment(driver_opts=_options(places), gateway_priority=quiet)
    return replace(there, aliases=tuple(sorted(aliases - {container.name})), ipv4=own.ipv4 or there.ipv4)


def _options(places: Sequence[Attachment]) -> tuple[tuple[str, str], ...]:
    """The driver options of all endpoints."""
    return tuple(sorted({key: value for place in places for key, value in place.driver_opts}.items()))


def leaving(state: HostState, wish: Wish, container: Container) -> list[str]:
    """The networks that a container leaves when it is detached. Docker's own bridge, and networks of another driver, only by name."""
    bridges = {network.name for network in state.networks if network.driver == "bridge"} - set(PREDEFINED)
    sources = set(wish.sources) if wish.sources else bridges | set(repairs(state, wish))
    return sorted(set(places_of(state, container)) & sources - {wish.target, *wish.keep})


def places_of(state: HostState, container: Container) -> list[str]:
    """The networks that a container is on, or was on when a run was cut off, without the temporary ones of that run."""
    names = {e.network for e in container.endpoints} | {network for name, network in state.pending if name == container.name}
    return [name for name in names if not state.temporary(name)]


def repairs(state: HostState, wish: Wish) -> list[str]:
    """Networks that containers were created on and that are gone: an empty one of that name lets them start again."""
    return sorted({c.network_mode for c in state.containers if state.creation_network_gone(c)}) if wish.containers else []


def _without_sources(state: HostState, wish: Wish, wanted: Topology) -> tuple[Topology, list[str]]:
    """The source networks that nothing needs any more are taken out; for each other one a sentence says who does."""
    networks, kept = dict(wanted.networks), []
    for name in removable(state, wish) if wish.remove_sources else ():
        needs = wanted.members(name), state.created_on(name), state.address_users(name)
        if needs[0]:
            kept.append(f"kept: the network {name}: {', '.join(needs[0])} {'is' if len(needs[0]) == 1 else 'are'} on it")
        elif needs[1]:
            kept.append(f"kept: the network {name}: {' and '.join(needs[1])} cannot start without it")
        elif needs[2]:
            kept.append(f"kept: the network {name}: an address of it stands in {'; '.join(needs[2])}")
        else:
            del networks[name]
    return replace(wanted, networks=networks), kept


def removable(state: HostState, wish: Wish) -> list[str]:
    """The networks that were asked to go: those named as sources, else those that listed containers are or were on."""
    known = {network.name for network in state.networks if network.scope == "local"}
    on = {network for c in listed(state, wish) for network in places_of(state, c)}
    born = {network.name for network in state.networks for c in listed(state, wish) if c.network_mode in (network.name, network.id)}
    return sorted((set(wish.sources) or on | born) & known - {wish.target, *wish.keep, *PREDEFINED})


# --- the words of the plan -------------------------------------------------------------------------------------------


def _operation(state: HostState, wish: Wish, move: Move) -> Operation:
    """One line of the plan."""
    words = {
        "create network": _create, "remove network": _remove, "set policy": _policy, "stop": _stop,
        "connect": _connect, "reconnect": _reconnect, "disconnect": _disconnect,
    }  # fmt: skip
    return words[move.kind](state, wish, move)


def _create(state: HostState, wish: Wish, move: Move) -> Operation:
    if move.target == wish.target:
        return Operation("create network", move.target, "it is not there", after=wish.subnet or "a free subnet")
    users = " and ".join(c.name for c in state.containers if state.creation_network_gone(c) and c.network_mode == move.target)
    return Operation("create network", move.target, f"{users} cannot start without it, and it is gone", after="empty")


def _remove(state: HostState, wish: Wish, move: Move) -> Operation:
    if state.temporary(move.target):
        return Operation("remove network", move.target, CUT_OFF)
    subnets = ", ".join(pool.subnet for pool in move.steps[0].spec.pools) if move.steps[0].spec else ""
    return Operation("remove network", move.target, "nothing is on it, and nothing needs it to start", before=subnets)


def _policy(state: HostState, wish: Wish, move: Move) -> Operation:
    step = move.steps[0]
    cause = "it has none, so it would not come back after a crash or a reboot; it is not restarted for this"
    if move.target in wish.stop:
        cause = "named in auren_streamline_stop, and it would come back when the Engine starts"
    return Operation("set restart policy of", move.target, cause, before=step.before, after=step.policy)


def _stop(state: HostState, wish: Wish, move: Move) -> Operation:
    container = state.container(move.target)
    policy = f"; its restart policy {container.restart_policy} becomes no" if container and len(move.steps) > 1 else ""
    return Operation("stop", move.target, f"named in auren_streamline_stop{policy}", before="running", after="stopped", notice="it ends")


def _connect(state: HostState, wish: Wish, move: Move) -> Operation:
    container, place = state.container(move.target), move.attachment("connect")
    if container is None or move.network != wish.target:
        return Operation("connect", f"{move.target} to {move.network}", CUT_OFF)
    gone = leaving(state, wish, container) if wish.detach else []
    fixed = [e for e in container.endpoints if e.fixed_ipv4 and e.network != wish.target]
    told = [f"its address {e.fixed_ipv4} {'will change' if e.network in gone else f'stays on {e.network}'}" for e in fixed]
    names = f"names {', '.join((container.name, *place.aliases))}"
    return Operation(
        "connect",
        f"{container.name} to {wish.target}",
        "; ".join(["it is not on it", names, *told]),
        after=f"on {wish.target}, {names}, address {place.ipv4 or 'automatic'}",
        notice="; ".join(filter(None, [gateway_notice(state, container, wish.target), _early_notice(state, container, wish.target)])),
    )


def _early_notice(state: HostState, container: Container, network: str) -> str:
    """Its resolver knows who is there before it has the way to them (see `clients_first`); it matters for those it reached elsewhere."""
    here = {endpoint.network for endpoint in container.endpoints}
    met = sorted(c.name for c in state.containers if c.running and c.endpoint(network) and here & {e.network for e in c.endpoints})
    return f"a first question for {', '.join(met)} may find no way for a moment" if met and container.running else ""


def _reconnect(state: HostState, wish: Wish, move: Move) -> Operation:
    old, new = move.attachment("disconnect"), move.attachment("connect")
    missing = [alias for alias in new.aliases if alias not in old.aliases]
    causes = [f"it lacks the alias {alias}" for alias in missing]
    causes += [f"it has the address {old.ipv4 or 'that the Engine chose'} and {new.ipv4} is asked for"] if old.ipv4 != new.ipv4 else []
    return Operation(
        "reconnect",
        f"{move.target} on {move.network}",
        f"{' and '.join(causes) or 'its endpoint differs'}; a temporary network holds it meanwhile",
        before=f"names {', '.join((move.target, *old.aliases))}",
        after=f"names {', '.join((move.target, *new.aliases))}",
        notice=RECONNECT_NOTICE,
    )


def _disconnect(state: HostState, wish: Wish, move: Move) -> Operation:
    if state.temporary(move.network):
        return Operation("disconnect", f"{move.target} from {move.network}", CUT_OFF)
    flows = [flow for flow in state.flows if flow.network == move.network and move.target in (flow.client, flow.server)]
    held = f"; {summary(flows)}: these are closed" if flows else ""
    changed = f"its names on it leave with it, and stay on {wish.target}"
    return Operation(
        "disconnect",
        f"{move.target} from {move.network}",
        f"{changed}{held}",
        before=f"on {move.network}",
        notice=detach_notice(state.container(move.target)),
    )
