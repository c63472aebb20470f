# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run declares, from the arguments that the modules which make containers share, and the host that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import host_ports, project, validate
from ansible_collections.auren.stack.plugins.module_utils.definition import House, Service, substituted
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError, raise_together
from ansible_collections.auren.stack.plugins.module_utils.network_plan import plan_target
from ansible_collections.auren.stack.plugins.module_utils.secrets import Spec, forms

DECLARATION: dict[str, Any] = {
    "project": {"type": "str", "default": "auren-stack"},
    "project_dir": {"type": "path", "default": "/opt/auren/docker"},
    "network": {"type": "str", "required": True},
    "subnet": {"type": "str", "default": ""},
    "services": {"type": "list", "elements": "dict", "default": []},
    "images": {"type": "dict", "default": {}},
    "restart": {"type": "str", "default": "unless-stopped"},
    "log_max_size": {"type": "str", "default": "10m"},
    "log_max_files": {"type": "int", "default": 3},
    "gate_deadline": {"type": "int", "default": 180},
    "gate_hold": {"type": "int", "default": 5},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "offers": {"type": "dict", "default": {}, "no_log": True},
    "secret_specs": {"type": "dict", "default": {}, "no_log": False},
}


def house(params: Mapping[str, Any]) -> House:
    keys = ("project", "project_dir", "network", "restart", "log_max_size", "log_max_files", "gate_deadline", "gate_hold")
    return House(**{key: params[key] for key in keys})


def declared_services(params: Mapping[str, Any], home: House) -> dict[str, Service]:
    """The given services by name; the last one of a name wins."""
    services: dict[str, Service] = {}
    for entry in params["services"]:
        if not entry.get("name") or not isinstance(entry.get("compose"), dict):
            raise StackError(f"a declared service has no name or no compose part: {sorted(entry)}; see docs/architecture.md", "declaration")
        services[entry["name"]] = substituted(Service(entry, home), params["images"])
    return services


def observe(
    engine: Engine, home: House, services: Mapping[str, Service], params: Mapping[str, Any], legacy: project.Legacy | None = None
) -> project.Observed:
    """One reading of host, Engine and secrets. legacy: containers of others that hold values of secrets."""
    declared = project.read_declared(home.directory)
    merged = {**{n: d.service for n, d in declared.items()}, **services}
    raise_together(validate.problems(services, merged))
    snapshot = engine.snapshot(list(merged))
    network = plan_target(home.network, params["subnet"], engine.networks(), host_ports.routes())
    images = {ref: engine.image(ref) for ref in sorted({s.image for s in merged.values()})}
    observed = project.Observed(snapshot, images, declared, network=network, subnet=params["subnet"])
    specs, login = {}, {}
    for name, given in params["secret_specs"].items():
        options = dict(given)
        login[name] = options.pop("login", None)
        specs[name] = Spec(name, rotates=bool(login[name]), offer=params["offers"].get(name) or "", **options)
    reader = project.SecretReader(home, services, snapshot, login, legacy)
    project.resolve_secrets(reader, specs, params["secrets"], observed)
    return observed


def secret_forms(observed: project.Observed) -> set[str]:
    """Every value that was read, in every form in which it may be seen: nothing that is printed may hold one."""
    values = (*observed.values.values(), *(rotation.present for rotation in observed.rotations))
    return {form for value in values if value for form in forms(value)}
