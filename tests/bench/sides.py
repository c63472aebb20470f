"""The sides that are compared: site.yml, the same content the usual way, and Compose by hand."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from typing import Any

import yaml
from hosts import CACHE, ROOT, BenchError, Host, Run, play

PROJECT_DIR = "/opt/auren/docker"
SITE = ROOT / "playbooks" / "site.yml"
USUAL = ROOT / "tests" / "bench" / "usual" / "play.yml"
SOURCE = CACHE / "usual"
COLLECTIONS = ("docker", "library_inventory_filtering_v1")  # of community; the second is what the first depends on
LABELS = ("auren.stack.service", "auren.stack.spec")  # of the collection: nobody writes them by hand
PLUGIN = "/usr/local/lib/docker/cli-plugins/docker-compose"  # comes before the host's own in the CLI's order
COUNTING = """\
#!/bin/sh
[ "$1" = docker-cli-plugin-metadata ] || echo "$@" >>/tmp/compose-calls
exec /usr/libexec/docker/cli-plugins/docker-compose "$@"
"""
USUAL_WAYS = {"usual": "project", "usual-role": "role", "usual-command": "command"}


def fetch_collections() -> str:
    """Cut community.docker out of the pinned wheel; returns its version."""
    target = CACHE / "collections" / "ansible_collections"
    manifest = target / "community" / "docker" / "MANIFEST.json"
    if not manifest.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--dest", str(CACHE), "--requirement", str(ROOT / "requirements/bench.txt")], check=True)
        wheel = max(CACHE.glob("ansible-*.whl"), key=lambda path: path.stat().st_mtime)
        wanted = tuple(f"ansible_collections/community/{name}/" for name in COLLECTIONS)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target.parent, [name for name in archive.namelist() if name.startswith(wanted)])
    return str(json.loads(manifest.read_text())["collection_info"]["version"])


class Content:
    """What site.yml wrote on a host, as the input of the other sides."""

    def __init__(self, host: Host) -> None:
        self.packed = host.shell(f"tar -C {PROJECT_DIR} -c .")
        with tarfile.open(fileobj=io.BytesIO(self.packed)) as archive:
            self.members = {member.name.removeprefix("./"): member for member in archive.getmembers()}
            self.texts = {name: self._read(archive, member) for name, member in self.members.items() if member.isfile()}
        declared = json.loads(self.texts[".auren/declared.json"])["services"]
        self.entries: dict[str, dict[str, Any]] = {name: service["entry"] for name, service in declared.items()}
        self.fragments = {name: yaml.safe_load(self.texts[f"services/{name}.yml"]) for name in self.entries}

    @staticmethod
    def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
        stream = archive.extractfile(member)
        return stream.read().decode() if stream else ""

    @property
    def volumes(self) -> list[str]:
        return sorted(volume for fragment in self.fragments.values() for volume in fragment.get("volumes", {}))

    def compose_file(self) -> dict[str, Any]:
        """One Compose file of the same services; order by `depends_on`, network and volumes made by Compose."""
        services = {}
        for name, fragment in self.fragments.items():
            service = dict(fragment["services"][name])
            labels = {key: text for key, text in service.pop("labels", {}).items() if key not in LABELS}
            needs = {need: {"condition": "service_healthy"} for need in self.entries[name].get("needs", [])}
            services[name] = {**service, **({"labels": labels} if labels else {}), **({"depends_on": needs} if needs else {})}
        network = next(iter(self.fragments.values()))["networks"]
        return {
            "name": "auren-stack",
            "services": services,
            "volumes": {volume: {"name": volume} for volume in self.volumes},
            "networks": {name: {"name": name} for name in network},
        }

    def roles(self) -> list[dict[str, Any]]:
        """The variable `usual` of the usual way: what each of the seven roles writes."""
        names = yaml.safe_load((ROOT / "roles/wiring/defaults/main.yml").read_text())["auren_services"]
        return [self._role(role, [name for name, entry in self.entries.items() if entry["role"].startswith(role)]) for role in names]

    def _role(self, role: str, services: list[str]) -> dict[str, Any]:
        mine = re.compile(rf"(config|secrets/mounts)/({'|'.join(services)})(/|$)|secrets/env/({'|'.join(services)})\.env$")
        found = [self._item(name) for name in sorted(self.members) if mine.match(name)]
        files = [item for item in found if item["path"] in self.texts]
        return {
            "role": role,
            "services": services,
            "directories": [item for item in found if item["path"] not in self.texts] + self._parents(files),
            "templates": [item for item in files if "{{" not in self.texts[item["path"]]],
            "copies": [item for item in files if "{{" in self.texts[item["path"]]],
        }

    def _parents(self, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._item("secrets/env")] if any(item["path"].startswith("secrets/env/") for item in files) else []

    def _item(self, name: str) -> dict[str, Any]:
        member = self.members[name]
        return {"path": name, "mode": f"{member.mode:04o}", "uid": member.uid, "gid": member.gid}

    def write(self) -> None:
        """Put the sources of the usual way into the cache, readable by this user only."""
        shutil.rmtree(SOURCE, ignore_errors=True)
        SOURCE.mkdir(mode=0o700, parents=True)
        for role in self.roles():
            for item in role["templates"] + role["copies"]:
                path = SOURCE / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.texts[item["path"]])
        (SOURCE / "docker-compose.yml").write_text(yaml.safe_dump(self.compose_file(), sort_keys=False, width=10000))
        (SOURCE / "vars.json").write_text(json.dumps({"usual": self.roles(), "usual_source": str(SOURCE)}))


def run(side: str, targets: list[Host], *arguments: str) -> Run:
    """Run one side against hosts."""
    if side == "site":
        return play(SITE, targets, *arguments)
    return play(USUAL, targets, "-e", f"@{SOURCE}/vars.json", "-e", f"compose={USUAL_WAYS[side]}", *arguments)


def unchanged(side: str, done: Run) -> Run:
    """The run, which must not have changed anything."""
    if done.changed:
        tasks = re.findall(r"^TASK \[.*?\n(?=TASK|PLAY)", done.output, re.DOTALL | re.MULTILINE)
        changed = "\n".join(task[:2000] for task in tasks if re.search("^changed:", task, re.MULTILINE))
        raise BenchError(f"{side}: a run that had nothing to do changed something:\n{changed}")
    return done


def by_hand(content: Content, host: Host) -> Run:
    """The files of site.yml put in place, then `docker compose up -d --wait`, which alone is timed."""
    host.shell(f"mkdir -p {PROJECT_DIR}; tar -C {PROJECT_DIR} -xp", stdin=content.packed)
    made = [f"docker volume create {volume}" for volume in content.volumes]
    host.shell("; ".join(["docker network create auren-network", *made]))
    start = time.monotonic()
    host.shell(f"cd {PROJECT_DIR}; docker compose up -d --wait 2>&1")
    return Run(time.monotonic() - start, 1, "")


def compose_calls(side: str, host: Host) -> int:
    """How many `docker compose` processes a run starts on a host, counted by a plugin that stands in for the host's own."""
    host.shell(f"mkdir -p {PLUGIN.rsplit('/', 1)[0]}; cat >{PLUGIN}; chmod 0755 {PLUGIN}; : >/tmp/compose-calls", stdin=COUNTING.encode())
    unchanged(side, run(side, [host]))
    return len(host.shell(f"cat /tmp/compose-calls; rm {PLUGIN}").decode().splitlines())
