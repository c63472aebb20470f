# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What forbids a consolidation, and what people should know before they approve it. Pure.

Refusals concern containers that are listed and run; what is outside the list is left alone, and told.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Wish, listed, outside_networks
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, Container, Network
from ansible_collections.auren.stack.plugins.module_utils.references import compose_place, mentions
from ansible_collections.auren.stack.plugins.module_utils.topology import Topology, settled, topology_of


def conflicts(state: HostState, wish: Wish, wanted: Topology) -> list[StackError]:
    """All that forbids the plan, in the order of the list."""
    found = [*_doubled_networks(state, wish), *_stops(state, wish)]
    for one in wish.containers:
        container = state.container(one.name)
        if container is None:
            found += [] if one.optional else [_missing(state, one)]
        elif one.name not in wish.stop:
            found += _mode(container) if container.alive else ()
            found += _address(state, wish, one, wanted) if not outside_networks(container) else ()
    return [*found, *_room(state, wish, wanted), *_collisions(state, wish, wanted)]


def _missing(state: HostState, one: Listed) -> StackError:
    known = ", ".join(sorted(c.name for c in state.containers)) or "none"
    return StackError(f"there is no container {one.name}; on this host are: {known}. {UNTOUCHED}", "missing_container", one.name)


def _doubled_networks(state: HostState, wish: Wish) -> Iterator[StackError]:
    names = [network.name for network in state.networks]
    for name in sorted({wish.target, *wish.sources}):
        if names.count(name) > 1:
            said = f"there are {names.count(name)} networks called {name}, so a name does not say which; remove the empty one by its id"
            yield StackError(f"{said}. {UNTOUCHED}", "ambiguous_network", name)
    for name in _missing_sources(state, wish) if not _removed_before(state, wish) else ():
        said = f"there is no network {name} to move from; on this host are: {', '.join(sorted(names))}"
        yield StackError(f"{said}. {UNTOUCHED}", "missing_network", name)


def _missing_sources(state: HostState, wish: Wish) -> list[str]:
    return sorted(set(wish.sources) - {network.name for network in state.networks})


def _removed_before(state: HostState, wish: Wish) -> bool:
    """An earlier run may have removed the sources: all that is listed is on the target."""
    now = settled(topology_of(state.containers, state.networks), (wish.target,)).attachments
    return wish.remove_sources and all((container.name, wish.target) in now for container in listed(state, wish))


def _stops(state: HostState, wish: Wish) -> Iterator[StackError]:
    """What was asked to stop and must not."""
    for name in wish.stop:
        container = state.container(name)
        if container is None:
            yield _missing(state, Listed(name))
        elif container.auto_remove and container.alive:
            said = f"{name} was started with --rm: it would vanish at its stop, with its anonymous volumes"
            yield StackError(f"{said}. Leave it out of auren_streamline_stop. {UNTOUCHED}", "auto_remove", name)
        elif container.alive and _cannot_return(state, container):
            said = f"{name} uses the network of a container that does not run: it could not be started again"
            yield StackError(f"{said}. Leave it out of auren_streamline_stop. {UNTOUCHED}", "cannot_start", name)
        elif container.alive and (users := [*mentions(state, container, wish.stop), *_sharing(state, wish, container)]):
            said = f"{name} is named in auren_streamline_stop and still in use: {'; '.join(users)}. Change these first, or leave it out"
            yield StackError(f"{said}. {UNTOUCHED}", "protected", name)


def _cannot_return(state: HostState, container: Container) -> bool:
    """It uses the network of a container that does not run, so once stopped it could not be started."""
    owner = container.network_mode.partition("container:")[2]
    return bool(owner) and not any(c.alive and owner in (c.id, c.name) for c in state.containers)


def _sharing(state: HostState, wish: Wish, container: Container) -> Iterator[str]:
    """The containers that have this one's network, and cannot start while it does not run."""
    modes = (f"container:{container.id}", f"container:{container.name}")
    for other in state.containers:
        if other.network_mode in modes and (other.alive or other.name not in wish.stop):
            yield f"{other.name} uses its network"


