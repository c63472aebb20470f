#!/usr/bin/python
# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: is there a Docker Engine, does it answer, and what around it is missing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_info
short_description: What Docker Engine a host has and whether it can be used
version_added: 0.1.0
description:
  - Says whether a Docker Engine answers on the local socket, which version it is, and whether the Docker CLI,
    the compose plugin and the Docker SDK for Python are there.
  - Reads the Engine directly over its socket, so it also works where the SDK is missing. Starts no process.
author:
  - The auren.stack authors (@auren)
options:
  socket:
    description:
      - Path of the Engine's socket.
      - Where it is not given, E(DOCKER_HOST) counts when it names a local socket, else C(/var/run/docker.sock).
    type: path
  timeout:
    description: Seconds to wait for an answer.
    type: int
    default: 10
attributes:
  check_mode:
    description: Can run in check mode and return what it would return without it.
    support: full
  diff_mode:
    description: Returns details on what has changed.
    support: none
notes:
  - An Engine that is missing or refuses the user is a result, not a failure of the module.
"""

EXAMPLES = r"""
- name: Read the Docker Engine
  auren.stack.engine_info:
  register: found

- name: Stop where Docker cannot be used
  ansible.builtin.assert:
    that: found.engine.state == 'ready'
    fail_msg: "{{ found.engine.failure }}"
"""

RETURN = r"""
actions:
  description: Always empty. This module changes nothing.
  returned: always
  type: list
  elements: str
  sample: []
engine:
  description: What was found.
  returned: always
  type: dict
  contains:
    state:
      description:
        - V(ready), an Engine answers and the SDK is there.
        - V(no_sdk), an Engine answers but the module's Python has no Docker SDK.
        - V(no_permission), the socket refuses this user.
        - V(not_answering), an Engine is installed but does not answer.
        - V(absent), there is no Engine.
      type: str
      sample: ready
    failure:
      description: A sentence that says what is wrong and what to do; empty when O(ignore:state) is V(ready).
      type: str
      sample: "Docker at /var/run/docker.sock refuses user deploy: run with become, or add the user to the group docker"
    socket:
      description: Path of the socket that was asked.
      type: str
      sample: /var/run/docker.sock
    version:
      description: Version of the Engine, null when it did not answer.
      type: str
      sample: 26.1.5
    api_version:
      description: The newest API version of the Engine, null when it did not answer.
      type: str
      sample: "1.45"
    cgroup:
      description: Version of the control groups that the Engine uses (V(1) or V(2)), null when it did not answer.
      type: str
      sample: "2"
    storage:
      description: Storage driver, null when the Engine did not answer.
      type: str
      sample: overlay2
    root_dir:
      description: Directory of the Engine's images and volumes, null when it did not answer.
      type: str
      sample: /var/lib/docker
    daemon:
      description: Path of the Engine's program, null when it is not installed.
      type: str
      sample: /usr/bin/dockerd
    docker_cli:
      description: Path of the Docker CLI, null when it is not installed.
      type: str
      sample: /usr/bin/docker
    compose_plugin:
      description: Path of the compose plugin that the CLI finds first, null when it is not installed.
      type: str
      sample: /usr/libexec/docker/cli-plugins/docker-compose
    sdk:
      description: Version of the Docker SDK in the module's Python, null when it is not installed.
      type: str
      sample: 7.2.0
    missing:
      description: What has to be added before the stack can be managed, any of V(engine), V(cli), V(compose), V(sdk).
      type: list
      elements: str
      sample: [compose]
    python:
      description: Path of the module's Python.
      type: str
      sample: /usr/bin/python3
    user:
      description: The user the module ran as.
      type: str
      sample: root
