# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read from containers and written to them through the Engine, and a container's second life under another name."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import tarfile
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from ansible_collections.auren.stack.plugins.module_utils.engine import Engine, endpoint_config, told
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import Container, container_from_inspect
from ansible_collections.auren.stack.plugins.module_utils.topology import Attachment

CHUNK = 1 << 16
SAID = 1 << 20  # bytes of what a command prints that are kept: the last ones
STDOUT = 1  # in the header of a frame (Engine API, "Stream format" of attach)


# --- commands -----------------------------------------------------------------------------------------------------------


def execute(
    engine: Engine,
    container: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    into: BinaryIO | None = None,
    stdin: BinaryIO | None = None,
    user: str = "",
) -> tuple[int, str]:
    """Run a command in a running container: its exit status, and the end of what it said on stderr, and on stdout when ``into`` is None.

    into: gets stdout as it comes. stdin: read to its end, then the command's stdin is closed. Secrets go into ``environment``, which no
    process list and no inspect shows. A command may be silent for as long as it likes. Raises StackError when it cannot be run, or when
    the connection ends before it does.
    """
    target = f"{command[0]} in {container}"
    with told("run", target):
        made = engine.api.exec_create(
            container, list(command), stdin=stdin is not None, environment=dict(environment or {}), user=user or ""
        )
        # Not the SDK's own way: it reads past a buffer in which the first bytes of an answer may be.
        answer = engine.api._post_json(
            engine.api._url("/exec/{0}/start", made["Id"]), data={"Tty": False, "Detach": False}, stream=True, timeout=None
        )
        engine.api._raise_for_status(answer)
        with contextlib.closing(answer):
            connection = engine.api._get_raw_response_socket(answer)
            feeder = _Feeder(stdin, getattr(connection, "_sock", connection)) if stdin is not None else None
            try:
                said = _output(answer.raw, into)
            finally:
                if feeder:
                    feeder.finish()
        return _status(engine, made["Id"], target), said.decode(errors="replace").strip()


class _Feeder:
    """Writes a file to a command's stdin while its output is read: neither waits for the other."""

    def __init__(self, source: BinaryIO, connection: socket.socket) -> None:
        self.source = source
        self.connection = connection.dup()  # the other one is closed as soon as the output has ended, while something may still be sent
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for chunk in iter(lambda: self.source.read(CHUNK), b""):
                try:
                    self.connection.sendall(chunk)
                except OSError:  # the command has read what it wanted; when it was something else, its status says so
                    return
        except Exception as error:  # is raised in the thread that waits
            self.error = error
        finally:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)  # the command has ended: nobody takes what is still being sent
        self.thread.join()
        self.connection.close()
        if self.error:
            raise self.error


def _exactly(answer: Any, length: int) -> bytes:
    """So many bytes, fewer only when the stream ends."""
    found = b""
    while len(found) < length:
        chunk = answer.read(length - len(found))
        if not chunk:
            break
        found += chunk
    return found


def _output(answer: Any, into: BinaryIO | None) -> bytearray:
    """Take the frames of an exec apart to the end of the stream."""
    said = bytearray()
    while True:
        header = _exactly(answer, 8)
        if not header:
            return said
        if len(header) < 8:
            raise OSError("the connection ended in the middle of its output")
        kind, length = struct.unpack(">BxxxL", header)
        while length:
            chunk = _exactly(answer, min(length, CHUNK))
            if not chunk:
                raise OSError("the connection ended in the middle of its output")
            length -= len(chunk)
            if kind == STDOUT and into is not None:
                into.write(chunk)
            else:
                said += chunk
                del said[:-SAID]


def _status(engine: Engine, identity: str, target: str) -> int:
    """The exit status; the Engine knows it a moment after the output has ended."""
    until = time.monotonic() + 30
    while True:
        found = engine.api.exec_inspect(identity)
        if not found["Running"] and found["ExitCode"] is not None:
            return int(found["ExitCode"])
        if time.monotonic() > until:
            raise StackError(f"cannot run {target}: its output has ended, but it goes on running", "engine", target)
        time.sleep(0.01)


