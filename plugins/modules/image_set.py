#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide which image each service gets, and obtain one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_set
short_description: Decide which image each service gets, and pull, build or load one
version_added: 0.1.0
description:
  - Without O(obtain) it only reads. It returns which images are missing and how they would be obtained, one step an image, so that a
    playbook can show each as a line of its own.
  - With O(obtain) it does one such step.
extends_documentation_fragment: [auren.stack.common]
options:
  services:
    description: The declared services, as C(docs/architecture.md) describes them.
    type: list
    elements: dict
    default: []
  contexts:
    description: For build contexts, by path, C(digest) and C(bases) from the lookup P(auren.stack.build_context#lookup).
    type: dict
    default: {}
  offline:
    description: The recipes of the offline image set (C(image), C(how), C(context), C(needs), C(stands_in), C(substitutes)).
    type: list
    elements: dict
    default: []
  source:
    description: Where images come from.
    type: str
    choices: [registry, local, build, archive, auto]
    default: auto
  archive:
    description: With O(source=archive), the path of an image archive on the target, made by C(docker save).
    type: path
    default: ""
  update:
    description: Whether a newer image behind a known tag, or a changed recipe, is a step of the plan.
    type: bool
    default: false
  disk_mb:
    description: Megabytes that must be free where the Engine keeps images before anything is obtained.
    type: int
    default: 3000
  state:
    description: V(absent) removes the images that were built here and that no container uses.
    type: str
    choices: [present, absent]
    default: present
  obtain:
    description: One step of an earlier RV(steps), with C(archive) (a build context as base64 text) and C(digest) for a build.
    type: dict
"""

EXAMPLES = r"""
- name: See what is missing
  auren.stack.image_set:
    services: "{{ auren_declared }}"
  register: image_plan

- name: Pull it
  auren.stack.image_set:
    obtain: {how: pull, image: "redis:7-alpine", cause: it is not on this host}
"""

RETURN = r"""
steps:
  description: What is missing and how it would be obtained, in order.
  returned: without O(obtain)
  type: list
  elements: dict
images:
  description: Which image stands in for which reference.
  returned: without O(obtain)
  type: dict
actions:
  description: The steps as lines.
  returned: always
  type: list
  elements: str
operations:
  description: What was done, with its cause and seconds; without O(obtain) the same as RV(actions).
  returned: always
  type: list
  elements: str
changes:
  description: The operations of the plan as data, with C(kind), C(target), C(cause), C(before) and C(after).
  returned: with O(state=absent)
  type: list
  elements: dict
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

import base64
import os
import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import guards, image_build
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.image_plan import Planner, Questions, Recipe, Step, Wanted, bases_digest
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_BASES,
    LABEL_CONTEXT,
    LABEL_IMAGE,
    LABEL_OFFLINE,
    LABEL_STANDS_IN,
    Image,
)
from ansible_collections.auren.stack.plugins.module_utils.module import planned, run
from ansible_collections.auren.stack.plugins.module_utils.plan import Operation, Plan


def fits(image: Image, directory: str) -> bool:
    """Whether a PostgreSQL image can read a data directory (the only service whose offline image is of another version)."""
    return guards.guard_postgres(directory, image, "", "", {}, "") is None


def wanted_images(params: dict[str, Any], volumes: dict[str, str]) -> list[Wanted]:
    """What each service asks for, with the data that its image has to be able to read."""
    found = []
    for entry in params["services"]:
        guarded = next((d["volume"] for d in entry.get("data") or [] if d.get("guard")), "")
        mountpoint = volumes.get(guarded, "")
        built = entry.get("build") or {}
        known = params["contexts"].get(built.get("context") or "") or {}
        found.append(
            Wanted(
                image=str(entry["compose"]["image"]),
                service=entry["name"],
                role=entry.get("role", entry["name"]),
                build=built,
                digest=known.get("digest", ""),
                bases=tuple(known.get("bases") or ()),
                data=mountpoint if mountpoint and guards.holds_data(mountpoint) else "",
            )
        )
    return found


def recipes(params: dict[str, Any]) -> list[Recipe]:
    return [
        Recipe(
            image=item["image"],
            context=item["context"],
            how=item.get("how") or "build",
            needs=tuple(item.get("needs") or ()),
            stands_in=item.get("stands_in") or "",
            digest=(params["contexts"].get(item["context"]) or {}).get("digest", ""),
            substitutes=item.get("substitutes") or "",
        )
        for item in params["offline"]
    ]


