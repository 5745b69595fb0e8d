"""analyze-rollout in simulated rollouts: what becomes of equal canaries, of worse ones and of biased ones.

    python -m benchmarks.rollout [--runs 500] [--events 1000000]

Each run draws what both versions count in a minute and decides after every minute, as `rollout.yml` does on a schedule:
a step that may go on takes the canary to its next share, with new counts. All findings that events allow are judged.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from cd4ml.checks.rollout.judge import Limits
from cd4ml.checks.rollout.verdict import Verdict, decide
from cd4ml.metrics.rollout.counting import CANARY, STABLE, Counting, Counts, Wanted
from cd4ml.metrics.rollout.variables import ANSWERED, FAILED, GROWTH, REFUSED, Feature, Layout
from cd4ml.observe.events.sources import parts

STEPS: Final = (0.01, 0.05, 0.10, 0.50)
LOOKS: Final = 30
FINDINGS: Final = ("errors", "latency", "predictions", "bias")
_LAYOUT: Final = Layout(features=(Feature(name="age", borders=(30.0, 40.0, 50.0)), Feature(name="city")))
_LATENCY: Final = np.arange(300, 560)


@dataclass(frozen=True, kw_only=True)
class World:
    """How a version behaves; `old` is the share of its users in the last cell of `age`."""

    errors: float = 0.01
    slower: float = 1.0
    positive: float = 0.3
    old: float = 0.25


def drawn(rng: np.random.Generator, world: World, requests: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield what a version counts in a minute: rows by cell, by variable."""
    refused = 0.002
    outcomes = rng.multinomial(requests, [1 - world.errors - refused, world.errors, refused])
    yield "requests", {ANSWERED: requests}
    yield "errors", dict(zip((ANSWERED, FAILED, REFUSED), outcomes.tolist(), strict=True))
    rows = int(outcomes[0])
    middle = math.log(5.0 * world.slower / 1e-3) / math.log(GROWTH)
    spread = 0.5 / math.log(GROWTH)
    density = np.exp(-(((_LATENCY - middle) / spread) ** 2) / 2)
    latency = rng.multinomial(rows, density / density.sum())
    yield "latency", {f"{cell:04d}": int(n) for cell, n in zip(_LATENCY, latency, strict=True) if n}
    positive = int(rng.binomial(rows, world.positive))
    yield "prediction", {"0": rows - positive, "1": positive}
    for variable in ("score", "entropy"):
        yield variable, {f"{cell:04d}": int(n) for cell, n in enumerate(rng.multinomial(rows, [0.05] * 20)) if n}
    ages = rng.multinomial(rows, [(1 - world.old) / 3] * 3 + [world.old])
    yield "feature age", {f"{cell:04d}": int(n) for cell, n in enumerate(ages)}
    yield "feature city", dict(zip(("Oslo", "Rome"), rng.multinomial(rows, [0.6, 0.4]).tolist(), strict=True))


def step(
    rng: np.random.Generator, stable: World, canary: World, share: float, *, requests: int, looks: int
) -> Iterator[Verdict]:
    """Yield the verdict after every minute of a step in which so many requests come.

    Errors of both versions rise and fall with the time, as they do in a day.
    """
    counts = Counts(layout=_LAYOUT)
    limits = Limits(findings=FINDINGS)
    for minute in range(looks):
        tide = 1 + 0.5 * math.sin(minute / 5)
        total = int(rng.poisson(requests / LOOKS))
        of_canary = int(rng.binomial(total, share))
        for role, world, rows in ((CANARY, canary, of_canary), (STABLE, stable, total - of_canary)):
            moved = replace(world, errors=world.errors + 0.01 * (tide - 1) * 0.5)
            for variable, cells in drawn(rng, moved, rows):
                counts.cells.setdefault(variable, {}).setdefault(role, {})[minute] = {**cells}
        yield decide(counts, limits, forecast=False)


def rollout(
    rng: np.random.Generator, stable: World, canary: World, *, requests: int, looks: int = 3 * LOOKS
) -> tuple[str, float]:
    """Return how a rollout ends, and the share that the canary had then."""
    for share in STEPS:
        word = "wait"
        for verdict in step(rng, stable, canary, share, requests=requests, looks=looks):
            word = verdict.word
            if word != "wait":
                break
        if word != "go-on":
            return word, share
    return "go-on", 1.0


def alarms(rng: np.random.Generator, *, requests: int) -> bool:
    """Whether any of 30 looks at equal variants alarms."""
    looks = step(rng, World(), World(), 0.5, requests=requests, looks=LOOKS)
    return any(
        check.status == "failed" or check.reason == "canary-unlike" for verdict in looks for check in verdict.checks
    )


SCENARIOS: Final = {
    "equal": World(),
    "2 points more errors": World(errors=0.03),
    "p95 40 % longer": World(slower=1.4),
    "15 points more of a class": World(positive=0.45),
    "users of 20 points more in a cell": World(old=0.45),
}


def speed(rows: int) -> str:
    """Return how fast events of JSON lines are counted."""
    rng = np.random.default_rng(1)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("w") as file:
            for number in range(rows):
                at = now - timedelta(seconds=float(rows - number) / 1000)
                track = "canary" if rng.random() < 0.1 else "stable"
                event = {
                    "id": f"{number:032x}-00f067aa0ba902b7-0",
                    "time": at.isoformat(timespec="milliseconds"),
                    "trace_id": f"{number:032x}",
                    "model": {"name": "credit", "version": "7", "sha256": track[0] * 64},
                    "track": track,
                    "status": 200,
                    "latency_ms": round(float(rng.exponential(5)), 3),
                    "row": 0,
                    "features": {
                        "age": int(rng.integers(18, 90)),
                        "income": float(rng.normal(5e4, 1e4)),
                        "city": "Oslo",
                    },
                    "prediction": {"y_pred": int(rng.random() < 0.3), "y_score": float(rng.random())},
                }
                file.write(json.dumps(event) + "\n")
        size = path.stat().st_size
        began, worked = time.perf_counter(), time.process_time()
        counting = Counting(Wanted(tracks={STABLE: STABLE, CANARY: CANARY}, now=now))
        for part in parts([str(path)]):
            counting.add(part.events)
        decide(counting.finish(), Limits(findings=FINDINGS))
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    size_and_wall = f"{rows:,} events ({size / 1e6:.0f} MB) in {seconds:.1f} s"
    return f"{size_and_wall}, {worked:.1f} s of CPU time: {rows / worked:,.0f} for each"


def main() -> None:
    """Print what becomes of the rollouts."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=500)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--requests", type=int, default=1_000_000)
    given = arguments.parse_args()
    if given.events:
        print(speed(given.events), flush=True)
    for name, canary in SCENARIOS.items():
        runs = given.runs if name == "equal" else max(1, given.runs // 5)
        rngs = (np.random.default_rng([7, run]) for run in range(runs))
        ends = Counter(rollout(rng, World(), canary, requests=given.requests) for rng in rngs)
        print(f"{name}: {dict(ends)} of {runs}", flush=True)
    found = [alarms(np.random.default_rng([11, run]), requests=100_000) for run in range(given.runs)]
    print(f"30 looks at equal variants: {sum(found)} of {given.runs} alarm", flush=True)


if __name__ == "__main__":
    main()
