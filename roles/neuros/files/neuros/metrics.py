"""What NEUROS counts, as Prometheus reads it on /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

STORED = Counter("neuros_events_stored_total", "Events written as a new row")
REPEATED = Counter("neuros_events_repeated_total", "Events whose row was already there")
DEAD_LETTERED = Counter("neuros_events_dead_lettered_total", "Messages sent to the dead-letter topic")
STORE_RETRIES = Counter("neuros_store_retries_total", "Times the consumer had to wait for Postgres or Kafka")
ANALYZE_SECONDS = Histogram("neuros_analyze_seconds", "Time to answer a user", buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 15, 30, 60))
ANALYZE = Counter("neuros_analyze_total", "Answers by the engine that gave them", ["engine"])
LLM_FAILURES = Counter("neuros_llm_failures_total", "Times the LLM gave no answer and the rules answered instead")
