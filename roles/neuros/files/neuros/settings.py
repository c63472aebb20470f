"""What NEUROS is told by its environment."""

from __future__ import annotations

from dataclasses import dataclass

from auren_common.environment import Env, SettingsError, kafka_servers, number, passwords_in, postgres_url, redis_url, text

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OPENAI_API = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Settings:
    """Times are seconds. `llm_url` is empty when neither a key nor a base URL is given: then the rules answer.

    stores_events: whether the rows are written here; false where the bridge writes them.
    """

    postgres_url: str
    redis_url: str
    kafka_servers: list[str]
    kafka_group: str
    topic: str
    dead_letter_topic: str
    stores_events: bool
    llm_url: str
    llm_key: str
    llm_model: str
    llm_deadline: float
    port: int
    log_level: str
    environment: str

    @property
    def secrets(self) -> list[str]:
        """Every value that must not be seen in a log."""
        return [self.llm_key, *passwords_in(self.postgres_url, self.redis_url, self.llm_url)]


def from_environment(env: Env) -> Settings:
    """Settings from `env`; SettingsError names what is missing."""
    level = text(env, "LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(LEVELS)}")
    key, base = text(env, "OPENAI_API_KEY"), text(env, "OPENAI_BASE_URL")
    return Settings(
        postgres_url=postgres_url(env),
        redis_url=redis_url(env),
        kafka_servers=kafka_servers(env),
        kafka_group=text(env, "KAFKA_GROUP_ID", "neuros"),
        topic=text(env, "KAFKA_TOPIC", "biometric-events"),
        dead_letter_topic=text(env, "KAFKA_DEAD_LETTER_TOPIC", "biometric-events.dlq"),
        stores_events=yes_or_no(env, "STORE_EVENTS", True),
        llm_url=base or (OPENAI_API if key else ""),
        llm_key=key,
        llm_model=text(env, "OPENAI_MODEL", "gpt-4o-mini"),
        llm_deadline=number(env, "OPENAI_DEADLINE", 45),
        port=int(number(env, "PORT", 8000)),
        log_level=level,
        environment=text(env, "ENVIRONMENT", "production"),
    )


def yes_or_no(env: Env, name: str, default: bool) -> bool:
    """`true` or `false` in `name`; SettingsError for anything else."""
    said = text(env, name, str(default)).lower()
    if said not in ("true", "false"):
        raise SettingsError(f"{name} must be true or false")
    return said == "true"
