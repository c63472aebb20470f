# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observed + declared → Plan for the Compose project. Reads files to compare them; changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable

from ansible_collections.auren.stack.plugins.module_utils import definition, guards, mounts, secrets, validate
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile, difference
from ansible_collections.auren.stack.plugins.module_utils.foreign_files import foreign
from ansible_collections.auren.stack.plugins.module_utils.hand_edits import edited, made_of, not_ours, policy_operation
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_COMPOSE_PROJECT,
    LABEL_SERVICE,
    LABEL_STANDS_IN,
    Binding,
    Container,
    Image,
    Snapshot,
)
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan
from ansible_collections.auren.stack.plugins.module_utils.project import Declared, Observed, declared_file, images_file

PortTaken = Callable[[Binding], str]


@dataclass(frozen=True)
class OwnedFile:
    """A file and the service it belongs to; "" for the project's own. record: it only says what the others are.

    why: the one on disk is not the wanted one, as ``difference`` says it.
    """

    service: str
    wanted: WantedFile
    record: bool = False
    why: str = ""


@dataclass
class Work:
    """A plan, and what apply needs beside it.

    files: everything that is written, in order. stale: files to remove.
    merged: the declared set afterwards. new_volumes: to be created.
    """

    plan: Plan
    called: dict[str, Service]
    files: list[OwnedFile] = field(default_factory=list)
    stale: list[Path] = field(default_factory=list)
    merged: dict[str, Declared] = field(default_factory=dict)
    new_volumes: list[str] = field(default_factory=list)


def _foreign(container: Container, house: House) -> StackError:
    made = container.origin()
    return StackError(
        f"the container name {container.name} is taken by a {container.state} container that was made {made} from {container.image}, "
        f"not by the project {house.project}; nothing was changed. Rename it or remove it (its volumes stay), then run again",
        "name_taken",
        container.name,
    )


def _strangers(observed: Observed, house: House) -> list[StackError]:
    return [
        StackError(
            f"the container {c.name} carries the Compose project label {house.project} but was not made by this collection; Compose would "
            "take it for its own and could delete it. Nothing was changed. Remove it, or give its project another name",
            "project_label",
            c.name,
        )
        for c in observed.snapshot.containers
        if c.labels.get(LABEL_COMPOSE_PROJECT) == house.project and not c.ours
    ]


def _holder(wanted: Binding, service: Service, observed: Observed, taken: PortTaken) -> str:
    """Who holds a port that a service is about to publish; empty when it is free or its own."""
    mine = observed.snapshot.container(service.name)
    if mine and mine.running and any(wanted.collides(b) for b in mine.bindings):
        return ""
    for other in observed.snapshot.containers:
        if other.name != service.name and other.running and any(wanted.collides(b) for b in other.bindings):
            # One of the project may be about to move away; two that both want the port are refused by the declaration's own check.
            return "" if other.belongs(service.house.project) else f"the container {other.name}"
    return taken(wanted)


def _port_conflicts(service: Service, observed: Observed, taken: PortTaken) -> list[StackError]:
    """Ports the service is about to publish that somebody else holds."""
    found: list[StackError] = []
    for wanted in validate.bindings(service):
        by = _holder(wanted, service, observed, taken)
        if by:
            where = f"{wanted.host_ip or '0.0.0.0'}:{wanted.host_port}"
            other = " (or the variable that this one comes from)" if len(validate.bindings(service)) > 1 else ""
            remedy = f"nothing was changed. Stop it, or set {service.role}_port{other} to a free port"
            found.append(StackError(f"port {where} that {service.name} publishes is taken by {by}; {remedy}", "port_taken", where))
    return found


def _data_conflict(service: Service, observed: Observed) -> StackError | None:
    image = observed.images.get(service.image)
    for data in service.data:
        mountpoint = observed.snapshot.where(data["volume"])
        guard = guards.GUARDS.get(data.get("guard", ""))
        if guard and image and mountpoint:
            problem = guard(mountpoint, image, service.name, service.image, service.environment, service.volume_variable(data))
            if problem:
                return problem
    return None


