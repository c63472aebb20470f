"""Settings from the environment, under Grafana's names and with its defaults.

Source: grafana.com/docs, "Configure Grafana" and "Configure a Grafana Docker image" (GF_<SECTION>_<KEY>, `__FILE`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class RefusedError(Exception):
    """Something is wrong with what was given; the text is one sentence for the log."""


@dataclass(frozen=True)
class Settings:
    """What of Grafana's settings has a meaning here."""

    address: str
    port: int
    provisioning: Path
    data: Path
    admin_user: str
    admin_password: str


def value(environment: Mapping[str, str], name: str, default: str) -> str:
    """Return `name`, or the text of the file that `name__FILE` points at; both at once are refused, as in Grafana's image."""
    path = environment.get(f"{name}__FILE", "")
    if not path:
        return environment.get(name, "") or default
    if environment.get(name):
        raise RefusedError(f"both {name} and {name}__FILE are set (but are exclusive)")
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{name}__FILE={path} cannot be read: {error}") from error
    if not text:
        raise RefusedError(f"{name}__FILE={path} is empty")
    return text


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings; raises RefusedError for a port that is none, a secret that cannot be read, data that cannot be written."""
    port = value(environment, "GF_SERVER_HTTP_PORT", "3000")
    if not port.isdecimal() or int(port) > 65535:
        raise RefusedError(f"GF_SERVER_HTTP_PORT={port} is no port")
    settings = Settings(
        address=value(environment, "GF_SERVER_HTTP_ADDR", ""),
        port=int(port),
        provisioning=Path(value(environment, "GF_PATHS_PROVISIONING", "/etc/grafana/provisioning")),
        data=Path(value(environment, "GF_PATHS_DATA", "/var/lib/grafana")),
        admin_user=value(environment, "GF_SECURITY_ADMIN_USER", "admin"),
        admin_password=value(environment, "GF_SECURITY_ADMIN_PASSWORD", "admin"),
    )
    if not os.access(settings.data, os.W_OK):
        raise RefusedError(f"GF_PATHS_DATA={settings.data} is not writable by uid {os.getuid()}")
    return settings
