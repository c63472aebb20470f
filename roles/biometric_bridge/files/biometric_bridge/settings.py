"""What the bridge is told by its environment."""

from __future__ import annotations

from dataclasses import dataclass

from auren_common.environment import Env, SettingsError, kafka_servers, number, passwords_in, postgres_url, redis_url, text

from biometric_bridge.devices import DEVICES

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class Settings:
    """Times are seconds. `webhook_secrets` holds only devices whose secret is set."""

    postgres_url: str
    redis_url: str
    kafka_servers: list[str]
    topic: str
    dead_letter_topic: str
    webhook_secrets: dict[str, str]
    publish_deadline: float
    retry_window: float
    port: int
    log_level: str
    environment: str

    @property
    def secrets(self) -> list[str]:
        """Every value that must not be seen in a log."""
        return [*self.webhook_secrets.values(), *passwords_in(self.postgres_url, self.redis_url)]


def from_environment(env: Env) -> Settings:
    """Settings from `env`; SettingsError names what is missing."""
    level = text(env, "LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(LEVELS)}")
    secrets = {device: text(env, f"{device.upper()}_WEBHOOK_SECRET") for device in DEVICES}
    return Settings(
        postgres_url=postgres_url(env),
        redis_url=redis_url(env),
        kafka_servers=kafka_servers(env),
        topic=text(env, "KAFKA_TOPIC", "biometric-events"),
        dead_letter_topic=text(env, "KAFKA_DEAD_LETTER_TOPIC", "biometric-events.dlq"),
        webhook_secrets={device: secret for device, secret in secrets.items() if secret},
        publish_deadline=number(env, "PUBLISH_DEADLINE", 8),
        retry_window=number(env, "RETRY_WINDOW", 600),
        port=int(number(env, "PORT", 8888)),
        log_level=level,
        environment=text(env, "ENVIRONMENT", "production"),
    )