def _emptied(service: Service, observed: Observed) -> list[StackError]:
    """The service would start on an empty volume while its data is in the one that it was declared with before."""
    before, found = observed.declared.get(service.name), []
    for old, new in zip(before.service.data if before else [], service.data):
        places = [observed.snapshot.where(one["volume"]) for one in (old, new)]
        full = [bool(place) and guards.holds_data(place) for place in places]
        if old["volume"] != new["volume"] and full == [True, False]:
            said = f"the data of {service.name} is in {old['volume']}, and the declaration says {new['volume']}, which is empty"
            wanted = f"Set {service.volume_variable(new)}: {old['volume']}"
            remedy = f"{wanted}; if an empty one is meant, remove the service first. Nothing was changed"
            found.append(StackError(f"{said}. {remedy}", "empty_volume", service.name, new["volume"]))
    return found


def image_missing(service: Service) -> StackError:
    return StackError(
        f"the image {service.image} of {service.name} is not on this host; pull or load it, or set {service.role}_image",
        "image_missing",
        service.image,
    )


def recreate_causes(service: Service, container: Container, wanted: Mapping[str, str], image: Image | None) -> list[str]:
    """Why a live container is not the declared one; empty when it is."""
    causes = definition.spec_causes(definition.spec_on(container.labels), wanted)
    if image and image.id != container.image_id and "image changed" not in causes:
        causes.append(f"{service.image} is now another image than the one it runs")
    endpoint = container.endpoint(service.house.network)
    if endpoint is None:
        causes.append(f"it is not on {service.house.network}")
    else:
        missing = [alias for alias in service.aliases if alias not in (service.name, *endpoint.aliases)]
        causes += [f"it lacks the alias {alias} on {service.house.network}" for alias in missing]
    return causes


def drifted_environment(service: Service, container: Container, values: Mapping[str, str]) -> list[str]:
    """Environment keys in which the live container holds another secret than the project: its env file was edited, and Compose called by
    hand. The label with its spec says nothing of it. None where the environment was not read."""
    wanted = definition.secret_environment(service) if container.env else {}
    return [key for key, template in wanted.items() if container.env.get(key, "") != secrets.fill(template, values)]


def leftovers(names: Collection[str], house: House, observed: Observed) -> list[Container]:
    """Containers that Compose made for these services under a name for the moment, and that a run which was cut off left behind."""
    ours = (c for c in observed.snapshot.containers if c.belongs(house.project) and c.labels[LABEL_SERVICE] in names)
    return [c for c in ours if c.for_the_moment and not c.alive]


def forgotten(names: Collection[str], snapshot: Snapshot) -> list[Operation]:
    """Removal of candidates of these services that a run which was cut off left behind."""
    tried = [snapshot.container(name + definition.CANDIDATE) for name in names]
    return [
        Operation("remove candidate", c.name, "a run that was cut off left it behind", before=c.state)
        for c in tried
        if c and c.labels.get(LABEL_SERVICE) == c.name
    ]


def _with_trials(operations: list[Operation], called: Mapping[str, Service], observed: Observed) -> list[Operation]:
    """Before a service is made, or started for the first time, its new version is tried where it says how."""
    found: list[Operation] = []
    for operation in operations:
        container = observed.snapshot.container(operation.target)
        new = operation.kind in ("create", "recreate") or (container is not None and container.state == "created")
        tried = new and bool(called[operation.target].candidate)
        if tried:
            found.append(Operation("try", operation.target, "its new version has to answer before it takes the port"))
        cuts = tried and operation.kind == "recreate"
        found.append(replace(operation, notice="requests in flight are cut, new connections are refused for a moment" if cuts else ""))
    return found


