# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker Engine: the only file that imports the SDK. Every failure leaves as a StackError."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.auren.stack.plugins.module_utils import layer
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import (
    LABEL_IMAGE,
    PREVIOUS,
    Container,
    Image,
    Network,
    Snapshot,
    container_from_inspect,
    container_from_list,
    network_from_list,
    split_env,
)
from ansible_collections.auren.stack.plugins.module_utils.topology import Attachment, NetworkSpec

try:
    import docker
    import docker.errors
    import docker.types
    import docker.utils
    import requests.exceptions

    SDK_VERSION: str | None = docker.__version__
except ImportError:
    SDK_VERSION = None

SOCKET = "/var/run/docker.sock"
OLDEST_API = (1, 41)  # Engine 20.10


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _unreachable(error: Exception) -> StackError:
    """The sentence for an Engine that could not be spoken to at all."""
    text, place = str(error), os.environ.get("DOCKER_HOST", "").replace("unix://", "") or SOCKET
    if "Permission denied" in text or "PermissionError" in text:
        return StackError(
            f"Docker at {place} refuses user {_user()}: run with become, or add the user to the group docker",
            "permission",
            place,
            text,
        )
    return StackError(
        f"no Docker Engine answers at {place}: start it (systemctl start docker), or install it with the role docker_host",
        "no_engine",
        place,
        text,
    )


@contextlib.contextmanager
def told(what: str, target: str) -> Iterator[None]:
    """Turn the SDK's errors into ours: ``what`` completes "cannot …"."""
    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
        status = error.response.status_code if error.response is not None else 0
        kind = {404: "not_found", 409: "conflict"}.get(status, "engine")
        raise StackError(f"cannot {what} {target}: the Engine said: {said}", kind, target, said) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise StackError(f"cannot {what} {target}: {error}", "engine", target, str(error)) from error


def endpoint_config(place: Attachment) -> dict[str, Any]:
    """A place on a network as the Engine wants it (``EndpointSettings``)."""
    settings: dict[str, Any] = {"Aliases": list(place.aliases), "Links": list(place.links), "DriverOpts": dict(place.driver_opts)}
    if place.ipv4:
        settings["IPAMConfig"] = {"IPv4Address": place.ipv4}
    if place.gateway_priority:
        settings["GwPriority"] = place.gateway_priority
    return {key: value for key, value in settings.items() if value}


