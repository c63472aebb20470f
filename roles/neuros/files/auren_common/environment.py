"""Read the environment: both families of names, empty text counts as unset."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

Env = Mapping[str, str]


class SettingsError(Exception):
    """The environment lacks or misstates something; the text names the variable and never a value."""


def text(env: Env, name: str, default: str = "") -> str:
    """The value of `name` without surrounding blanks; `default` when unset or empty."""
    return env.get(name, "").strip() or default


def number(env: Env, name: str, default: float) -> float:
    """The positive number in `name`; SettingsError when it is none."""
    raw = text(env, name)
    try:
        value = float(raw) if raw else default
    except ValueError:
        raise SettingsError(f"{name} is not a number") from None
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} must be a positive number")
    return value


def postgres_url(env: Env) -> str:
    """POSTGRES_URL, or a URL from POSTGRES_HOST, _PORT, _USER, _PASSWORD and _DB.

    User and password in a URL are percent-encoded (RFC 3986); the driver decodes them.
    """
    url = text(env, "POSTGRES_URL")
    if url:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.split("+")[0] not in ("postgres", "postgresql"):
            raise SettingsError("POSTGRES_URL must begin with postgresql://")
        return f"postgresql://{rest}"
    host = text(env, "POSTGRES_HOST")
    if not host:
        raise SettingsError("set POSTGRES_URL, or POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB")
    user = quote(text(env, "POSTGRES_USER", "auren"), safe="")
    password = quote(env.get("POSTGRES_PASSWORD", ""), safe="")
    login = f"{user}:{password}" if password else user
    return f"postgresql://{login}@{host}:{text(env, 'POSTGRES_PORT', '5432')}/{quote(text(env, 'POSTGRES_DB', 'auren'), safe='')}"


def redis_url(env: Env) -> str:
    """REDIS_URL, or a URL from REDIS_HOST, REDIS_PORT and REDIS_PASSWORD."""
    url = text(env, "REDIS_URL")
    if url:
        if not url.startswith(("redis://", "rediss://")):
            raise SettingsError("REDIS_URL must begin with redis://")
        return url
    host = text(env, "REDIS_HOST")
    if not host:
        raise SettingsError("set REDIS_URL, or REDIS_HOST and REDIS_PASSWORD")
    password = quote(env.get("REDIS_PASSWORD", ""), safe="")
    login = f":{password}@" if password else ""
    return f"redis://{login}{host}:{text(env, 'REDIS_PORT', '6379')}/0"


def kafka_servers(env: Env) -> list[str]:
    """`host:port` of the brokers from KAFKA_BOOTSTRAP_SERVERS or KAFKA_BROKERS, separated by commas."""
    raw = text(env, "KAFKA_BOOTSTRAP_SERVERS") or text(env, "KAFKA_BROKERS")
    servers = [part.strip() for part in raw.split(",") if part.strip()]
    if not servers:
        raise SettingsError("set KAFKA_BOOTSTRAP_SERVERS (or KAFKA_BROKERS) to host:port")
    return servers


def passwords_in(*urls: str) -> list[str]:
    """The passwords that URLs carry, as written and decoded: what a log line must never show."""
    found = []
    for url in urls:
        login = urlsplit(url).netloc.rpartition("@")[0]
        password = login.partition(":")[2]
        found += [password, unquote(password)]
    return [password for password in found if password]
