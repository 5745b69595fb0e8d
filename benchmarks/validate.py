#!/usr/bin/env python3
"""validate-data against a raw scan and against its peers, as whole processes in turn.

    .venv/bin/python benchmarks/validate.py                        1M and 10M rows, easy and hard
    .venv/bin/python benchmarks/validate.py --rows 1000000 --rounds 5
    .venv/bin/python benchmarks/validate.py --scale                1M, 10M and 100M rows of ours alone
    .venv/bin/python benchmarks/validate.py --shapes               1,000 columns, a CSV, a table where every row fails

Every engine is given the same schema and must come to the same verdict. Data go to a cache folder, and are removed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.datasets import write_schema, write_wide_schema  # noqa: E402
from benchmarks.measure import CACHE, ROOT, compare, environment, run, stage, table  # noqa: E402

RIVALS: Final = ROOT / "benchmarks" / "rivals"
LIMIT, OURS = "DuckDB scan", "cd4ml"
PANDERA: Final = ["pandera[pandas,polars,io]==0.35.0", "pandas==3.1.1", "polars==2.1.0", "pyarrow==25.0.1"]
GREAT_EXPECTATIONS: Final = ["great-expectations==1.24.1", "pandas<3", "pyarrow==25.0.1", "pyyaml"]


def make(data: Path, rows: int, kind: str) -> None:
    """Write a table, in a process of its own."""
    run([sys.executable, ROOT / "benchmarks" / "datasets.py", data, str(rows), kind])


def ours(data: Path, schema: Path) -> list[str | Path]:
    """Return our command."""
    report = CACHE / "validate-data.json"
    python = stage("validate-data", "validate-data")
    command: list[str | Path] = [python, "-m", "cd4ml", "validate-data", "--data", data, "--schema", schema]
    return [*command, "--config", schema.parent / "none.yaml", "--report", report]


def commands(data: Path, schema: Path, *, slow: bool) -> dict[str, Sequence[str | Path]]:
    """Return the command of every engine."""
    pandera = environment("pandera", PANDERA)
    found: dict[str, Sequence[str | Path]] = {
        LIMIT: [sys.executable, RIVALS / "scan_duckdb.py", data],
        "Polars scan": [sys.executable, RIVALS / "scan_polars.py", data],
        OURS: ours(data, schema),
        "pandera, Polars lazy": [pandera, RIVALS / "validate_pandera.py", "polars-lazy", data, schema],
    }
    if slow:
        great = environment("great-expectations", GREAT_EXPECTATIONS)
        found["pandera, Polars"] = [pandera, RIVALS / "validate_pandera.py", "polars", data, schema]
        found["pandera, pandas"] = [pandera, RIVALS / "validate_pandera.py", "pandas", data, schema]
        found["Great Expectations, pandas"] = [great, RIVALS / "validate_great_expectations.py", data, schema]
    return found


def peers(folder: Path, rows: int, rounds: int) -> None:
    """Compare all engines on tables that pass."""
    for kind in ("easy", "hard"):
        data, schema = folder / f"{kind}.parquet", folder / f"{kind}.yaml"
        make(data, rows, kind)
        write_schema(schema, hard=kind == "hard")
        # The slow engines run once at 10M rows: their ratios are far from any limit.
        fast = compare(commands(data, schema, slow=False), rounds)
        slow = compare(
            {k: v for k, v in commands(data, schema, slow=True).items() if k not in fast}, max(1, rounds // 3)
        )
        table(f"{kind}, {rows:,} rows x 20 columns, {data.stat().st_size / 1e6:.0f} MB", {**fast, **slow}, LIMIT, OURS)
        data.unlink()


def scale(folder: Path) -> None:
    """Print how time and memory grow with the rows."""
    print("| rows | CPU s | wall s | peak MiB | CPU s per million rows |\n|---|---|---|---|---|")
    schema = folder / "easy.yaml"
    write_schema(schema, hard=False)
    for rows in (1_000_000, 10_000_000, 100_000_000):
        data = folder / "easy.parquet"
        make(data, rows, "easy")
        found = run(ours(data, schema))
        per = found.cpu / rows * 1e6
        print(f"| {rows:,} | {found.cpu:.2f} | {found.wall:.2f} | {found.peak:.0f} | {per:.3f} |", flush=True)
        data.unlink()


def shapes(folder: Path, rounds: int) -> None:
    """Compare on tables of other shapes; pandera exits with 1 where rows fail, and so do we."""
    rows = 1_000_000
    cases = {
        f"{rows // 10:,} rows x 1,000 columns": ("wide.parquet", "wide", rows // 10, 0),
        f"CSV, {rows:,} rows x 20 columns": ("easy.csv", "csv", rows, 0),
        f"every row fails, {rows:,} rows x 20 columns": ("easy.parquet", "easy", rows, 1),
    }
    pandera = environment("pandera", PANDERA)
    for title, (name, kind, size, code) in cases.items():
        data, schema = folder / name, folder / "schema.yaml"
        make(data, size, kind)
        if kind == "wide":
            write_wide_schema(schema)
        else:
            write_schema(schema, hard=False, failing=code == 1, csv=kind == "csv")
        found = compare({LIMIT: [sys.executable, RIVALS / "scan_duckdb.py", data]}, rounds)
        judges: dict[str, Sequence[str | Path]] = {
            OURS: ours(data, schema),
            "pandera, pandas": [pandera, RIVALS / "validate_pandera.py", "pandas", data, schema],
        }
        table(
            f"{title}, {data.stat().st_size / 1e6:.0f} MB", {**found, **compare(judges, rounds, (code,))}, LIMIT, OURS
        )
        data.unlink()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", action="store_true", help="ours alone, up to 100M rows (10 GB of disk)")
    parser.add_argument("--shapes", action="store_true", help="1,000 columns, a CSV, a table where every row fails")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        (folder / "none.yaml").write_text("")
        if arguments.scale:
            scale(folder)
        elif arguments.shapes:
            shapes(folder, arguments.rounds)
        else:
            for rows in arguments.rows:
                peers(folder, rows, arguments.rounds)


if __name__ == "__main__":
    main()