def _mode(container: Container) -> Iterator[StackError]:
    mode = container.network_mode
    if mode == "none" or mode.startswith("container:"):
        shared = "has no network (--network none)" if mode == "none" else f"uses the network of another container ({mode[:22]})"
        said = f"{container.name} {shared}, so it cannot join one; make it anew without that, or take it off the list"
        yield StackError(f"{said}. {UNTOUCHED}", "network_mode", container.name)


def _address(state: HostState, wish: Wish, one: Listed, wanted: Topology) -> Iterator[StackError]:
    """A fixed address that was asked for on the target. One that was fixed on another network is no business of the target."""
    if not one.ipv4:
        return
    network = state.network(wish.target)
    subnets = network.subnets if network else (wish.subnet,) if wish.subnet else ()
    if not any(_inside(one.ipv4, subnet) for subnet in subnets):
        has = ", ".join(subnets) or "a subnet that the Engine chooses; set auren_subnet"
        said = f"{one.name} is to have the address {one.ipv4}, which is outside {wish.target} ({has}); choose one inside, or leave it out"
        yield StackError(f"{said}. {UNTOUCHED}", "bad_address", one.name, one.ipv4)
    on = [(c.name, e) for c in state.containers for e in c.endpoints if e.network == wish.target and c.name != one.name]
    holders = {name for name, e in on if one.ipv4 in (e.ipv4, e.fixed_ipv4)}
    holders |= {name for (name, place), a in wanted.attachments.items() if (place, a.ipv4) == (wish.target, one.ipv4) and name != one.name}
    holders |= {f"the gateway of {wish.target}"} if one.ipv4 in _gateways(network, subnets) else set()
    for holder in sorted(holders):
        said = f"{one.name} is to have the address {one.ipv4}, which belongs to {holder}; choose a free one"
        yield StackError(f"{said}. {UNTOUCHED}", "address_taken", one.name, one.ipv4)


def _gateways(network: Network | None, subnets: Sequence[str]) -> list[str]:
    """Where the Engine names none it takes the first address."""
    named = [pool.gateway for pool in network.pools if pool.gateway] if network else []
    return named or [str(ipaddress.ip_network(subnet)[1]) for subnet in subnets]


def _room(state: HostState, wish: Wish, wanted: Topology) -> Iterator[StackError]:
    """A running container that the Engine has no address for keeps an entry of the attempt, and cannot be restarted with it."""
    network = state.network(wish.target)
    pools = [ipaddress.ip_network(pool.ip_range or pool.subnet) for pool in network.pools] if network else []
    if not any(pool.version == 4 for pool in pools):
        return
    room = sum(pool.num_addresses for pool in pools if pool.version == 4) - 3  # the network's own two, and the gateway
    members = [name for (name, place) in wanted.attachments if place == wish.target]
    if len(members) > room:
        said = f"{wish.target} ({', '.join(map(str, pools))}) has room for {max(room, 0)} containers, and {len(members)} are to be on it"
        yield StackError(f"{said}; list fewer, or use a larger network. {UNTOUCHED}", "no_room", wish.target)


def _inside(address: str, subnet: str) -> bool:
    """Without the first and the last address, which belong to the network itself."""
    try:
        network = ipaddress.ip_network(subnet)
        return ipaddress.ip_address(address) in network and address not in (str(network[0]), str(network[-1]))
    except ValueError:
        return False


def _collisions(state: HostState, wish: Wish, wanted: Topology) -> Iterator[StackError]:
    """Names that would lead to two running containers on the target: Docker would answer with one or the other."""
    holders: dict[str, list[str]] = {}
    for (name, network), place in sorted(wanted.attachments.items()):
        if network == wish.target and name not in wanted.stopped:
            for alias in (name, *place.aliases):
                holders.setdefault(alias, []).append(name)
    mine = {one.name for one in wish.containers}
    for alias, names in sorted(holders.items()):
        if len(names) > 1 and mine & set(names):
            where = {name: _held_on(state, name, alias) for name in names}
            sides = " and ".join(f"{name} ({where[name]})" for name in names)
            out = "take one off the list, stop one (auren_streamline_stop), or make one anew without the alias"
            said = f"the name {alias} would lead to {sides} on {wish.target}; {out}"
            yield StackError(f"{said}. {UNTOUCHED}", "alias_collision", ", ".join(names), alias)