def _container_operation(service: Service, observed: Observed, work: Work) -> Operation | None:
    container = observed.snapshot.container(service.name)
    if container is None:
        return Operation("create", service.name, "it is not there", after=service.image)
    causes = recreate_causes(service, container, work.merged[service.name].spec, observed.images.get(service.image))
    gone = [str(path.relative_to(service.house.directory)) for path in mounts.stale(service, container)]
    causes += [f"{path} is no longer the one that it has" for path in gone]
    if not causes:
        drifted = drifted_environment(service, container, observed.values)
        causes += [f"its environment key {key} holds another secret than the project" for key in drifted]
        differing = [file.wanted.path for file in work.files if file.service == service.name and file.why in ("content", "not a file")]
        causes += [f"{path} was edited by hand" for path in edited(service, differing)]
    if leftovers([service.name], service.house, observed):  # the Engine may still be about to stop it, as Compose had asked
        causes.append("a run was cut off while it replaced it")
    elif not causes and (why := not_ours(container, observed.declared.get(service.name))):
        causes.append(why)
    if causes:
        before, after = _values(service, container, observed)
        return Operation("recreate", service.name, ", ".join(causes), before=before or "as created", after=after or ", ".join(causes))
    if not container.running:
        return Operation(
            "start", service.name, f"it is {container.state} (exit code {container.exit_code})", before=container.state, after="running"
        )
    return None


def _values(service: Service, container: Container, observed: Observed) -> tuple[str, str]:
    """What differs from the last declaration and may be shown, as it was and as it is to be."""
    record = observed.declared.get(service.name)
    old, new = definition.plain_values(record.service) if record else {}, definition.plain_values(service)
    old["image"] = container.image
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name) and (record or name == "image")]
    told = ["; ".join(f"{name} {values[name]}" for name in names if name in values) for values in (old, new)]
    return told[0], told[1]


def _reload_operation(service: Service, observed: Observed, changed: list[Path]) -> Operation | None:
    wanted = definition.reload_digest(service, observed.values)
    if not wanted:
        return None
    paths = [path for path in service.files("reload") if service.config_path(path) in changed]
    before = observed.declared.get(service.name)
    if not paths and before and before.reloaded == wanted:
        return None
    cause = ", ".join(f"file {path} changed" for path in paths) or "the last run did not get as far"
    return Operation("reload", service.name, cause, before="as loaded", after=cause)


def _images_file(house: House, observed: Observed, services: Mapping[str, Service]) -> WantedFile:
    known = {s.image: observed.images.get(s.image) for s in services.values()}
    content = {
        ref: {"id": image.id, "digests": sorted(image.digests), "stands_in": image.labels.get(LABEL_STANDS_IN, "")}
        for ref, image in known.items()
        if image
    }
    return images_file(house.directory, content)


def _rotation_conflicts(work: Work, observed: Observed) -> list[StackError]:
    """A password changes for all who hold it, or for nobody."""
    found = []
    for rotation in observed.rotations:
        left = [n for n, d in observed.declared.items() if n not in work.called and rotation.name in d.service.secret_names()]
        if left:
            found.append(
                StackError(
                    f"{rotation.name} is to change, but {', '.join(left)} would keep the old one, because this run is not about them; "
                    "nothing was changed. Run site without --tags",
                    "rotation_partial",
                    rotation.name,
                )
            )
    return found


def _conflicts(work: Work, house: House, observed: Observed, taken: PortTaken, images_pending: bool) -> list[StackError]:
    found = observed.network.conflicts + observed.problems + _strangers(observed, house) + _rotation_conflicts(work, observed)
    found += foreign(house, work.called, observed.declared, observed.snapshot)
    for service in work.called.values():
        container = observed.snapshot.container(service.name)
        if container and not container.belongs(house.project):
            found.append(_foreign(container, house))
            continue
        found += _port_conflicts(service, observed, taken) + _emptied(service, observed)
        problem = _data_conflict(service, observed)
        if problem:
            found.append(problem)
        if not observed.images.get(service.image) and not images_pending:
            found.append(image_missing(service))
    return found


def _file_operations(work: Work, house: House, replaced: list[str]) -> None:
    """Name the files that differ, but for what goes without saying.

    That is the files of a service that is created or recreated, and the project's record of any other change.
    """
    other = bool(replaced or work.stale or any(not f.record for f in work.files))
    for file in work.files:
        quiet = other if file.record else file.service in replaced if file.service else bool(replaced)
        if not quiet:
            path = str(file.wanted.path.relative_to(house.directory))
            work.plan.operations.append(Operation("write", path, file.why, before=file.why, after="as declared"))
    for gone in work.stale:
        work.plan.operations.append(
            Operation("remove file", str(gone.relative_to(house.directory)), "it is no longer declared", before="there")
        )


