#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host, and what is remarkable about it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_info
short_description: What runs on a Docker host, whoever has made it, and what is remarkable about it
version_added: 0.1.0
description:
  - Reads all containers and networks of a host, and compares those that are declared with what they should be.
  - Tells of drift, files that were changed inside containers, tags that were moved, missing restart policies, names that two answer to,
    containers that look like duplicates or that nobody knows, what a takeover kept, addresses that are written down, and disks that are
    nearly full.
  - Tells of settings that a container of this collection does not have as they were declared (after C(docker update), or C(docker compose)
    with an edited file), and of files in O(project_dir) that nobody declared and that Compose or a container would read.
  - Asks no service anything; M(auren.stack.service_verification) does. Changes nothing.
extends_documentation_fragment: [auren.stack.common, auren.stack.declared]
attributes:
  check_mode:
    description: Reads and changes nothing, in check mode as without it.
  diff_mode:
    support: none
    description: There is nothing that differs.
notes:
  - Needs root for the files that containers have mounted.
"""

EXAMPLES = r"""
- name: Read what runs on the host
  auren.stack.stack_info:
    project_dir: /opt/auren/docker
  register: live

- name: Show what is remarkable
  ansible.builtin.debug:
    msg: "{{ live.findings | map(attribute='line') }}"
"""

RETURN = r"""
actions:
  description: Always empty. This module changes nothing.
  returned: always
  type: list
  elements: str
  sample: []
containers:
  description: Every container in any state.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: auren-redis
    id:
      description: The first twelve characters of its id.
      type: str
    image_id:
      description: Id of the image that it was made from.
      type: str
    role:
      description: Which role declares it; empty for one that is not declared.
      type: str
      sample: redis
    made:
      description: Who made it.
      type: str
      sample: by hand
    image:
      description: The image's name that it was made from.
      type: str
      sample: redis:7-alpine
    digests:
      description: Digests of the image, where it came from a registry.
      type: list
      elements: str
    stands_in:
      description: For an image of the offline set what it stands in for, else empty.
      type: str
    state:
      description: Docker's word.
      type: str
      sample: running
    health:
      description: Empty where it has no health check.
      type: str
      sample: healthy
    restarts:
      description: How often Docker has started it again.
      type: int
      sample: 0
    restart_policy:
      description: In Docker's words.
      type: str
      sample: unless-stopped
    networks:
      description: Network → C(address) at this moment and C(names).
      type: dict
    ports:
      description: What it publishes. Of one that runs what Docker does at this moment, of another what it was told to.
      type: list
      elements: str
      sample: ["127.0.0.1:6379 → 6379/tcp"]
    volumes:
      description: Names of its volumes.
      type: list
      elements: str
    mounts:
      description: Directories and files of the host that are mounted.
      type: list
      elements: str
      sample: ["/srv/data → /data", "/etc/app.conf → /app.conf (read-only)"]
    needs:
      description: What it cannot work without, where it is declared.
      type: list
      elements: str
networks:
  description: Every network with C(name), C(driver), C(subnets), the C(containers) on it and those that were C(created_on) it.
  returned: success
  type: list
  elements: dict
findings:
  description: What is remarkable.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: A stable word for it.
      type: str
      sample: policy
    target:
      description: The container, network or directory that it is about.
      type: str
    status:
      description: V(fail), or V(warn) for what works now.
      type: str
    line:
      description: A sentence, with what to do.
      type: str
failure:
  description: Kind, object and detail of a failure.
  returned: failure
  type: dict
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.auren.stack.plugins.module_utils import live_fields, live_map
from ansible_collections.auren.stack.plugins.module_utils.container_checks import seen_of
from ansible_collections.auren.stack.plugins.module_utils.definition import Service, spec_on
from ansible_collections.auren.stack.plugins.module_utils.disks import disks
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs, undoable
from ansible_collections.auren.stack.plugins.module_utils.model import Container
from ansible_collections.auren.stack.plugins.module_utils.module import run
from ansible_collections.auren.stack.plugins.module_utils.observation import observe
from ansible_collections.auren.stack.plugins.module_utils.project import DECLARED, Declared, declared_services, read_declared
from ansible_collections.auren.stack.plugins.module_utils.unknown_files import unknown_files


def recorded(directory: Path) -> Mapping[str, Declared]:
    """What the last run declared; nothing for who may not read it."""
    try:
        return read_declared(directory)
    except PermissionError:
        return {}


def fields(engine: Engine, containers: Collection[Container], records: Mapping[str, Declared]) -> Iterator[live_map.Remark]:
    """Settings that live containers do not have as they were declared. One that was meant to be otherwise is the plan's matter."""
    info = engine.system()
    for one in sorted(containers, key=lambda c: c.name):
        record = records.get(one.name) if one.ours else None
        raw = engine.inspect(one.id) if record and spec_on(one.labels) == record.spec else None
        image = engine.inspect_image(one.image_id) if raw else None
        if record and raw and image:
            found = live_fields.told(live_fields.differing(record.service, raw, image, info))
            yield from [live_map.changed_by_hand(record.service, found)] if found else []


def files(directory: Path, services: Collection[Service]) -> Iterator[live_map.Remark]:
    """Files of nobody, those of a service together."""
    by_owner: dict[str, list[str]] = {}
    for owner, path in unknown_files(directory, services):
        by_owner.setdefault(owner or str(directory / path), []).append(path)
    yield from (live_map.not_declared(target, paths) for target, paths in by_owner.items())


def work(module: AnsibleModule) -> dict[str, Any]:
    params, engine = module.params, Engine()
    services = declared_services(Path(params["project_dir"]), params["declared"], params["network"])
    state = observe(engine, flows_over=())
    images = {ref: engine.image(ref) for ref in sorted({container.image_id for container in state.containers})}
    seen = {name: seen_of(engine, service, state.containers, state.networks) for name, service in services.items()}
    directory = Path(params["project_dir"])
    found = live_map.remarks(state, services, seen, params["network"], undoable(read_runs(directory), 0))
    records = recorded(directory)
    found += fields(engine, state.containers, records)
    found += files(directory, [*services.values(), *(record.service for record in records.values())])
    for disk in disks([engine.root_dir(), params["project_dir"]], params["disk_free"]) if engine.local else ():
        found += [live_map.Remark("disk", disk.path, disk.status, disk.evidence)] if disk.status != "pass" else []
    return {
        "changed": False,
        "actions": [],
        "containers": live_map.containers(state, services, {ref: image for ref, image in images.items() if image}),
        "networks": live_map.networks(state),
        "findings": [asdict(one) for one in found],
    }


def main() -> None:
    run(AnsibleModule(argument_spec=DECLARED, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
