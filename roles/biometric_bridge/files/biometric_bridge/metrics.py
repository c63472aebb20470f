"""What the bridge counts, as Prometheus reads it on /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

PUBLISHED = Counter("biometric_events_published_total", "Events that Kafka acknowledged", ["device_type"])
REJECTED = Counter("biometric_events_rejected_total", "Webhooks and readings that became no event", ["reason"])
PUBLISH_SECONDS = Histogram(
    "biometric_publish_seconds",
    "From the first byte sent to Kafka's acknowledgement of a webhook's last event",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