def disk_conflict(directory: str, steps: list[Step], needed: int) -> list[StackError]:
    """No space for what has to be obtained."""
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    stat = os.statvfs(directory)
    free = stat.f_bavail * stat.f_frsize // 1_000_000
    if not steps or free >= needed:
        return []
    return [
        StackError(
            f"{free} MB are free in {directory}, {needed} MB are asked for before images are obtained; free some, or set "
            "auren_images_disk_mb. Nothing was changed",
            "disk_full",
            directory,
        )
    ]


def archive_conflict(params: dict[str, Any], steps: list[Step]) -> list[StackError]:
    if not any(step.how == "load" for step in steps) or os.path.isfile(params["archive"]):
        return []
    return [
        StackError(
            f"auren_image_archive is {params['archive']!r}, which is no file on the target; set it to an archive made by docker save. "
            "Nothing was changed",
            "archive_missing",
            params["archive"],
        )
    ]


def plan(engine: Engine, params: dict[str, Any]) -> dict[str, Any]:
    ask = Questions(engine.image, engine.remote_digest, fits)
    planner = Planner(params["source"], params["archive"], params["update"], recipes(params), ask)
    found = planner.run(wanted_images(params, engine.snapshot().volumes))
    conflicts = found.conflicts + archive_conflict(params, found.steps)
    raise_together(conflicts + (disk_conflict(engine.root_dir(), found.steps, params["disk_mb"]) if found.steps else []))
    actions = [step.text() for step in found.steps]
    return {
        "changed": False,
        "steps": [asdict(step) for step in found.steps],
        "images": found.images,
        "actions": actions,
        "operations": actions,
    }


def build(module: AnsibleModule, engine: Engine, step: dict[str, Any]) -> None:
    """Build, and take the image away that the name stood for before, where it was built here and nobody uses it.

    Every label is set, if only to nothing: an image inherits those of its base.
    """
    ref, before = step["image"], engine.image(step["image"])
    stands_in = step["stands_in"] if step.get("offline") else ""
    labels = {LABEL_CONTEXT: step["digest"], LABEL_IMAGE: ref, LABEL_STANDS_IN: stands_in}
    labels[LABEL_OFFLINE] = "true" if step.get("offline") else ""
    labels[LABEL_BASES] = bases_digest(step.get("bases") or (), engine.image)
    image_build.build(module.run_command, ref, base64.b64decode(step["archive"]), (step.get("build") or {}).get("args") or {}, labels)
    now = engine.image(ref)
    if before and now and before.id != now.id and before.labels.get(LABEL_IMAGE) == ref:
        engine.drop_image(before.id)


def obtain(module: AnsibleModule, engine: Engine, step: dict[str, Any]) -> None:
    if step["how"] == "pull":
        engine.pull(step["image"])
    elif step["how"] == "load":
        engine.load(step["image"])
    else:
        build(module, engine, step)


def remove(engine: Engine, check_mode: bool) -> dict[str, Any]:
    """Images that were built here and that no container uses."""
    used = {c.image_id for c in engine.snapshot().containers}
    found = Plan([Operation("remove image", ref, "it was built here", before=i) for i, ref in engine.built_images() if i not in used])
    if not check_mode:
        for target in found.targets("remove image"):
            engine.remove_image(target)
    return {**planned(found), "changes": [operation.to_data() for operation in found.operations]}


def work(module: AnsibleModule) -> dict[str, Any]:
    engine, step = Engine(timeout=3600 if module.params["obtain"] else 60), module.params["obtain"]
    if module.params["state"] == "absent":
        return remove(engine, module.check_mode)
    if not step:
        return plan(engine, module.params)
    text = f"{step['how']} {step['image']}: {step['cause']}"
    start = time.monotonic()
    if not module.check_mode:
        obtain(module, engine, step)
    seconds = time.monotonic() - start
    return {"changed": True, "actions": [text], "operations": [f"{text} ({seconds:.1f} s)"]}


ARGUMENTS: dict[str, Any] = {
    "services": {"type": "list", "elements": "dict", "default": []},
    "contexts": {"type": "dict", "default": {}},
    "offline": {"type": "list", "elements": "dict", "default": []},
    "source": {"type": "str", "choices": ["registry", "local", "build", "archive", "auto"], "default": "auto"},
    "archive": {"type": "path", "default": ""},
    "update": {"type": "bool", "default": False},
    "disk_mb": {"type": "int", "default": 3000},
    "obtain": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