def _stale_files(work: Work, observed: Observed) -> list[Path]:
    """Files that an earlier run wrote for a called service and that are no longer declared."""
    stale: list[Path] = []
    for name, service in work.called.items():
        before = observed.declared.get(name)
        if before:
            now = set(definition.service_paths(service))
            stale += [p for p in definition.service_paths(before.service) if p not in now and p.exists()]
    return stale


def plan_present(house: House, called: dict[str, Service], observed: Observed, taken: PortTaken, images_pending: bool = False) -> Work:
    """The plan that makes the called services what they are declared to be; the others of the project stay as they are.

    called: valid (see ``validate.problems``).
    images_pending: a missing image is no conflict, because it would be obtained before the plan is done (check mode).
    """
    work = Work(Plan(), called, merged=dict(observed.declared))
    for name, service in called.items():
        work.merged[name] = Declared(service, {}, "")
    work.plan.conflicts = _conflicts(work, house, observed, taken, images_pending)
    if work.plan.conflicts:
        return work
    for name, service in called.items():
        spec = definition.spec(service, observed.values)
        made = made_of(observed.snapshot.container(name), observed.declared.get(name))
        work.merged[name] = Declared(service, spec, definition.reload_digest(service, observed.values), made)
    _collect_files(work, house, observed)
    work.files = [replace(file, why=why) for file in work.files if (why := difference(file.wanted))]
    work.new_volumes = [d["volume"] for s in called.values() for d in s.data if not observed.snapshot.where(d["volume"])]
    work.plan.operations += observed.network.operations
    work.plan.operations += [rotation.operation() for rotation in observed.rotations]
    work.plan.operations += [Operation("create volume", v, "it is not there", after=v) for v in dict.fromkeys(work.new_volumes)]
    order = [name for wave in definition.start_order(called) for name in wave]
    containers = [_container_operation(called[n], observed, work) for n in order]
    replaced = [op.target for op in containers if op and op.kind in ("create", "recreate")]
    work.stale = _stale_files(work, observed)
    _file_operations(work, house, replaced)
    gone = leftovers(called, house, observed)
    work.plan.operations += [Operation("remove container", c.name, "a run that was cut off left it behind", before=c.state) for c in gone]
    present = [(called[n], observed.snapshot.container(n)) for n in order if n not in replaced]
    work.plan.operations += [op for service, container in present if container and (op := policy_operation(service, container))]
    work.plan.operations += forgotten(called, observed.snapshot) + _with_trials([op for op in containers if op], called, observed)
    changed = [file.wanted.path for file in work.files]
    reloads = [_reload_operation(called[n], observed, changed) for n in order if n not in replaced]
    work.plan.operations += [op for op in reloads if op]
    return work


def _collect_files(work: Work, house: House, observed: Observed) -> None:
    """Every file of the project in the order it has to be written: secrets, what services read, definitions, record."""
    used = sorted({n for s in work.called.values() for n in s.secret_names() if observed.values[n]})
    work.files = [OwnedFile("", WantedFile(house.directory / "secrets" / name, observed.values[name].encode(), 0o600)) for name in used]
    for name, service in work.called.items():
        work.files += [OwnedFile(name, wanted) for wanted in definition.service_files(service, observed.values)]
    for name, declared in work.merged.items():
        content = definition.fragment(declared.service, declared.spec, observed.snapshot.api_version)
        work.files.append(OwnedFile(name, definition.fragment_file(declared.service, content)))
    work.files += [OwnedFile("", wanted, record=True) for wanted in record_files(house, observed, work.merged)]


def record_files(house: House, observed: Observed, declared: Mapping[str, Declared]) -> list[WantedFile]:
    """The files that speak of the project as a whole."""
    services = {name: d.service for name, d in declared.items()}
    return [
        definition.master_file(house, sorted(services)),
        _images_file(house, observed, services),
        declared_file(house.directory, declared),
    ]
