"""A reference, a worker with a clock of its own, and events as the gateway writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cd4ml.data.profile import reference as profile
from cd4ml.data.tables.opening import open_table
from cd4ml.report import Report
from cd4ml.stages.detect_drift.options import Options
from cd4ml.worker import state
from cd4ml.worker.program import Worker
from cd4ml.worker.setting import basis_of, counting_of, judge_of, terms_of
from cd4ml.worker.sources.opening import open_labels, open_source
from cd4ml.worker.state import Verdict
from cd4ml.worker.windows import Rules

# A Monday, on the hour.
BEGIN = 1_800_000_000.0 - 1_800_000_000.0 % 3600
NAMES = ("age", "income", "city", "vip", "y_score")


def rows(number: int, seed: int, **changed: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """Return rows of a population; `changed` maps the values of a feature."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        row: dict[str, Any] = {
            "age": int(rng.integers(18, 80)),
            "income": round(float(rng.normal(50_000, 9_000)), 2),
            "city": str(rng.choice(["Oslo", "Rome", "Lima"], p=[0.5, 0.3, 0.2])),
            "vip": bool(rng.random() < 0.2),
            "y_score": round(float(rng.beta(2, 3)), 4),
        }
        found.append(row | {name: change(row[name]) for name, change in changed.items()})
    return found


def events(
    found: Iterable[dict[str, Any]], begin: float, seconds: float = 3600.0, name: str = "e"
) -> list[dict[str, Any]]:
    """Return the events of rows, evenly over some seconds."""
    listed = list(found)
    return [
        {
            "id": f"{name}-{begin:.0f}-{at}",
            "time": stamp(begin + seconds * at / len(listed)),
            "model": {"name": "credit", "version": "7", "sha256": "a" * 64},
            "track": "stable",
            "status": 200,
            "features": {key: value for key, value in row.items() if key != "y_score"},
            "prediction": {"y_pred": 1, "y_score": row["y_score"]},
        }
        for at, row in enumerate(listed)
    ]


def stamp(seconds: float) -> str:
    """Return a time as events have it."""
    return f"{np.datetime64(int(seconds * 1000), 'ms')}Z"


def append(path: Path, found: Iterable[dict[str, Any] | str]) -> Path:
    """Append events, or lines as they are, to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in found)
    return path


def write_profile(folder: Path, number: int = 4_000) -> Path:
    """Write the profile of the population."""
    table = folder / "train.parquet"
    pl.DataFrame(rows(number, seed=1)).write_parquet(table)
    source = open_table(str(table)).source()
    path = folder / "profile.json"
    profile.write(path, profile.build(source, ["age", "income", "y_score"], ["city", "vip"]))
    return path


@dataclass
class Running:
    """A worker over a folder, with the reports that it has handed on."""

    worker: Worker
    reports: list[Report] = field(default_factory=list)
    now: float = BEGIN

    def drain(self, now: float | None = None) -> list[Report]:
        """Turn until nothing is left, and return the reports of it."""
        self.now = self.now if now is None else now
        before = len(self.reports)
        while self.worker.turn():
            pass
        return self.reports[before:]

    def crash(self, turns: int, now: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Turn so often, and once more, of which nothing is kept; then end."""
        self.now = now
        for _ in range(turns):
            self.worker.turn()
        monkeypatch.setattr(self.worker, "commit", lambda: None)
        self.worker.turn()
        self.worker.close()

    def publish(self, report: Report, _verdicts: Sequence[Verdict]) -> None:
        """Take a report."""
        self.reports.append(report)

    @property
    def counts(self) -> dict[str, int]:
        """Events by what became of them."""
        return {str(name): number for name, number in self.worker.state.windows.totals.counts.items()}


def worker(
    folder: Path, *places: str, seconds: int = 3600, lateness: int = 300, remembered: int = 10_000, **told: Any
) -> Running:
    """Return a worker that goes on where the state in the folder says."""
    options = Options(reference=str(folder / "profile.json"), current="events")
    reference = profile.read(folder / "profile.json")
    schema, names, model = told.pop("schema", None), told.pop("names", NAMES), told.pop("model", None)
    labels, wait, most = told.pop("labels", None), told.pop("wait", 0), told.pop("most", 10_000)
    limits = {"maximum_broken": 0.01, "maximum_unreadable": 0.01} | told
    judge = judge_of(options, reference, model, names, schema=schema, **limits)
    rules = Rules(seconds=seconds, lateness=lateness, tracks=("stable",))
    path = folder / "state.npz"
    terms = terms_of(judge, seconds=wait, most=most) if labels else None
    known = state.read(
        path, basis_of(judge, rules), rules, counting_of(judge), remembered=remembered, now=BEGIN, terms=terms
    )
    sources = [open_source(place, known.positions) for place in (places or (str(folder / "events.jsonl"),))]
    running = Running(worker=None)  # type: ignore[arg-type]
    late = [open_labels(labels, known.label_positions)] if labels else []
    running.worker = Worker(
        known, path, sources, judge, running.publish, commit_seconds=0, clock=lambda: running.now, labels=late
    )
    return running