# --- files --------------------------------------------------------------------------------------------------------------


def archive(engine: Engine, container: str, path: str) -> Iterator[bytes]:
    """The tar stream of a path in a container in any state, with what is mounted there (``tree_archive`` says how it is made).

    Raises StackError, kind ``not_found`` when the path is not there.
    """
    with told(f"read {path} of", container):
        stream, _stat = engine.api.get_archive(container, path)
        yield from stream


def put(engine: Engine, container: str, path: str, stream: Iterable[bytes]) -> None:
    """Unpack a tar stream in a directory of a container in any state. Owners are those of the stream; what is not in it stays."""
    with told(f"write to {path} of", container):
        address = engine.api._url("/containers/{0}/archive", container)
        engine.api._raise_for_status(engine.api._put(address, params={"path": path}, data=iter(stream), timeout=None))


# --- images of containers -----------------------------------------------------------------------------------------------


def commit(
    engine: Engine,
    container: str,
    ref: str,
    blank: Collection[str] = (),
    secrets: Collection[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> str:
    """An image of what a container holds now, under the name ``ref``; its id. Volumes are not in it. The container pauses meanwhile.

    blank: keys of the environment that are empty in the image; their values, and those in ``secrets``, are taken out of its command,
    entrypoint, health check and labels, too. settings: the image's configuration, in the place of the container's: then nothing of that
    is in it.
    """
    raw = engine.inspect(container)
    if raw is None:
        raise StackError(f"cannot keep the content of {container} as an image: there is no such container", "not_found", container)
    env = container_from_inspect(raw).env
    hidden = [value for value in (*(env.get(key, "") for key in blank), *secrets) if value]
    config = _cleaned(raw["Config"], blank, hidden) if settings is None else dict(settings)
    with told("keep as an image", container):
        answer = engine.api._post_json(
            engine.api._url("/commit"), data=config, params={"container": container, "pause": True}, timeout=None
        )
        made = str(engine.api._result(answer, json=True)["Id"])
    try:
        return _without_origin(engine, made, config, ref, f"content of {container}")
    finally:
        with contextlib.suppress(StackError):
            engine.drop_image(made)


def _cleaned(config: Mapping[str, Any], blank: Collection[str], hidden: Collection[str]) -> dict[str, Any]:
    """A container's configuration for its image."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for secret in sorted(hidden, key=len, reverse=True):
                value = value.replace(secret, "")
            return value
        if isinstance(value, list):
            return [clean(one) for one in value]
        return {key: clean(one) for key, one in value.items()} if isinstance(value, dict) else value

    env = [f"{line.partition('=')[0]}=" if line.partition("=")[0] in blank else line for line in config.get("Env") or []]
    cleaned = {key: clean(config.get(key)) for key in ("Cmd", "Entrypoint", "Healthcheck", "Labels")}
    kept = {key: config.get(key) for key in ("User", "ExposedPorts", "Volumes", "WorkingDir", "StopSignal", "Shell")}
    return {key: value for key, value in {**kept, **cleaned, "Env": clean(env)}.items() if value is not None}


def _without_origin(engine: Engine, image: str, config: Mapping[str, Any], ref: str, comment: str) -> str:
    """The same layers under a configuration of our own.

    What ``POST /commit`` makes holds the container's whole configuration once more (``container_config``, which an inspect does not show
    but ``docker save`` does) and its command in its history, whatever configuration was sent (tried on 26.1). An archive without
    layers is enough for the Engine, as it has them.
    """
    raw = engine.inspect_image(image) or {}
    layers = raw["RootFS"]["Layers"]
    history = [{"created": raw["Created"], "created_by": "", "comment": comment} for _layer in layers]
    own = {"architecture": raw["Architecture"], "os": raw["Os"], "created": raw["Created"], "config": dict(config)}
    description = {**own, "rootfs": {"type": "layers", "diff_ids": layers}, "history": history}
    if raw.get("Variant"):
        description["variant"] = raw["Variant"]
    manifest = [{"Config": "config.json", "RepoTags": [ref], "Layers": [f"{number}/layer.tar" for number in range(len(layers))]}]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name, content in (("config.json", description), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            text = json.dumps(content).encode()
            member.size = len(text)
            made.addfile(member, io.BytesIO(text))
    with told("keep as", ref):
        for line in engine.api.load_image(packed.getvalue()):
            if line.get("error"):
                raise StackError(f"cannot keep {image} as {ref}: the Engine said: {line['error']}", "engine", ref, str(line["error"]))
    return str((engine.inspect_image(ref) or {})["Id"])


# --- clones -------------------------------------------------------------------------------------------------------------


def clone(engine: Engine, raw: Mapping[str, Any], name: str, image: str) -> str:
    """Create, and never start, a container like another one, of which ``raw`` is the inspect; its id.

    It has the same settings, volumes (also those without a name of their own, so Docker keeps them when the other one is removed) and
    places on networks, but does not restart by itself and is not removed when it stops.
    """
    other = container_from_inspect(dict(raw))
    first, places = _places(other)
    body = {**_config(raw, image), "HostConfig": _host_config(raw, first)}
    if first in places:
        body["NetworkingConfig"] = {"EndpointsConfig": {first: endpoint_config(places[first])}}
    with told("create", name):
        made = str(
            engine.api._result(engine.api._post_json(engine.api._url("/containers/create"), data=body, params={"name": name}), True)["Id"]
        )
    try:
        for network, place in places.items():
            if network != first:
                engine.connect(made, network, place)
    except StackError:
        engine.discard(made)
        raise
    return made


def _config(raw: Mapping[str, Any], image: str) -> dict[str, Any]:
    """With the namespace of another container, or of the host, the Engine refuses settings that the other one has from its image."""
    config, host = {**raw["Config"], "Image": image}, raw["HostConfig"]
    shared = str(host.get("NetworkMode", "")).startswith("container:")
    if shared or host.get("UTSMode") == "host":
        config.pop("Hostname", None)
    if shared:
        config.pop("ExposedPorts", None)
    return config


def _places(container: Container) -> tuple[str, dict[str, Attachment]]:
    """The network that it is made on, empty when it is on none, and what was asked for on each."""
    places = {
        one.network: Attachment(one.aliases, one.fixed_ipv4, tuple(sorted(one.driver_opts.items())), one.links, one.gateway_priority)
        for one in container.endpoints
        if one.network not in ("host", "none")
    }
    mode = {"default": "bridge"}.get(container.network_mode, container.network_mode)
    first = next((one.network for one in container.endpoints if mode in (one.network, one.network_id)), "")
    return first or next(iter(places), ""), places


def _host_config(raw: Mapping[str, Any], first: str) -> dict[str, Any]:
    """Every mount by its name, also what came from --volumes-from or has no name of its own. Links lose the linking container's name."""
    host = dict(raw["HostConfig"])
    mounts = [dict(one) for one in host.get("Mounts") or []]
    names = {one["Destination"]: one for one in raw.get("Mounts") or [] if one.get("Type") == "volume"}
    for one in mounts:
        if one.get("Type") == "volume" and not one.get("Source") and one["Target"] in names:
            one["Source"] = names[one["Target"]]["Name"]
    binds = [str(bind) for bind in host.get("Binds") or []]
    there = {one["Target"].rstrip("/") for one in mounts} | {bind.split(":")[1].rstrip("/") for bind in binds if ":" in bind}
    for one in raw.get("Mounts") or []:
        if one.get("Type") in ("volume", "bind") and one["Destination"].rstrip("/") not in there:
            source = one["Name"] if one["Type"] == "volume" else one["Source"]
            binds.append(f"{source}:{one['Destination']}" + ("" if one.get("RW", True) else ":ro"))
    links = [f"{link.split(':')[0].lstrip('/')}:{link.rpartition('/')[2]}" for link in host.get("Links") or []]
    host.update(Binds=binds, Mounts=mounts or None, VolumesFrom=None, Links=links or None)
    host.update(AutoRemove=False, RestartPolicy={"Name": "no"}, NetworkMode=first or host.get("NetworkMode") or "default")
    return host
