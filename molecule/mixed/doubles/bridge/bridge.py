"""A biometric bridge as the operators' old images are: it writes the rows of a webhook itself, then tells Kafka of it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

ROW = """INSERT INTO biometric_events (event_id, user_id, device_type, metric_type, value, timestamp, raw_data)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
FIELDS = {"score": "readiness_score", "hrv_balance": "hrv_balance", "recovery_score": "recovery_score"}
STORING = ("readiness.updated", "recovery.updated")
DEVICES = ("oura", "whoop", "apple_health", "garmin", "fitbit")


class Bridge:
    """Postgres and Kafka, on an event loop of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.wait(self.open())

    def wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(os.environ["POSTGRES_URL"], min_size=1)
        self.producer = AIOKafkaProducer(bootstrap_servers=os.environ["KAFKA_BROKERS"])
        await self.producer.start()

    async def take(self, device: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Store the rows of a body, publish it as it came in the old form, return its events."""
        data = body.get("data") or {}
        metrics = {FIELDS[key]: float(value) for key, value in data.items() if key in FIELDS}
        if body.get("event_type") not in STORING or not metrics:
            return []
        now = datetime.now(timezone.utc)
        rows = [(uuid.uuid4(), body["user_id"], device, metric, value, now, json.dumps(data)) for metric, value in metrics.items()]
        await self.pool.executemany(ROW, rows)
        message = {"user_id": body["user_id"], "device_type": device, "readings": metrics, "timestamp": now.isoformat()}
        await self.producer.send_and_wait("biometric-events", json.dumps(message).encode())
        return [{"metric_type": metric, "value": value} for metric, value in metrics.items()]


class Handler(BaseHTTPRequestHandler):
    """`POST /webhooks/<device>`, `GET /health` and an empty `GET /metrics`."""

    bridge: Bridge

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "healthy", "healthy": True, "components": {"postgres": True, "kafka_producer": True}})
        else:
            self.answer(200 if self.path == "/metrics" else 404, {})

    def do_POST(self) -> None:
        device = self.path.removeprefix("/webhooks/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if device not in DEVICES:
            self.answer(404, {"detail": "Not Found"})
            return
        events = self.bridge.wait(self.bridge.take(device, body))
        self.answer(200, {"status": "success", "device_type": device, "events_processed": len(events), "events": events})

    def answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    Handler.bridge = Bridge()
    ThreadingHTTPServer(("0.0.0.0", 8888), Handler).serve_forever()