class Engine:
    """A connection to the local Engine. API version negotiated; reads and single changes, no policy."""

    def __init__(self, timeout: int = 120) -> None:
        if SDK_VERSION is None:
            raise StackError(
                "the Docker SDK for Python is missing on the target: run the role docker_host, or install python3-docker", "no_sdk"
            )
        try:
            self.api = docker.APIClient(version="auto", timeout=timeout, **docker.utils.kwargs_from_env())
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise _unreachable(error) from error
        self.version: tuple[int, ...] = tuple(int(part) for part in self.api.api_version.split("."))
        if self.version < OLDEST_API:
            raise StackError(
                f"Docker's API {self.api.api_version} is too old: Engine 20.10 (API 1.41) or later is needed; upgrade Docker",
                "engine_too_old",
            )

    @property
    def local(self) -> bool:
        """Whether it runs on this machine: its processes, directories and published ports are here."""
        return urlsplit(os.environ.get("DOCKER_HOST", "")).scheme in ("", "unix")

    # --- reads ------------------------------------------------------------------------------------------------------

    def snapshot(self, names: Sequence[str] = ()) -> Snapshot:
        """All containers; those in ``names`` with everything an inspect knows. And all volumes."""
        with told("read", "the containers"):
            listed = [container_from_list(raw) for raw in self.api.containers(all=True)]
            volumes = {v["Name"]: v["Mountpoint"] for v in self.api.volumes().get("Volumes") or []}
        wanted = set(names)
        full = tuple((self.container(c.id) or c) if c.name in wanted else c for c in listed)
        return Snapshot(self.version, full, volumes)

    def container(self, name: str) -> Container | None:
        """None when there is none. Raises StackError when the Engine does not answer: that says nothing about the container."""
        raw = self.inspect(name)
        return container_from_inspect(raw) if raw is not None else None

    def containers(self) -> list[Container]:
        """All containers, in any state, with everything an inspect knows: the list alone has no aliases and no environment."""
        with told("read", "the containers"):
            found = [self.container(raw["Id"]) for raw in self.api.containers(all=True)]
        return [container for container in found if container is not None]

    def members(self, network: str) -> dict[str, str]:
        """Container → IPv4 address of the running containers on a network."""
        with told("read the network", network):
            found = self.api.inspect_network(network).get("Containers") or {}
        return {one["Name"]: one["IPv4Address"].partition("/")[0] for one in found.values()}

    def inspect(self, name: str) -> dict[str, Any] | None:
        """Everything the Engine says of a container, as it says it; None when there is none."""
        with told("inspect", name), contextlib.suppress(docker.errors.NotFound):
            return self._located(self.api.inspect_container(name))
        return None

    def _located(self, raw: dict[str, Any]) -> dict[str, Any]:
        """An inspection where volumes have their directories: of another driver's there is none until one asks for the volume (tried)."""
        for mount in raw.get("Mounts") or []:
            if mount["Type"] == "volume" and not mount.get("Source"):
                with contextlib.suppress(docker.errors.APIError):  # its driver is gone: that says nothing about the container
                    mount["Source"] = self.api.inspect_volume(mount["Name"]).get("Mountpoint") or ""
        return raw

    def inspect_image(self, ref: str) -> dict[str, Any] | None:
        """Everything the Engine says of an image, as it says it; None when there is none."""
        with told("look at image", ref), contextlib.suppress(docker.errors.NotFound):
            return dict(self.api.inspect_image(ref))
        return None

    def volume_labels(self) -> dict[str, dict[str, str]]:
        """Labels of every volume, by its name."""
        with told("read", "the volumes"):
            return {v["Name"]: v.get("Labels") or {} for v in self.api.volumes().get("Volumes") or []}

    def health_output(self, name: str) -> str:
        """What the last health check printed, one line; empty when there is none."""
        with told("inspect", name):
            state = self.api.inspect_container(name)["State"]
        log = (state.get("Health") or {}).get("Log") or []
        return " ".join(str(log[-1].get("Output", "")).split()) if log else ""

    def edited(self, container: Container, places: tuple[str, ...]) -> list[str]:
        """Paths below these places that differ from the container's image, without those that are only on the way to another.

        As ``layer.changed`` tells them: for people see ``files.legible``.
        """
        read = layer.changed(container.upper, places)
        if read is not None:
            return read
        with told("compare with its image", container.name):
            paths = sorted(one["Path"] for one in self.api.diff(container.id) or [])
        deepest = [path for path, after in zip(paths, [*paths[1:], ""]) if not after.startswith(f"{path}/")]
        return [path for path in deepest if path.startswith(tuple(f"{place}/" for place in places))]

    def image(self, ref: str) -> Image | None:
        with told("look at image", ref or "without a name"):
            try:
                raw = self.api.inspect_image(ref)
            except docker.errors.ImageNotFound:
                return None
        config = raw.get("Config") or {}
        return Image(raw["Id"], split_env(config.get("Env")), config.get("Labels") or {}, tuple(raw.get("RepoDigests") or ()))

    def built_images(self) -> list[tuple[str, str]]:
        """Images that were built here, as (id, name), also those that are kept. What others built on them inherits the label, but not the
        name in it."""
        with told("read", "the images"):
            known = self.api.images(filters={"label": LABEL_IMAGE})
        found = []
        for raw in known:
            tags, own = raw.get("RepoTags") or [], raw["Labels"][LABEL_IMAGE]
            kept = own.rpartition(":")[0] + PREVIOUS
            found += [(raw["Id"], name) for name in (own, kept) if name in tags][:1]
        return found

    def networks(self) -> list[Network]:
        with told("read", "the networks"):
            return [network_from_list(raw) for raw in self.api.networks()]

    def system(self) -> dict[str, Any]:
        """What the Engine says of itself and its defaults, raw (``GET /info``)."""
        with told("read", "the Engine's information"):
            return dict(self.api.info())

    def root_dir(self) -> str:
        """Where the Engine keeps images, on the host."""
        return str(self.system()["DockerRootDir"])

    def info(self) -> dict[str, Any]:
        """The Engine's version answer, raw."""
        with told("read", "the Engine's version"):
            return dict(self.api.version())

    def logs(self, name: str, tail: int = 15) -> str:
        with told("read the log of", name):
            return bytes(self.api.logs(name, tail=tail)).decode(errors="replace").strip()

    def files(self, container: str, folder: str) -> dict[str, bytes]:
        """The files below a folder of a container in any state: path from there → content. Raises StackError when it is not there."""
        with told(f"read {folder} of", container):
            stream, _stat = self.api.get_archive(container, f"{folder.rstrip('/')}/.")
            packed = io.BytesIO(b"".join(stream))
        with tarfile.open(fileobj=packed) as archive:
            members = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
            return {name[2:] if name.startswith("./") else name: found.read() for name, found in members if found}

    def file(self, container: str, path: str) -> bytes:
        """One file of a container in any state, links followed. Raises StackError when it is not there, KeyError when it is no file."""
        with told(f"read {path} of", container):
            stream, stat = self.api.get_archive(container, path)
            packed = io.BytesIO(b"".join(stream))
        if stat.get("linkTarget"):
            return self.file(container, str(stat["linkTarget"]))
        with tarfile.open(fileobj=packed) as archive:
            found = archive.extractfile(archive.getmembers()[0])
            if found is None:
                raise KeyError(path)
            return found.read()

    # --- changes ----------------------------------------------------------------------------------------------------

    def create_volume(self, name: str, labels: dict[str, str]) -> str:
        """Create a named volume; returns its mount point on the host."""
        with told("create volume", name):
            return str(self.api.create_volume(name, labels=labels)["Mountpoint"])

    def volume_place(self, name: str) -> str:
        """The mount point of a volume on the host; empty when there is no such volume."""
        with told("inspect volume", name), contextlib.suppress(docker.errors.NotFound):
            return str(self.api.inspect_volume(name).get("Mountpoint") or "")
        return ""

    def remove_volume(self, name: str) -> None:
        with told("remove volume", name):
            self.api.remove_volume(name)

    def create_network(self, name: str, spec: NetworkSpec) -> None:
        """Create a network; without a pool the Engine chooses a free subnet."""
        pools = [docker.types.IPAMPool(pool.subnet, pool.ip_range or None, pool.gateway or None) for pool in spec.pools]
        with told("create network", name):
            self.api.create_network(
                name,
                driver=spec.driver,
                options=dict(spec.options),
                ipam=docker.types.IPAMConfig(pool_configs=pools) if pools else None,
                check_duplicate=True,
                internal=spec.internal,
                labels=dict(spec.labels),
                enable_ipv6=spec.ipv6,
                attachable=spec.attachable,
            )

    def connect(self, container: str, network: str, place: Attachment) -> None:
        """Put a container, in any state, on a network. Posted as it is, because not every SDK knows all of an endpoint's settings."""
        wanted = {"Container": container, "EndpointConfig": endpoint_config(place)}
        with told(f"connect {container} to", network):
            self.api._raise_for_status(self.api._post_json(self.api._url("/networks/{0}/connect", network), data=wanted))

    def disconnect(self, container: str, network: str) -> None:
        with told(f"disconnect {container} from", network):
            self.api.disconnect_container_from_network(container, network)

    def set_restart_policy(self, container: str, policy: str) -> None:
        """policy: in Docker's words, as ``on-failure:5``. The container goes on as it is."""
        name, _colon, count = policy.partition(":")
        with told(f"set the restart policy {policy} of", container):
            self.api.update_container(container, restart_policy={"Name": name, "MaximumRetryCount": int(count or 0)})

    def remove_network(self, name: str) -> None:
        with told("remove network", name):
            self.api.remove_network(name)

    def start(self, name: str) -> None:
        """Make it run, also when it is paused."""
        container = self.container(name)
        with told("start", name):
            (self.api.unpause if container and container.state == "paused" else self.api.start)(name)

    def stop(self, name: str) -> None:
        """Stop with the container's own grace period, however long that is."""
        with told("stop", name):
            self.api.stop(name, timeout=container_from_inspect(self.api.inspect_container(name)).grace)

    def rename(self, name: str, new: str) -> None:
        with told("rename", name):
            self.api.rename(name, new)

    def discard(self, name: str) -> None:
        """Remove a container in any state, without its grace period."""
        with told("remove", name):
            self.api.remove_container(name, force=True)

    def remove_container(self, name: str) -> None:
        """Remove a stopped container; its named volumes stay."""
        with told("remove", name):
            self.api.remove_container(name)

    def remove_image(self, ref: str) -> None:
        with told("remove image", ref):
            self.api.remove_image(ref)

    def tag_image(self, image: str, ref: str) -> None:
        repository, _colon, tag = ref.rpartition(":")
        with told(f"tag {image} as", ref):
            self.api.tag(image, repository, tag)

    def drop_image(self, image: str) -> None:
        """Remove an image that has no name any more and that no container, and no other image, needs."""
        with contextlib.suppress(StackError):
            with told("look at image", image):
                named = self.api.inspect_image(image).get("RepoTags")
            if not named:
                self.remove_image(image)

    # --- images -----------------------------------------------------------------------------------------------------

    def remote_digest(self, ref: str) -> str:
        """The registry's digest of a reference, asked through the Engine (its mirrors and proxies count).

        Raises StackError of kind ``no_registry`` when the registry cannot be reached, ``not_found`` when it answers
        without having the image.
        """
        try:
            return str(self.api.inspect_distribution(ref)["Descriptor"]["digest"])
        except docker.errors.APIError as error:
            said = str(error.explanation or error)
            refused = any(word in said for word in ("not found", "unknown", "denied", "unauthorized", "authentication required"))
            kind = "not_found" if refused else "no_registry"
            raise StackError(f"the registry was asked for {ref} and said: {said}", kind, ref, said) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise StackError(f"the registry of {ref} does not answer: {error}", "no_registry", ref, str(error)) from error

    def pull(self, ref: str) -> None:
        with told("pull", ref):
            _follow(self.api.pull(ref, stream=True, decode=True), "pull", ref)

    def load(self, path: str) -> None:
        """Load an image archive made by ``docker save``."""
        with told("load", path), open(path, "rb") as archive:
            _follow(self.api.load_image(archive), "load", path)


def _follow(stream: Any, verb: str, target: str) -> None:
    """Read a progress stream to its end; on an error entry raise with the last lines that were printed."""
    lines: list[str] = []
    for entry in stream or []:
        record = json.loads(entry) if isinstance(entry, (bytes, str)) else entry
        lines.extend(str(record.get("stream", "")).splitlines())
        del lines[:-20]
        if record.get("error"):
            said = str(record["error"])
            shown = "\n".join([*(line for line in lines if line.strip()), said])
            raise StackError(f"cannot {verb} {target}: {said}; the last lines were:\n{shown}", verb, target, said)
