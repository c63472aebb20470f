# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges claims about containers: that they are there, their image, state, version, restart policy, volumes, environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.audit_case import (
    Case,
    UndecidableError,
    Verdict,
    decided,
    false,
    several,
    state,
    true,
    unprovable,
)
from ansible_collections.auren.stack.plugins.module_utils.audit_names import is_machine_name
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.run_secrets import HIDDEN, is_secret

GONE = {
    "bitnami/": "bitnami's images cannot be pulled freely any more since September 2025; use apache/kafka, or bitnamilegacy for old data"
}
_VERSIONS = re.compile(r"(?:^|_)(VERSION|MAJOR)$")


def container(case: Case) -> Verdict:
    said = case.claim.subject
    name = case.names.resolve(said) if case.claim.other != "name" else case.names.called(said) or case.names.resolve(said)
    found = case.facts.container(name) if name else None
    if found:
        return true(f"{found.name} is there, {state(found)}")
    if name:
        return false(f"{name} is declared, but there is no such container: run site")
    if case.claim.other in ("name", "cell") and is_machine_name(said):
        return false(f"there is no container {said} in any state; there are {several(one.name for one in case.facts.containers)}")
    return unprovable(f"no container of this host is called {said}")


def image(case: Case) -> Verdict:
    wanted = case.claim.value
    if not case.claim.subject:
        return _image_alone(case, wanted)
    one = case.container
    if not _same_image(wanted, one.image):
        return _other_image(case, one, wanted)
    now = case.facts.images.get(one.image)
    if now and now.id != one.image_id:
        return true(f"{one.name} was made from {one.image}, which is a newer image by now: it runs the older one")
    return true(f"{one.name} runs {one.image}")


def _same_image(wanted: str, actual: str) -> bool:
    """Whether a reference means the other one: without a tag it means every tag, without a digest every digest."""
    wanted, actual = (re.sub(r"^(docker\.io/)?(library/)?", "", one) for one in (wanted, actual))
    name, _at, digest = wanted.partition("@")
    bare = actual.partition("@")[0]
    return (name in (bare, bare.rpartition(":")[0]) or wanted == actual) and (not digest or wanted == actual or "@" not in actual)


def _other_image(case: Case, one: Container, wanted: str) -> Verdict:
    instead = f"{one.name} runs {one.image}"
    if _known(case, wanted):
        return false(instead)
    return false(f"{instead}; {wanted} is not on this host" + (f", and {_gone(wanted)}" if _gone(wanted) else ""))


def _gone(reference: str) -> str:
    return next((said for prefix, said in GONE.items() if reference.replace("docker.io/", "").startswith(prefix)), "")


def _known(case: Case, wanted: str) -> bool:
    return any(_same_image(wanted, one) for one in case.facts.images)


def _image_alone(case: Case, wanted: str) -> Verdict:
    users = [one.name for one in case.facts.containers if _same_image(wanted, one.image)]
    if users:
        return true(f"{several(users)} {'run' if len(users) > 1 else 'runs'} it")
    if _known(case, wanted):
        return true(f"{wanted} is on this host; no container runs it")
    gone = _gone(wanted)
    return false(f"no image {wanted} is on this host, and no container runs it" + (f"; {gone}" if gone else ""))


def pull(case: Case) -> Verdict:
    """Registries are not asked: what is known of them is in the images that are here."""
    wanted = case.claim.value
    gone, here = _gone(wanted), case.facts.images.get(wanted)
    if gone:
        return false(gone)
    built = [known.name for known in case.facts.services.values() if known.builds and _runs(case, known.name, wanted)]
    if built or (here and here.built):
        return false(f"{wanted} was built on this host and is in no registry" + (f": {built[0]} is made from it" if built else ""))
    if here and here.digests:
        return true(f"{wanted} is on this host, and came from a registry")
    return unprovable(f"{wanted} is {'' if here else 'not '}on this host; whether a registry has it was not asked")


def _runs(case: Case, name: str, reference: str) -> bool:
    one = case.facts.container(name)
    return one is not None and _same_image(reference, one.image)


def status(case: Case) -> Verdict:
    if case.claim.other == "all":
        return _all(case)
    try:
        one = case.container
    except UndecidableError as reason:
        known = case.names.resolve(case.claim.subject) or is_machine_name(case.claim.subject)
        if known and case.claim.value != "down":
            return false(str(reason).replace(" to compare it with", ""))
        raise
    return _status(case, one, case.claim.value)


