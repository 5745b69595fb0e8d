#!/usr/bin/env python3
"""check-split against raw scans of both tables, as whole processes in turn.

    .venv/bin/python benchmarks/split_scan.py                        2M training rows and as many test rows
    .venv/bin/python benchmarks/split_scan.py --rows 10000000 --rounds 1

18 features, the target and a row number. Data go to a cache folder, and are removed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.drift import write_table  # noqa: E402
from benchmarks.measure import CACHE, ROOT, compare, sizes, stage, table, written  # noqa: E402

RIVALS: Final = ROOT / "benchmarks" / "rivals"
LIMIT, OURS = "DuckDB scan of both", "cd4ml"


def write(path: Path, rows: int, seed: int) -> None:
    """Write a table of customers with a target and a row number, in parts."""
    features = path.with_suffix(".features.parquet")
    write_table(features, rows, seed)
    rng = np.random.default_rng([seed, 1])  # a stream of its own: the target depends on nothing
    writer, start = None, seed * rows
    with pq.ParquetFile(features) as file:
        for group in range(file.num_row_groups):
            part = file.read_row_group(group)
            part = part.append_column("target", pa.array(rng.integers(0, 2, len(part))))
            part = part.append_column("id", pa.array(np.arange(start, start + len(part))))
            start += len(part)
            writer = writer or pq.ParquetWriter(path, part.schema)
            writer.write_table(part)
    if writer is not None:
        writer.close()
    features.unlink()


def ours(folder: Path) -> list[str | Path]:
    """Return our command."""
    tables = ("--train-data", folder / "train.parquet", "--test-data", folder / "test.parquet", "--target", "target")
    command: list[str | Path] = [stage("check-split", "check-split"), "-m", "cd4ml", "check-split", *tables]
    return [*command, "--exclude", "id", "--config", folder / "none.yaml", "--report", folder / "report.json"]


def commands(folder: Path) -> dict[str, Sequence[str | Path]]:
    """Return the command of each contender."""
    tables = (folder / "train.parquet", folder / "test.parquet")
    return {
        LIMIT: [sys.executable, RIVALS / "scan_duckdb.py", *tables],
        "Polars scan of both": [sys.executable, RIVALS / "scan_polars.py", *tables],
        OURS: ours(folder),
    }


def main() -> None:
    """Run the benchmark."""
    arguments = sizes(__doc__, [2_000_000], write)
    if arguments is None:
        return
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            folder = Path(name)
            (folder / "none.yaml").write_text("")
            written(__file__, [folder / f"{part}.parquet" for part in ("train", "test")], rows)
            size = (folder / "test.parquet").stat().st_size / 1e6
            runs = compare(commands(folder), arguments.rounds)
            table(f"{rows:,} training rows and {rows:,} test rows x 20, {size:.0f} MB each", runs, LIMIT, OURS)


if __name__ == "__main__":
    main()
