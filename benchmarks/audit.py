"""Ten million predictions, eight intersectional groups, every metric with its interval: cd4ml and the bootstraps.

    python benchmarks/audit.py [--rows 10000000] [--rival-rows 1000000] [--draws 4] [--rounds 1]

Each contender is a whole process, run in turn, from the file to the numbers. Nobody waits for a thousand draws of ten
million rows: the rivals make few draws of fewer rows, and their time is extrapolated: what a draw costs is the
difference of two runs, and it grows as the rows do (which favours them: sorting grows faster).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import CACHE, ROOT, Run, compare  # noqa: E402

DRAWS: Final = 1_000
RIVALS: Final = ("fairlearn", "scikit-learn")
_CHUNK: Final = 1_000_000
# 1 GB in MiB.
_MOST: Final = 1e9 / 2**20


def write_predictions(path: Path, rows: int) -> None:
    """Write the predictions of two correlated models, in parts."""
    generator, writer = np.random.default_rng(0), None
    for start in range(0, rows, _CHUNK):
        n = min(_CHUNK, rows - start)
        y_true = (generator.random(n) < 0.3).astype(np.int8)
        shared = generator.normal(size=n)
        columns: dict[str, Any] = {}
        for model in ("", "production_"):
            raw = 1.2 * y_true + 0.95 * shared + 0.31 * generator.normal(size=n)
            columns |= {f"{model}y_pred": (raw > 0.8).astype(np.int8), f"{model}y_score": 1 / (1 + np.exp(0.8 - raw))}
        people = {
            "sex": np.array(["female", "male"])[generator.integers(0, 2, n)],
            "race": np.array(["a", "b", "c", "d"])[generator.integers(0, 4, n)],
        }
        part = pa.table({"y_true": y_true, **columns, **people})
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part)
    if writer is not None:
        writer.close()


def ours(table: Path) -> dict[str, list[str | Path]]:
    """Return the commands of the two stages."""
    program: list[str | Path] = [sys.executable, "-m", "cd4ml"]
    predictions: list[str | Path] = ["--predictions", table, "--report", CACHE / "report.json"]
    return {
        "evaluate-model": [
            *(*program, "evaluate-model", *predictions),
            *("--minimum", "accuracy=0.5,f1=0.3,roc-auc=0.5", "--maximum", "log-loss=2,brier=0.5"),
            *("--comparison", "not-significantly-worse"),
        ],
        "audit-fairness": [
            *(*program, "audit-fairness", *predictions),
            *("--sensitive-features", "sex,race", "--intersections", "gate", "--decision", "strict"),
            *("--maximum-equalized-odds-difference", "0.1", "--maximum-precision-difference", "0.1"),
            *("--maximum-calibration-gap", "0.5", "--maximum-ratio-drop", "0.1"),
        ],
    }


def rivals(table: Path, rows: int, draws: int) -> dict[str, list[str | Path]]:
    """Return the commands of the rivals: few draws, and one more than none, of which the difference is taken."""
    script = ROOT / "benchmarks" / "rivals" / "audit_bootstrap.py"
    return {
        f"{name} {count}": [sys.executable, script, name, table, str(rows), str(count)]
        for name in RIVALS
        for count in (1, 1 + draws)
    }


def extrapolated(runs: dict[str, Run], name: str, draws: int, times: float) -> float:
    """Return the CPU seconds of all draws on all rows; on a busy machine they tell more than those of the wall."""
    few, more = runs[f"{name} 1"].cpu, runs[f"{name} {1 + draws}"].cpu
    return (few + (more - few) / draws * (DRAWS - 1)) * times


def main() -> int:
    """Run everything and print a table; end with 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rival-rows", type=int, default=1_000_000)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    large, small = (CACHE / f"predictions-{n}.parquet" for n in (arguments.rows, arguments.rival_rows))
    for path, n in ((large, arguments.rows), (small, arguments.rival_rows)):
        if not path.exists():
            write_predictions(path, n)
    commands = {**ours(large), **rivals(small, arguments.rival_rows, arguments.draws)}
    runs = compare(commands, arguments.rounds, expected=(0,))
    own = sum(runs[name].cpu for name in ours(large))
    peak = max(runs[name].peak for name in ours(large))
    print("| process | rows | CPU s | wall s | peak MiB |\n|---|--:|--:|--:|--:|")
    for name, run in runs.items():
        n = arguments.rows if name in ours(large) else arguments.rival_rows
        print(f"| {name} | {n:,} | {run.cpu:.1f} | {run.wall:.1f} | {run.peak:.0f} |")
    times = arguments.rows / arguments.rival_rows
    rival = {name: extrapolated(runs, name, arguments.draws, times) for name in RIVALS}
    for name, seconds in rival.items():
        print(f"\n{name}, {DRAWS:,} draws of {arguments.rows:,} rows, extrapolated: {seconds:,.0f} CPU s")
    ratio = sum(rival.values()) / own
    print(
        f"\ncd4ml, both stages: {own:.1f} CPU s and {peak:.0f} MiB; the rivals together take {ratio:,.0f} times as long"
    )
    return 0 if ratio >= 50 and peak <= _MOST else 1


if __name__ == "__main__":
    sys.exit(main())