def _status(case: Case, one: Container, said: str) -> Verdict:
    failed = broken(case, one.name)
    if said == "down":
        return decided(not one.serving, f"{one.name} is {state(one)}")
    if not one.running:
        return false(f"{one.name} is {one.state}: docker start {one.name}")
    if one.health == "unhealthy":
        return false(f"{one.name} runs, but its health check fails")
    if failed:
        return false(f"{one.name} is {state(one)}, but {failed}")
    if said == "healthy" and not one.health:
        return false(f"{one.name} runs, but it has no health check: nobody knows whether it is healthy")
    if one.health == "starting":
        return unprovable(f"{one.name} is starting")
    passed = [check for check in case.facts.checks if check.get("service") == one.name and check.get("status") == "pass"]
    return true(f"{one.name} is {state(one)}" + (f", and {len(passed)} checks of it pass" if len(passed) > 1 else ""))


def broken(case: Case, name: str) -> str:
    """What verification found wrong with a service itself; empty when that is nothing, or only some clients cannot use it."""
    checks = [one for one in case.facts.checks if one.get("service") == name and one.get("status") != "skipped"]
    failed = [one for one in checks if one.get("status") in ("fail", "blocked")]
    own = [one for one in failed if one.get("client") in (name, "host") and one.get("status") == "fail"]
    return told((own or failed)[0]) if own or (failed and len(failed) == len(checks)) else ""


def told(check: Mapping[str, Any]) -> str:
    """A check of service_verification in words."""
    because = f" because of {check['because']}" if check.get("because") else ""
    return f"verification: {check.get('check')} from {check.get('client')} fails{because or ': ' + str(check.get('evidence', ''))[:200]}"


def _all(case: Case) -> Verdict:
    """Of everything that is declared."""
    wanted, said = case.declared(), case.claim.value
    if not wanted:
        return unprovable("no services are declared on this host")
    if said == "down":
        return unprovable("the document does not say which container is down")
    verdicts = [(name, _status(case, one, said) if one else false("")) for name in wanted for one in [case.facts.container(name)]]
    wrong = [(name, found[1] or f"{name} is not there") for name, found in verdicts if found[0] == "false"]
    if wrong:
        return false("; ".join(evidence for _name, evidence in wrong[:4]) + (f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""))
    if any(found[0] != "true" for _name, found in verdicts):
        return unprovable("some services are still starting")
    if said == "up" and not case.facts.checks and re.search(r"complete|operational|working|functional|✅", case.claim.text, re.I):
        return unprovable(f"all {len(wanted)} services run; whether they work was not verified in this run")
    return true(f"all {len(wanted)} services run" + (", and verification found nothing wrong with them" if case.facts.checks else ""))


def count(case: Case) -> Verdict:
    number, what = int(case.claim.value), case.claim.other
    if what.startswith("on:"):
        name = what[3:]
        if case.facts.named_network(name) is None:
            return unprovable(f"there is no network {name}")
        members = sorted(one.name for one in case.facts.containers if one.endpoint(name))
        return decided(number in (len(members), len([m for m in members if _up(case, m)])), f"{len(members)} containers are on {name}")
    if what == "networks":
        own = [one.name for one in case.facts.networks if one.name not in ("bridge", "host", "none")]
        return decided(number in (len(own), len(case.facts.networks)), f"there are {len(own)} networks beside Docker's own: {several(own)}")
    running = [one for one in case.facts.containers if one.running]
    here = [one for one in case.facts.containers if one.endpoint(case.facts.network)]
    counts = {len(case.facts.containers), len(running), len(case.declared()), len(here), len([one for one in here if one.running])}
    counts.add(len([name for name in case.declared() if _up(case, name)]))
    said = f"{len(case.declared())} services are declared, {len(running)} of {len(case.facts.containers)} containers run"
    return decided(number in counts, f"{said}, {len(here)} containers are on {case.facts.network}")


def _up(case: Case, name: str) -> bool:
    one = case.facts.container(name)
    return one is not None and one.running


