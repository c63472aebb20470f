# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs, as the inventory would have to say it: variables of the roles, and declarations of what is to stay as it runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import kafka_topics
from ansible_collections.auren.stack.plugins.module_utils.data_places import KAFKA_FILES, Program, holder, inner
from ansible_collections.auren.stack.plugins.module_utils.definition import Service
from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError
from ansible_collections.auren.stack.plugins.module_utils.guards import kafka_properties, properties
from ansible_collections.auren.stack.plugins.module_utils.redaction import WORD, Redactor, started_with
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import HIDDEN, hide_words, is_secret, moved_secrets
from ansible_collections.auren.stack.plugins.module_utils.takeover import declared_program
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import Old

HEALTH = {"interval": "30s", "timeout": "30s", "retries": 3, "start_period": "0s"}  # Docker's own, where a container says nothing
DECLARED, RUNNING = "declared", "running"
GRAFANA_KEY = "GF_SECURITY_SECRET_KEY"
OVERRIDES = "auren_overrides"
SEVERAL = (OVERRIDES, "kafka_properties", "grafana_environment")  # variables that hold several things, of which some are told
# Of a broker, with Kafka's own values; of the time of records the smallest unit holds (Kafka documentation, "Broker Configs").
KAFKA_LIMITS = {"log.retention.ms": "", "log.retention.bytes": "-1", "log.cleanup.policy": "delete", "offsets.retention.minutes": "10080"}
WEEK = "604800000"  # milliseconds, where no unit is given
TOPICS = "topics.txt"  # a file of the role kafka
TOPICS_STAY = {"kafka_topics": list[Any](), "kafka_extra_topics": list[Any]()}  # what is not declared is neither made nor changed
_NAME = re.compile(r"(?i)(USER|USERNAME|LOGIN|DB|DATABASE|NAME)$")  # an environment key with the name of somebody or something
_NUMBER = re.compile(r"\d{1,5}")  # a port or a time, which stands in many a place
_LISTED = ("command", "entrypoint", "healthcheck", "labels", "logging")  # in a file that everybody can read


@dataclass
class Told:
    """variables: to paste, by service. fragments: by service, what runs in Compose's words, with placeholders for secrets.

    unexpressed: sentences. secrets: values that are secret in what the containers were started with.
    """

    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    fragments: dict[str, dict[str, Any]] = field(default_factory=dict)
    unexpressed: dict[str, list[str]] = field(default_factory=dict)
    problems: list[StackError] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)


def tell(
    olds: Mapping[str, Old],
    services: Mapping[str, Service],
    choices: Mapping[str, str],
    images: Mapping[str, str],
    copied: Sequence[str],
    overrides: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, str],
) -> Told:
    """choices: service → declared or running. images: service → the image that it is going to run. copied: services whose data moves.

    overrides: what the inventory says already. known: value → name of secrets that are known; values never get out.
    """
    told = Told()
    told.secrets = {secret for old in olds.values() for secret in started_with(old.raw)}
    redactor = _redactor(olds.values(), {*known, *told.secrets})
    for name, old in olds.items():
        service = services[name]
        fragment = {**_with_placeholders(old, known, redactor), "image": images[name]}
        told.fragments[name] = without_secrets(fragment, redactor)
        told.unexpressed[name] = old.config.sentences
        if choices.get(name) == RUNNING:
            told.problems += _problems(name, old, redactor)
            own = {OVERRIDES: {name: running(old, service, fragment)}}
            _data_variable(own, old, service, name in copied)
        else:
            own = {**knobs(old, service, images[name], name in copied), **limits(old, service)}
            if set(names_of(old, service)) - set(service.aliases):
                own[OVERRIDES] = {name: {**overrides.get(name, {}), "aliases": names_of(old, service)}}
        told.variables[name] = own
    return told