def _held_on(state: HostState, name: str, alias: str) -> str:
    container = state.container(name)
    places = [e.network for e in container.endpoints if alias in e.aliases] if container else []
    return "its own name" if alias == name else f"alias on {', '.join(places)}" if places else "declared alias"


# --- what people should know -----------------------------------------------------------------------------------------


def warnings(state: HostState, wish: Wish, wanted: Topology) -> list[str]:
    """Sentences for the plan; nothing of it stops the run."""
    if not wish.containers:
        return []
    names = {one.name for one in wish.containers} | set(wish.stop)
    return [
        *_on_the_host(state, names),
        *_left_alone(state, wish, names),
        *_without_creation_network(state),
        *_without_policy(state, names),
        *_stopped_collisions(state, wish, wanted),
        *_compose_projects(state, wish, wanted),
        *(f"there is no network {name} to move from; an earlier run may have removed it" for name in _missing_sources(state, wish)),
    ]


def _on_the_host(state: HostState, names: set[str]) -> Iterator[str]:
    for container in (c for c in state.containers if c.name in names and c.network_mode == "host"):
        yield f"{container.name} uses the host's network: it takes part in no Docker network and is not reached by name there"


def _left_alone(state: HostState, wish: Wish, names: set[str]) -> Iterator[str]:
    others = [c for c in state.containers if c.name not in names and c.alive and not outside_networks(c) and not c.endpoint(wish.target)]
    told = [f"{c.name} (on {', '.join(sorted(e.network for e in c.endpoints)) or 'no network'})" for c in others]
    if told:
        yield f"left alone, because not on the list: {', '.join(sorted(told))}"


def _without_creation_network(state: HostState) -> Iterator[str]:
    for container in sorted((c for c in state.containers if state.creation_network_gone(c)), key=lambda c: c.name):
        gone = f"the network {container.network_mode} that it was created on is gone"
        yield f"{container.name} will not start again after a reboot unless this plan is done: {gone}"


def _without_policy(state: HostState, names: set[str]) -> Iterator[str]:
    for container in (c for c in state.containers if c.name in names and c.running and c.auto_remove):
        yield f"{container.name} was started with --rm: it cannot have a restart policy, and vanishes when it ends"


def _stopped_collisions(state: HostState, wish: Wish, wanted: Topology) -> Iterator[str]:
    """A stopped container that would answer to another one's name when somebody starts it."""
    for (name, network), place in sorted(wanted.attachments.items()):
        if network != wish.target or name not in wanted.stopped:
            continue
        for (other, place_of), theirs in wanted.attachments.items():
            shared = {name, *place.aliases} & {other, *theirs.aliases} if place_of == network and other not in wanted.stopped else set()
            if shared:
                yield f"{name} is stopped; started again it would share the name {', '.join(sorted(shared))} with {other} on {network}"


def _compose_projects(state: HostState, wish: Wish, wanted: Topology) -> Iterator[str]:
    """Whoever runs `up` in a project that knows nothing of this would make containers anew without it, and networks again."""
    for container in sorted((c for c in state.containers if (c.name, wish.target) in wanted.attachments), key=lambda c: c.name):
        place = compose_place(state, container) if not container.ours else ""
        left = sorted({e.network for e in container.endpoints} - set(wanted.networks_of(container.name)) - {""})
        if place and left:
            yield f"the next `up` of {place} makes {container.name} anew, on {', '.join(left)} and not on {wish.target}"
        elif place and state.network(wish.target) is not None and not container.endpoint(wish.target):
            yield f"{place} does not know {wish.target}: whenever its `up` makes {container.name} anew, it is not on it"
    for network in state.networks:
        project = network.labels.get(LABEL_COMPOSE_PROJECT, "")
        if project and network.name not in wanted.networks:
            yield f"the next `up` of the Compose project {project} makes the network {network.name} again"
