"""The drift worker: events a second on one core, and memory over a simulated day.

    POLARS_MAX_THREADS=1 python -m benchmarks.monitor [--events 1000000] [--hours 24]

Events are as the gateway writes them, with ten features; they are read from JSON lines, counted in windows of an hour,
judged and kept in the state, all in one process with one thread of Polars.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from cd4ml.data.profile import reference as profile
from cd4ml.data.tables.opening import open_table
from cd4ml.report import Report
from cd4ml.stages.detect_drift.options import Options
from cd4ml.worker import state
from cd4ml.worker.program import Worker
from cd4ml.worker.setting import basis_of, counting_of, judge_of, terms_of
from cd4ml.worker.sources.files import Files
from cd4ml.worker.sources.opening import open_labels
from cd4ml.worker.windows import Rules

HOUR = 3600
BEGIN = 500_000 * HOUR
NUMBERS = ("age", "income", "balance", "tenure", "rate", "score_a", "score_b")
CITIES = np.array(["Oslo", "Rome", "Lima", "Cairo"])


def columns(number: int, seed: int) -> dict[str, np.ndarray]:
    """Return the columns of a population."""
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {name: np.round(rng.normal(100, 15, number), 3) for name in NUMBERS}
    found["age"] = rng.integers(18, 80, number)
    return found | {
        "city": rng.choice(CITIES, number),
        "segment": rng.choice(np.array(["a", "b", "c"]), number),
        "vip": rng.random(number) < 0.2,
    }


def lines(number: int, begin: float, seed: int) -> Iterator[str]:
    """Yield events of an hour."""
    found = columns(number, seed)
    at = np.sort(np.random.default_rng(seed).random(number)) * HOUR + begin
    stamps = np.datetime_as_string((at * 1000).astype("datetime64[ms]"), unit="ms")
    for n in range(number):
        numbers = ", ".join(f'"{name}": {found[name][n]}' for name in NUMBERS)
        texts = f'"city": "{found["city"][n]}", "segment": "{found["segment"][n]}"'
        trace, model = f"{seed:016x}{n:016x}", f'{{"name": "credit", "version": "7", "sha256": "{"a" * 64}"}}'
        yield (
            f'{{"id": "{trace}-00f067aa0ba902b7-0", "time": "{stamps[n]}Z", "trace_id": "{trace}", '
            f'"request_id": "r{n}", "model": {model}, "track": "stable", "cohort": null, '
            '"protocol": "predict", "status": 200, '
            '"latency_ms": 0.9, "rows": 1, "row": 0, "cached": false, '
            f'"features": {{{numbers}, {texts}, "vip": {str(bool(found["vip"][n])).lower()}}}, '
            '"prediction": {"y_pred": 1, "y_score": 0.83}}\n'
        )


def worker(folder: Path, reports: list[Report], clock: list[float], *, labels: bool = False) -> Worker:
    """Return a worker over a file in the folder, which waits for labels or not."""
    table = folder / "train.parquet"
    if not table.exists():
        pl.DataFrame(columns(50_000, 1)).write_parquet(table)
    source = open_table(str(table)).source()
    reference = profile.build(source, NUMBERS, ["city", "segment", "vip"])
    judge = judge_of(
        Options(reference=str(table), current="events"),
        reference,
        None,
        list(reference.features),
        schema=None,
        maximum_broken=0.01,
        maximum_unreadable=0.01,
    )
    rules = Rules(seconds=HOUR, lateness=300, tracks=("stable",))
    path = folder / "state.npz"
    terms = terms_of(judge, seconds=24 * HOUR, most=500_000) if labels else None
    known = state.read(
        path, basis_of(judge, rules), rules, counting_of(judge), remembered=200_000, now=BEGIN, terms=terms
    )
    sources = [Files(str(folder / "events.jsonl"), known.positions.get(str(folder / "events.jsonl")))]
    late = [open_labels(str(folder / "labels.jsonl"), known.label_positions)] if labels else []
    return Worker(
        known, path, sources, judge, lambda report, _: reports.append(report), clock=lambda: clock[0], labels=late
    )


def speed(events: int, *, labels: bool) -> None:
    """Print events a second on one core; with labels, each event has one that comes with it."""
    with tempfile.TemporaryDirectory() as name:
        folder, reports, clock = Path(name), list[Report](), [BEGIN + HOUR + 301.0]
        with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(lines(events, BEGIN, 2))
        if labels:
            with (folder / "labels.jsonl").open("w", encoding="utf-8") as file:
                name = f"{2:016x}{{:016x}}-00f067aa0ba902b7-0"
                file.writelines(f'{{"id": "{name.format(n)}", "y_true": 1}}\n' for n in range(events))
        size = (folder / "events.jsonl").stat().st_size
        one = worker(folder, reports, clock, labels=labels)
        began = time.process_time()
        while one.turn():
            pass
        took = time.process_time() - began
        counted = reports[0].inputs[1].rows
        assert counted == events, counted
        words = "events with labels" if labels else "events"
        print(
            f"{events:,} {words} of {size / events:.0f} bytes: {took:.2f} s of one core, {events / took:,.0f} events/s"
        )


def day(hours: int, events: int) -> None:
    """Print the peak of memory after each simulated hours."""
    with tempfile.TemporaryDirectory() as name:
        folder, reports, clock = Path(name), list[Report](), [0.0]
        peaks = []
        (folder / "events.jsonl").touch()
        one = worker(folder, reports, clock)
        for hour in range(hours):
            path = folder / "events.jsonl"
            path.rename(folder / "events.jsonl.1")
            with path.open("w", encoding="utf-8") as file:
                file.writelines(lines(events, BEGIN + hour * HOUR, 10 + hour))
            clock[0] = BEGIN + (hour + 1) * HOUR + 301.0
            while one.turn():
                pass
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        total = sum(report.inputs[1].rows or 0 for report in reports)
        assert total == hours * events, total
        size = (folder / "state.npz").stat().st_size / 2**20
        print(f"{hours} hours of {events:,} events: peak {peaks[1]} MiB after 2 hours, {peaks[-1]} MiB at the end;")
        print(f"state {size:.1f} MiB; {len(reports)} windows, all {total:,} events counted")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--events-an-hour", type=int, default=100_000)
    told = parser.parse_args()
    assert pl.thread_pool_size() == 1, "set POLARS_MAX_THREADS=1: the figure is for one core"
    for labels in (False, True):
        speed(told.events, labels=labels)
    day(told.hours, told.events_an_hour)


if __name__ == "__main__":
    main()
