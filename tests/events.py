"""Prediction events as the gateways of two versions would write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

STABLE_MODEL = "a" * 64
CANARY_MODEL = "b" * 64


@dataclass(frozen=True, kw_only=True)
class Service:
    """One version's behaviour.

    Attributes:
        share: of all requests that it gets.
        failed, refused: shares of its requests.
        latency: median in milliseconds; a log-normal one with a spread of 0.5.
        score: mean of its scores, which are beta distributed; the class is whether the score is at least 0.5.
        young: share of users younger than 40.
    """

    track: str
    model: str = STABLE_MODEL
    share: float = 0.5
    failed: float = 0.01
    refused: float = 0.002
    latency: float = 5.0
    score: float = 0.4
    young: float = 0.5
    cohort: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


STABLE = Service(track="stable", share=0.8)
CANARY = Service(track="canary", model=CANARY_MODEL, share=0.2)


def events(
    *services: Service, rows: int = 4_000, minutes: int = 30, seed: int = 1, end: datetime | None = None
) -> list[dict[str, Any]]:
    """Return events of the minutes before `end` (default: now), in the order of their times."""
    rng = np.random.default_rng(seed)
    first = (end or datetime.now(UTC)) - timedelta(minutes=minutes)
    shares = np.array([service.share for service in services])
    which = rng.choice(len(services), rows, p=shares / shares.sum())
    seconds = np.sort(rng.random(rows)) * minutes * 60
    return [
        _event(services[kind], number, first + timedelta(seconds=float(at)), rng)
        for number, (kind, at) in enumerate(zip(which, seconds, strict=True))
    ]


def _event(service: Service, number: int, time: datetime, rng: np.random.Generator) -> dict[str, Any]:
    """Return one event."""
    trace = f"{rng.integers(1 << 62):016x}{number:016x}"
    chance, young = rng.random(), rng.random() < service.young
    status = 500 if chance < service.failed else 422 if chance < service.failed + service.refused else 200
    event: dict[str, Any] = {
        "id": f"{trace}-00f067aa0ba902b7-0",
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "trace_id": trace,
        "model": {"name": "credit", "version": "7", "sha256": service.model},
        "track": service.track,
        "cohort": service.cohort,
        "protocol": "predict",
        "status": status,
        "latency_ms": round(float(service.latency * np.exp(rng.normal(0, 0.5))), 3),
        "rows": 1,
    }
    if status == 200:
        score = float(rng.beta(4 * service.score, 4 * (1 - service.score)))
        age = int(rng.integers(18, 40) if young else rng.integers(40, 90))
        event |= {"row": 0, "features": {"age": age, "city": str(rng.choice(["Oslo", "Rome"]))}}
        event |= {"prediction": {"y_pred": int(score >= 0.5), "y_score": round(score, 4)}}
    return event | dict(service.more)


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield events as JSON lines."""
    for event in found:
        yield json.dumps(event) + "\n"


def write(path: Path, found: list[dict[str, Any]]) -> Path:
    """Write a file of JSON lines."""
    path.write_text("".join(lines(found)), encoding="utf-8")
    return path
