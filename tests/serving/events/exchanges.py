"""Exchanges as the gateway makes them, for the tests of events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from cd4ml.serving.events.event import Events, Sample
from cd4ml.serving.events.privacy import Privacy
from cd4ml.serving.exchange import Answers, Batch, Exchange
from tests.conftest import ROOT

MODEL: Mapping[str, str | None] = {"name": "loans", "version": "3", "sha256": "a" * 64}
SCHEMA = json.loads((ROOT / "docs" / "prediction-event.v1.schema.json").read_text())


def exchange(number: int = 0, rows: int = 1, **other: Any) -> Exchange:
    """Return an exchange that was answered."""
    batch = Batch(columns={"age": list(range(rows)), "city": ["Oslo"] * rows, "income": [None] * rows}, rows=rows)
    values: dict[str, Any] = {
        "protocol": "predict",
        "request_id": f"request-{number}",
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "parent_id": None,
        "sampled": True,
        "time_ns": 1_800_000_000_123_456_789,
        "began": 0.0,
        "bytes_in": 100 * rows,
        "batch": batch,
        "answers": Answers(y_pred=[1] * rows, y_score=[0.75] * rows),
        "status": 200,
        "seconds": 0.0125,
    }
    return Exchange(**values | other)


def events(privacy: Privacy | None = None, share: float = 1.0) -> Events:
    """Return what makes events."""
    return Events(model=MODEL, track="stable", cohort=None, privacy=privacy or Privacy(), sample=Sample(share))


def read(lines: Sequence[bytes] | bytes) -> list[dict[str, Any]]:
    """Return events as documents; each must be what the published schema says."""
    texts = lines.splitlines() if isinstance(lines, bytes) else lines
    found = [json.loads(text) for text in texts]
    for document in found:
        Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)
    return found


def files(path: Path) -> list[bytes]:
    """Return the lines of a file and of those before it, the oldest first."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda one: int(one.suffix[1:]), reverse=True)
    return [line for one in (*older, path) if one.exists() for line in one.read_bytes().splitlines()]
