"""The local rule engine: what a user's own numbers say, without a language model.

1. A value is fresh for 48 hours; older ones are told with their age and judge nothing.
2. Scores from 0 to 100 fall into bands as their vendors publish them: recovery_score (WHOOP) low below 34, high from 67;
   readiness_score and hrv_balance (Oura) low below 70, high from 85.
3. Weak signal: a fresh value 15 % or more away from the user's own baseline, which has at least 5 readings; or a low band.
4. Arc (and mode): `recovery` with any fresh score low; `performance` with all fresh scores high; else `balanced`;
   `unknown` without anything fresh.
5. Data quality: `none` without readings, `stale` without fresh ones, `limited` until a fresh metric has 5 readings, `good`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

BANDS = {"recovery_score": (34, 67), "readiness_score": (70, 85), "hrv_balance": (70, 85)}
FRESH = timedelta(hours=48)
DEVIATION = 0.15
MIN_SAMPLES = 5
RECOVERY, BALANCED, PERFORMANCE, UNKNOWN = "recovery", "balanced", "performance", "unknown"

_ADVICE = {
    RECOVERY: "Your numbers ask for recovery: keep today easy, sleep early, and leave hard training for later.",
    BALANCED: "Your numbers are in balance: moderate load is fine; watch how the next readings move.",
    PERFORMANCE: "Your numbers are high across the board: a demanding session today should be well absorbed.",
    UNKNOWN: "There is no reading from the last 48 hours, so I cannot judge today; sync your device and ask again.",
}


@dataclass(frozen=True)
class Finding:
    """One metric judged; `band` is low, middle, high or empty; `deviation` is a share of the baseline."""

    metric: str
    value: float
    device: str
    age: timedelta
    band: str
    baseline: float
    samples: int
    deviation: float

    @property
    def fresh(self) -> bool:
        """Young enough to say something about today."""
        return self.age <= FRESH

    @property
    def weak_signal(self) -> str:
        """A short text when this metric is a weak signal (rule 3), else empty."""
        if not self.fresh:
            return ""
        if abs(self.deviation) >= DEVIATION and self.samples >= MIN_SAMPLES:
            return f"{_label(self.metric)} is {abs(self.deviation):.0%} {'above' if self.deviation > 0 else 'below'} your baseline"
        return f"{_label(self.metric)} is low" if self.band == "low" else ""

    @property
    def sentence(self) -> str:
        """The value with its band, source, age and baseline."""
        band = f", {self.band} range" if self.band else ""
        known = f"; your baseline is {self.baseline:.4g} over {self.samples} readings" if self.samples > 1 else ""
        return f"Your {_label(self.metric)} is {self.value:.6g} ({self.device}, {_ago(self.age)}{band}){known}."


@dataclass(frozen=True)
class Assessment:
    """All findings, sorted by metric, and what follows from them."""

    findings: list[Finding]
    arc: str
    reason: str
    weak_signals: list[str]
    data_quality: str


def assess(metrics: Mapping[str, Mapping[str, Any]], now: datetime | None = None) -> Assessment:
    """Judge the newest value of each metric (shape: Store.latest) at the time `now`."""
    now = now or datetime.now(timezone.utc)
    findings = [_finding(metric, reading, now) for metric, reading in sorted(metrics.items())]
    fresh = [finding for finding in findings if finding.fresh]
    arc, reason = _arc(fresh)
    return Assessment(findings, arc, reason, [f.weak_signal for f in findings if f.weak_signal], _quality(findings, fresh))


def answer(assessment: Assessment, message: str) -> str:
    """The user's numbers in words, those that the message names first, then the advice of the arc."""
    if not assessment.findings:
        return "I have no readings of yours yet. Connect a device, let it sync, and ask me again."
    asked = message.lower()
    ordered = sorted(assessment.findings, key=lambda f: (_label(f.metric).split()[0] not in asked, not f.fresh, f.metric))
    return " ".join([*(f.sentence for f in ordered[:6]), _ADVICE[assessment.arc]])


def _finding(metric: str, reading: Mapping[str, Any], now: datetime) -> Finding:
    value, baseline = reading["value"], reading["baseline"]
    return Finding(
        metric=metric,
        value=value,
        device=reading["device_type"],
        age=max(now - datetime.fromisoformat(reading["timestamp"]), timedelta(0)),
        band=_band(metric, value),
        baseline=baseline,
        samples=reading["samples"],
        deviation=(value - baseline) / abs(baseline) if baseline else 0.0,
    )


def _band(metric: str, value: float) -> str:
    if metric not in BANDS:
        return ""
    low, high = BANDS[metric]
    return "low" if value < low else "high" if value >= high else "middle"


def _arc(fresh: list[Finding]) -> tuple[str, str]:
    scores = [finding for finding in fresh if finding.band]
    low = [finding for finding in scores if finding.band == "low"]
    if low:
        return RECOVERY, f"{low[0].metric} {low[0].value:.6g} is low"
    if scores and all(finding.band == "high" for finding in scores):
        return PERFORMANCE, f"{scores[0].metric} {scores[0].value:.6g} is high"
    if fresh:
        return BALANCED, "no score is low"
    return UNKNOWN, "nothing measured in 48 hours"


def _quality(findings: list[Finding], fresh: list[Finding]) -> str:
    if not findings:
        return "none"
    if not fresh:
        return "stale"
    return "good" if any(finding.samples >= MIN_SAMPLES for finding in fresh) else "limited"


def _label(metric: str) -> str:
    return metric.replace("_", " ")


def _ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 2:
        return "just now"
    if minutes < 120:
        return f"{minutes} minutes ago"
    hours = minutes // 60
    return f"{hours} hours ago" if hours < 48 else f"{hours // 24} days ago"