def united(variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Those of all services. Of what holds several things, all that were found."""
    found: dict[str, Any] = {}
    for own in variables.values():
        found.update({key: {**found.get(key, {}), **value} if key in SEVERAL else value for key, value in own.items()})
    return found


def _redactor(olds: Iterable[Old], secrets: Collection[str]) -> Redactor:
    """Finds secrets where they stand once more. What is a name as well (of an image, a service, a user, a database) or a small number is
    none there."""
    words, names = list[str](), set[str]()
    for old in olds:
        image = (old.image or {}).get("Config") or {}
        words += [old.ref, old.service, *hide_words([*(image.get("Entrypoint") or ()), *(image.get("Cmd") or ())])]
        names |= {text for key, text in _environment(old).items() if _NAME.search(key) and not is_secret(key, text)}
    told = {one for one in secrets if one in names or _NUMBER.fullmatch(one) or any(one in word for word in words)}
    return Redactor({*secrets} - told)


def _environment(old: Old) -> dict[str, str]:
    return old.config.compose.get("environment") or {}


def _with_placeholders(old: Old, known: Mapping[str, str], redactor: Redactor) -> dict[str, Any]:
    """What runs in Compose's words, without the secrets of its environment. known: value → name of secrets that are known."""
    _moved, found = moved_secrets(old.service, _environment(old), known)
    twice = {value: name for name, value in found.items() if len(value) >= WORD and value in redactor.known}
    environment, _found = moved_secrets(old.service, _environment(old), {**twice, **known})
    return {**old.config.compose, **({"environment": environment} if environment else {})}


def names_of(old: Old, service: Service) -> list[str]:
    """The names that are declared and those that it has, on whichever network: others may use them."""
    own = {service.name, old.container.name, old.container.id[:12]}
    present = {alias for endpoint in old.container.endpoints for alias in endpoint.aliases} - own
    return [*service.aliases, *sorted(present - set(service.aliases))]


def knobs(old: Old, service: Service, image: str, copied: bool) -> dict[str, Any]:
    """Variables of the service's role that are not what runs: image, volume, and who the data belongs to."""
    found: dict[str, Any] = {}
    if image != service.image and not service.candidate:
        found[f"{service.role}_image"] = image
        if old.ref == service.image:  # a snapshot of the declared image is under another name what that is
            found.update({f"{service.role}_{fact}": value for fact, value in (service.entry.get("facts") or {}).items()})
    _data_variable(found, old, service, copied)
    env, wanted = old.container.env, service.environment
    for variable, key, value in _identities(old, service, env):
        if value and value != wanted.get(key, value):
            found[variable] = value
    return found


def _data_variable(found: dict[str, Any], old: Old, service: Service, copied: bool) -> None:
    mount = holder(old.mounts, old.places[0]) if old.places and service.data else None
    variable = service.data[0].get("variable") if service.data else ""
    if mount is not None and mount.lasting and variable and not copied and mount.reference != service.data[0]["volume"]:
        found[variable] = mount.reference


def _identities(old: Old, service: Service, env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What data remembers: variable, declared environment key, value."""
    if service.role == "postgres":
        user = env.get("POSTGRES_USER") or "postgres"
        return [("auren_postgres_user", "POSTGRES_USER", user), ("auren_postgres_db", "POSTGRES_DB", env.get("POSTGRES_DB") or user)]
    if service.role == "grafana":
        return [("auren_grafana_user", "GF_SECURITY_ADMIN_USER", env.get("GF_SECURITY_ADMIN_USER") or "admin")]
    if service.role == "kafka":
        mount = holder(old.mounts, old.places[0]) if old.places else None
        properties = kafka_properties(mount.source) if mount and mount.source else {}
        key = "CLUSTER_ID" if "CLUSTER_ID" in service.environment else "KAFKA_KRAFT_CLUSTER_ID"
        return [
            ("kafka_cluster_id", key, properties.get("cluster.id", "")),
            ("kafka_node_id", "KAFKA_NODE_ID", properties.get("node.id", "")),
        ]
    return []


def topic_variables(service: Service, present: Sequence[kafka_topics.Topic]) -> dict[str, Any]:
    """Variables that leave topics as they are: a shorter retention would throw records away. Empty when they are as declared."""
    wanted = kafka_topics.declared(service.files("recreate").get(TOPICS, ""))
    kept = kafka_topics.as_they_are(wanted, present)
    if kept == wanted:
        return {}
    told = [{"name": t.name, "partitions": t.partitions, **({"config": t.config} if t.config else {})} for t in kept]
    return {"kafka_topics": told, "kafka_extra_topics": []}


def kafka_limits(program: Program) -> dict[str, str]:
    """Properties of a broker that say how long it keeps records and committed offsets, each in one unit."""
    told = properties("\n".join(program.read(path) or "" for path in KAFKA_FILES))
    for key, value in program.env.items():
        told[re.sub(r"KAFKA_(CFG_)?", "", key).lower().replace("_", ".")] = value
    found = {key: told.get(key) or usual for key, usual in KAFKA_LIMITS.items()}
    for unit, factor in (("minutes", 60_000), ("hours", 3_600_000)):
        given = told.get(f"log.retention.{unit}", "")
        if not found["log.retention.ms"] and re.fullmatch(r"-?\d+", given):
            found["log.retention.ms"] = str(max(int(given) * factor, -1))
    return {**found, "log.retention.ms": found["log.retention.ms"] or WEEK}


def limits(old: Old, service: Service) -> dict[str, Any]:
    """Variables that keep data as long as it is kept now: a smaller limit would throw it away as soon as the new one runs."""
    env, found = old.container.env, dict[str, Any]()
    if service.role == "prometheus" and old.program:
        declared = declared_program(service, old)
        for name, usual in (("time", "15d"), ("size", "0B")):
            now = old.program.option(f"--storage.tsdb.retention.{name}") or usual
            if now != declared.option(f"--storage.tsdb.retention.{name}"):
                found[f"prometheus_retention_{name}"] = now
    if service.role == "kafka" and old.program:
        wanted = kafka_limits(declared_program(service, old))
        if kept := {key: value for key, value in kafka_limits(old.program).items() if value != wanted[key]}:
            found["kafka_properties"] = kept
    if service.role == "grafana" and env.get(GRAFANA_KEY) and GRAFANA_KEY not in service.environment:
        found["grafana_environment"] = {GRAFANA_KEY: "<<secret:grafana_secret_key>>"}  # without it, data sources cannot be read
    return found


def running(old: Old, service: Service, fragment: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a declaration that make it what runs."""
    log = old.raw["HostConfig"].get("LogConfig") or {}
    house = {"restart": "no", **({"logging": {"driver": log["Type"]}} if log.get("Type") else {})}  # else the house's own come in
    compose = {**house, **fragment}
    if compose.get("healthcheck", {}).get("test", ["NONE"]) != ["NONE"]:
        compose["healthcheck"] = {**HEALTH, **compose["healthcheck"]}
    data, rest = [], []
    for volume in compose.pop("volumes", None) or []:
        source, target, *mode = str(volume).split(":") if isinstance(volume, str) else ("", "")
        if target and (source in old.config.volumes or _holds_data(old, target)):
            guarded = old.places and old.places[0].startswith(target) and service.data and service.data[0].get("guard")
            guard = {"guard": service.data[0]["guard"]} if guarded else {}
            data.append({"volume": source, "target": target, **({"mode": mode[0]} if mode else {}), **guard})
        else:
            rest.append(volume)
    if rest:
        compose["volumes"] = rest
    place = old.places[0] if old.places else ""
    if place and holder(old.mounts, place) is None:  # it is copied out of the layer, to where its program looks
        volume = service.data[0]["volume"] if service.data else f"{service.name}-data"
        data.insert(0, {"volume": volume, "target": place})
    return {
        "compose": compose,
        "data": data,
        "aliases": names_of(old, service),
        "secrets": [],
        "files": {},
        "reload": {},
        "candidate": {},
        "build": {},
    }


def _holds_data(old: Old, target: str) -> bool:
    """Whether what is mounted there has data of its program, or a part of that: a directory of the host as well as a volume."""
    whole = [mount for place in old.places if (mount := holder(old.mounts, place)) and mount.lasting and mount.writable]
    parts = [mount for place in old.places for mount in inner(old.mounts, place)]
    return target.rstrip("/") in {mount.destination for mount in (*whole, *parts)}


def _problems(name: str, old: Old, redactor: Redactor) -> list[StackError]:
    """What cannot stay as it runs."""
    compose, found = old.config.compose, []
    if compose.get("network_mode"):
        said = f"{name} runs with network_mode {compose['network_mode']}, and services of the project are on one network: choose declared"
        found.append(StackError(f"{said}. {UNTOUCHED}", "network_mode", name))
    for what in _told_secrets(compose, redactor):
        said = f"the {what} of {name} holds a password, which would stand in a file that everybody can read: choose declared for it"
        found.append(StackError(f"{said}, or move it to a file or its environment first. {UNTOUCHED}", "secret_in_command", name))
    return found


def _told_secrets(compose: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """Keys of a service in Compose's words, but the environment, whose values look like secrets, or hold one that the redactor knows."""
    shown = without_secrets(compose, redactor)
    return [key for key in _LISTED if shown.get(key) != compose.get(key)]


def without_secrets(compose: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """For people to look at. Of the environment it has to be the one with placeholders."""
    shown = dict(compose)
    for key in ("command", "entrypoint"):
        if shown.get(key):
            shown[key] = hide_words(list(shown[key]))
    if (shown.get("healthcheck") or {}).get("test"):
        shown["healthcheck"] = {**shown["healthcheck"], "test": hide_words(list(shown["healthcheck"]["test"]))}
    if shown.get("labels"):
        shown["labels"] = _without_secret_values(shown["labels"])
    if (shown.get("logging") or {}).get("options"):
        shown["logging"] = {**shown["logging"], "options": _without_secret_values(shown["logging"]["options"])}
    return {key: redactor.known_in(value) if key in _LISTED else value for key, value in shown.items()}


def _without_secret_values(pairs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: HIDDEN if is_secret(str(key), str(value)) else value for key, value in pairs.items()}


def made_as(old: Old, values: Mapping[str, str]) -> dict[str, Any]:
    """What a container was made with, enough to make it anew once its secrets are filled in: Compose's words, image, networks.

    For the journal: placeholders stand for secrets. values: of secrets that are known, by name.
    """
    known = {value: name for name, value in values.items() if value}
    redactor = _redactor([old], {*known, *started_with(old.raw)})
    return {
        "settings": without_secrets(_with_placeholders(old, known, redactor), redactor),
        "unexpressed": list(old.config.sentences),
        "image": {"name": old.ref, "id": old.container.image_id},
        "networks": {one.network: {"aliases": list(one.aliases), "ipv4_address": one.fixed_ipv4} for one in old.container.endpoints},
    }
