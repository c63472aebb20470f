"""What the figures were measured on, in one line."""

from __future__ import annotations

import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path

from hosts import Host


def machine(host: Host) -> str:
    """Processor, memory, load, Engine and Ansible; `host` tells of the Engine that the services run on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    kilobytes = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    engine = json.loads(host.shell("docker version --format {{json .}}".replace(" .", "\\ .")))["Server"]["Version"]
    parts = [
        f"{os.cpu_count()} cores ({cpu.group(1) if cpu else platform.machine()})",
        f"{int(kilobytes.group(1)) / 1048576:.0f} GB" if kilobytes else "",
        f"Linux {platform.release()}",
        f"Docker Engine {engine} and Compose {host.shell('docker compose version --short').decode().strip()} on the hosts",
        f"Python {host.shell('python3 -V').decode().split()[-1]} there",
        f"ansible-core {metadata.version('ansible-core')} with Python {platform.python_version()} here",
    ]
    return ", ".join(part for part in parts if part)