"""

import http.client
import json
import os
import pwd
import shutil
import socket
import sys
from importlib import metadata
from typing import Any

from ansible.module_utils.basic import AnsibleModule

SOCKET = "/var/run/docker.sock"
BIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The directories of the Docker CLI, in its order (docker/cli, cli-plugins/manager/manager_unix.go).
PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: int) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path: str, timeout: int, resource: str) -> dict[str, Any]:
    """One read of the Engine API (GET /version, GET /info). Raises OSError or ValueError."""
    connection = SocketConnection(path, timeout)
    try:
        connection.request("GET", resource)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"GET {resource}: status {answer.status}")
        return dict(json.loads(answer.read()))
    except http.client.HTTPException as error:
        raise ValueError(f"GET {resource}: {error!r}") from error
    finally:
        connection.close()


def sdk_version() -> str | None:
    """Version of the SDK without importing it, which takes 0.2 s."""
    try:
        return metadata.version("docker")
    except metadata.PackageNotFoundError:
        return None


def compose_plugin() -> str | None:
    """Path of the compose plugin the CLI would run as this user."""
    own = os.environ.get("DOCKER_CONFIG") or os.path.join(os.environ.get("HOME", "/"), ".docker")
    paths = (os.path.join(directory, "docker-compose") for directory in (os.path.join(own, "cli-plugins"), *PLUGINS))
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def answers(path: str, timeout: int) -> tuple[str, dict[str, Any], str]:
    """State of the Engine, what it told about itself, and why not if it did not."""
    try:
        version, info = ask(path, timeout, "/version"), ask(path, timeout, "/info")
    except PermissionError:
        user = user_name()
        return "no_permission", {}, f"Docker at {path} refuses user {user}: run with become, or add the user to the group docker"
    except FileNotFoundError:
        return "absent", {}, f"there is no Docker Engine at {path}: run the role docker_host"
    except ConnectionRefusedError:
        return "absent", {}, f"no Docker Engine listens at {path}: run the role docker_host"
    except (OSError, ValueError) as error:
        return "not_answering", {}, f"Docker at {path} does not answer ({error}): look at its log (journalctl -u docker)"
    told = {
        "version": version.get("Version"),
        "api_version": version.get("ApiVersion"),
        "cgroup": info.get("CgroupVersion") or "1",
        "storage": info.get("Driver"),
        "root_dir": info.get("DockerRootDir"),
    }
    return "ready", told, ""


def observe(path: str, timeout: int) -> dict[str, Any]:
    """Everything that RETURN documents."""
    state, told, failure = answers(path, timeout)
    programs = os.environ.get("PATH", "") + ":" + BIN
    daemon, cli = shutil.which("dockerd", path=programs), shutil.which("docker", path=programs)
    compose, sdk = compose_plugin(), sdk_version()
    if state == "absent" and daemon:
        state = "not_answering"
        failure = f"Docker is installed ({daemon}) but does not answer at {path}: start it, or run the role docker_host"
    if state == "ready" and sdk is None:
        state, failure = "no_sdk", f"the Docker SDK for Python is missing for {sys.executable}: run the role docker_host"
    engine = dict.fromkeys(("version", "api_version", "cgroup", "storage", "root_dir"))
    engine.update(told)
    wanted = {"engine": state in ("ready", "no_sdk", "no_permission"), "cli": cli, "compose": compose, "sdk": sdk}
    return dict(
        engine,
        state=state,
        failure=failure,
        socket=path,
        daemon=daemon,
        docker_cli=cli,
        compose_plugin=compose,
        sdk=sdk,
        missing=[name for name, there in wanted.items() if not there],
        python=sys.executable,
        user=user_name(),
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={"socket": {"type": "path"}, "timeout": {"type": "int", "default": 10}},
        supports_check_mode=True,
    )
    address = os.environ.get("DOCKER_HOST") or f"unix://{SOCKET}"
    path = module.params["socket"] or address.replace("unix://", "", 1)
    if "://" in path:
        module.fail_json(
            msg=f"DOCKER_HOST={path} is not a local socket, but the stack mounts files of its own host: unset it",
            failure={"kind": "remote_engine", "object": "DOCKER_HOST", "detail": path},
        )
    module.exit_json(changed=False, actions=[], engine=observe(path, module.params["timeout"]))


if __name__ == "__main__":
    main()
