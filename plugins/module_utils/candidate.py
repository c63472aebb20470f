# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service's next version, tried beside the present one: the same definition without published ports and without its names.

What a service declares under ``candidate``: port (inside the container), tls, http_port and ready (a port and a path that answer 200 over
plain HTTP as soon as it serves), bundle (the folder of a web page in the image), encrypted (whether the page is served over TLS), allow
(see ``bundle``), paths (what has to answer, with options of the probe http), previous (the name under which the image that ran before is
kept).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils import bundle, definition, files, names, netns
from ansible_collections.auren.stack.plugins.module_utils.compose_cli import Compose
from ansible_collections.auren.stack.plugins.module_utils.definition import CANDIDATE, Service
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.gate import Gate, evidence
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_SERVICE
from ansible_collections.auren.stack.plugins.module_utils.probes import registry
from ansible_collections.auren.stack.plugins.module_utils.probes.contract import Target

TIMEOUT = 10.0  # seconds that each path may take
DEEP = "/a/deep/link"  # no file is called so: the page itself has to answer


def beside(service: Service) -> Service:
    """The candidate: another name, project and directory; the same image, files, secrets and network."""
    compose = {key: value for key, value in service.compose.items() if key not in ("ports", "container_name", "restart")}
    house = replace(service.house, project=service.house.project + CANDIDATE, project_dir=f"{service.house.project_dir}/.auren/candidate")
    mounts = [f"{service.mount_path}:{definition.SECRETS_MOUNT}:ro"] if service.entry.get("secrets") else []
    plain = definition.plain_environment(service)
    compose = {**compose, "restart": "no", "environment": plain, "volumes": [*(compose.get("volumes") or []), *mounts]}
    if definition.secret_environment(service):
        compose["env_file"] = [str(service.env_path)]
    entry = {**service.entry, "name": service.name + CANDIDATE, "compose": compose, "aliases": [], "secrets": [], "files": {}}
    return Service(entry, house)


class Trial:
    """Tries the candidate of one service. internal: names that only the Docker network knows. warnings: what is remarkable about it."""

    def __init__(self, engine: Engine, compose: Compose, service: Service, internal: Collection[str]) -> None:
        self.engine, self.service, self.internal = engine, service, internal
        self.candidate = beside(service)
        self.compose = Compose(self.candidate.house, compose.run)
        self.compose.keeps = compose.keeps
        self.wanted = service.candidate
        self.warnings: list[str] = []

    def run(self) -> str:
        """The id of the image that passed. Raises StackError; the candidate is gone afterwards, the present version was not touched."""
        name = self.candidate.name
        try:
            self._remove()
            self._start()
            page = self._bundle()
            Gate(self.engine, {name: self.candidate}).wait([name])
            self._ask(page)
            container = self.engine.container(name)
            return container.image_id if container else ""
        except StackError as error:
            said = error.message.replace(f"{name} ", "it ", 1) if error.message.startswith(name) else error.message
            raise StackError(
                f"the new version of {self.service.name} was tried beside the present one and is not good: {said}. It never took the port",
                "candidate",
                self.service.name,
                error.detail or (evidence(self.engine, name) if error.kind == "answer" else ""),
            ) from error
        finally:
            self._remove()

    def _remove(self) -> None:
        container = self.engine.container(self.candidate.name)
        if container and container.labels.get(LABEL_SERVICE) == self.candidate.name:
            self.engine.discard(container.id)

    def _start(self) -> None:
        content = definition.fragment(self.candidate, {}, self.engine.version)
        files.make_directory(self.candidate.fragment_path.parent, 0o700)
        files.write(definition.fragment_file(self.candidate, content))
        files.write(definition.master_file(self.candidate.house, [self.candidate.name]))
        self.compose.recreate([self.candidate.name])

    # --- what is in it ----------------------------------------------------------------------------------------------

    def _bundle(self) -> Mapping[str, bytes]:
        """The files of the page. Raises StackError for addresses that a browser cannot, or may not, reach."""
        folder = str(self.wanted.get("bundle") or "")
        if not folder:
            return {}
        page = self.engine.files(self.candidate.name, folder)
        wrong = bundle.problem(page)
        if wrong:
            raise StackError(f"{folder} of its image is no web page: {wrong}; {self._variable('root')} says where the bundle is", "bundle")
        found = bundle.findings(page, self.internal, self.wanted.get("allow") or [])
        bad = [one for one in found if one.internal or self.wanted.get("encrypted")]
        self.warnings = [f"{self.service.name}: {one.line()}" for one in found if one not in bad]
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            hint = f"call it by a path of the page's own host, as /api/…, or allow it in {self._variable('allow')}"
            raise StackError(f"{bad[0].line()}{more}; {hint}", "bundle", self.service.name, "\n".join(one.line() for one in bad[1:]))
        return page

    def _variable(self, suffix: str) -> str:
        return f"{self.service.role}_{suffix}"

    # --- what it answers --------------------------------------------------------------------------------------------

    def _paths(self, page: Mapping[str, bytes]) -> Iterator[Mapping[str, Any]]:
        """What has to answer, with options of the probe http."""
        if page:
            yield from ({"path": path, "type": "text/html"} for path in ("/", DEEP))
            yield from ({"path": path} for path in [bundle.manifest(page)] if path)
            yield from ({"path": f"/{name}"} for name in bundle.workers(page))
        yield from self.wanted.get("paths") or []

    def _ask(self, page: Mapping[str, bytes]) -> None:
        """Every path, from inside the candidate, as a browser would ask it."""
        container = self.engine.container(self.candidate.name)
        pid = container.pid if container else 0
        port, asked = int(self.wanted["port"]), list(self._paths(page))

        def work() -> dict[str, Any]:
            target = Target("127.0.0.1", port, names.of_container(pid).resolve)
            for options in asked:
                result = registry.run("http", target, {**options, "tls": bool(self.wanted.get("tls"))}, TIMEOUT)
                if not result.ok:
                    return {"evidence": result.evidence.replace(f"127.0.0.1:{port}", "it")}
            return {"evidence": ""}

        [told] = netns.run([netns.Job(self.candidate.name, pid, work)], TIMEOUT * max(len(asked), 1))
        said = "no answer" if told is None else told["evidence"]
        if said:
            raise StackError(said, "answer", self.service.name)


def internal_names(services: Sequence[Service], others: Collection[str]) -> set[str]:
    """Names that only the Docker network knows: of the services, with their aliases, and of all other containers."""
    return {name for service in services for name in (service.name, *service.aliases)} | set(others)