def version(case: Case) -> Verdict:
    wanted = case.claim.value
    if case.claim.subject == "Docker Engine":
        engine = case.facts.engine
        return decided(_begins(engine, wanted), f"the Engine is {engine}") if engine else unprovable("the Engine's version is not known")
    one = case.container
    tag = one.image.partition("@")[0].rpartition(":")[2] if ":" in one.image.rpartition("/")[2] else ""
    known = re.findall(r"\d+(?:\.\d+)*", tag)
    known += [text for key, text in one.env.items() if _VERSIONS.search(key) and re.fullmatch(r"v?\d+(\.\d+)*\S*", text)]
    if any(_begins(found.lstrip("v"), wanted) or _begins(wanted, found.lstrip("v")) for found in known) or wanted == tag:
        return true(f"{one.name} runs {one.image}")
    if re.match(r"v?\d+(\.\d+)*(-|$)", tag):
        return false(f"{one.name} runs {one.image}")
    return unprovable(f"{one.name} runs {one.image}, whose tag does not say which version that is")


def _begins(whole: str, part: str) -> bool:
    return whole.split(".")[: len(part.split("."))] == part.split(".")


def restart(case: Case) -> Verdict:
    wanted = case.claim.value
    if case.claim.subject == "*":
        policies = {name: one.restart_policy or "no" for name in case.declared() for one in [case.facts.container(name)] if one}
        others = [f"{name} has {policy}" for name, policy in policies.items() if policy.partition(":")[0] != wanted.partition(":")[0]]
        return (
            decided(not others, f"all have {wanted}", several(others)) if policies else unprovable("no services are declared on this host")
        )
    one = case.container
    actual = one.restart_policy or "no"
    right = actual == wanted or (":" not in wanted and actual.partition(":")[0] == wanted)
    return decided(right, f"{one.name} has the restart policy {actual}")


def volume(case: Case) -> Verdict:
    name, place = case.claim.value, case.claim.other
    if not case.claim.subject:
        return _volume_alone(case, name)
    one = case.container
    mounts = case.facts.mounts.get(one.name, ())
    shown = several(f"{source} at {target}" for source, target in mounts)
    if not name:
        here = [source for source, target in mounts if target.rstrip("/") == place or place.startswith(f"{target.rstrip('/')}/")]
        on_host = [source for source, _target in mounts if source.rstrip("/") == place]
        return decided(bool(here or on_host), f"{one.name} has {several(here or on_host)} there", f"{one.name} has {shown}")
    right = [target for source, target in mounts if _is_source(name, source) and (not place or target.rstrip("/") == place.rstrip("/"))]
    if not right and name.startswith((".", "~")):
        return unprovable(f"{name} depends on a directory; {one.name} has {shown}")
    return decided(bool(right), f"{one.name} has {name} at {several(right)}", f"{one.name} has {shown}")


def _is_source(said: str, source: str) -> bool:
    """Compose puts the project's name before a volume's own."""
    return source.rstrip("/") == said.rstrip("/") or ("/" not in source and source.endswith(f"_{said}"))


def _volume_alone(case: Case, name: str) -> Verdict:
    users = [one for one, mounts in case.facts.mounts.items() if any(_is_source(name, source) for source, _target in mounts)]
    if users:
        return true(f"{several(users)} {'use' if len(users) > 1 else 'uses'} it")
    if name in case.facts.volumes:
        return true(f"there is a volume {name}; no container uses it")
    return false(f"there is no volume {name} on this host") if name and not name.startswith((".", "/")) else path(case)


def path(case: Case) -> Verdict:
    said = case.claim.value
    mounted = [
        one for one, mounts in case.facts.mounts.items() if any(said == target or said.startswith(f"{target}/") for _s, target in mounts)
    ]
    if case.facts.paths.get(said):
        return true(f"{said} is on this host")
    return true(f"{said} is in {several(mounted)}") if mounted else unprovable(f"{said} is not on this host; it may be in an image")


def env(case: Case) -> Verdict:
    """Values are compared and not shown where they may be secrets."""
    key, said = case.claim.value, case.claim.other
    one = case.container if case.claim.subject else None
    holders = [c for c in ([one] if one else case.facts.containers) if key in c.env]
    if not holders:
        return unprovable(f"no container has {key} in its environment" if one is None else f"{one.name} has no {key} in its environment")
    names = several(c.name for c in holders)
    if not said or HIDDEN in said or re.search(r"[<>{}$]", said) or is_secret(key, said):
        return unprovable(f"{names} has {key}; its value is not compared")
    if any(c.env[key] == said for c in holders):
        return true(f"{several(c.name for c in holders if c.env[key] == said)} has exactly this")
    shown = [c.env[key] for c in holders if not is_secret(key, c.env[key])]
    return false(f"{names} has another value: {shown[0][:80]}" if shown else f"{names} has another value, which may be secret")
