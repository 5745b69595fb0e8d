#!/usr/bin/env python3
"""detect-drift against a raw scan and against its peers, as whole processes in turn.

    .venv/bin/python benchmarks/drift.py                           1M against 1M and 10M against 10M rows
    .venv/bin/python benchmarks/drift.py --rows 1000000 --rounds 5

18 features: 15 numeric, 3 categorical. Peers run up to 1M rows. Data go to a cache folder, and are removed.
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

from benchmarks.measure import (  # noqa: E402
    CACHE,
    ROOT,
    compare,
    environment,
    run,
    sizes,
    stage,
    table,
    written,
)

RIVALS: Final = ROOT / "benchmarks" / "rivals"
LIMIT, OURS = "DuckDB scan of both", "cd4ml, two tables"
EVIDENTLY: Final = ["evidently==0.7.23", "pandas<3", "pyarrow==25.0.1"]
LARGEST_FOR_PEERS: Final = 1_000_000
_CHUNK: Final = 1_000_000
_ROW_GROUP: Final = 125_000
_CITIES: Final = np.array([f"city{number:02d}" for number in range(20)])


def write_table(path: Path, rows: int, seed: int) -> None:
    """Write a table in parts, so that any size fits into memory."""
    rng = np.random.default_rng(seed)
    writer = None
    for start in range(0, rows, _CHUNK):
        n = min(_CHUNK, rows - start)
        columns: dict[str, object] = {f"count{i}": rng.integers(0, 1000, n) for i in range(5)}
        columns |= {f"amount{i}": rng.normal(50, 10, n) for i in range(7)}
        columns |= {f"price{i}": rng.lognormal(3, 1, n) for i in range(3)}
        columns |= {f"city{i}": _CITIES[rng.integers(0, 20, n)] for i in range(3)}
        part = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part, row_group_size=_ROW_GROUP)
    if writer is not None:
        writer.close()


def ours(folder: Path, *arguments: str | Path) -> list[str | Path]:
    """Return our command."""
    command: list[str | Path] = [stage("detect-drift", "detect-drift"), "-m", "cd4ml", "detect-drift", *arguments]
    return [*command, "--config", folder / "none.yaml", "--report", folder / "report.json"]


def commands(folder: Path, *, peers: bool) -> dict[str, Sequence[str | Path]]:
    """Return the command of every engine."""
    reference, current, profile = folder / "reference.parquet", folder / "current.parquet", folder / "profile.json"
    found: dict[str, Sequence[str | Path]] = {
        LIMIT: [sys.executable, RIVALS / "scan_duckdb.py", reference, current],
        "Polars scan of both": [sys.executable, RIVALS / "scan_polars.py", reference, current],
        OURS: ours(folder, "--reference", reference, "--current", current),
        "cd4ml, a profile": ours(folder, "--reference", profile, "--current", current),
    }
    if peers:
        python = environment("evidently", EVIDENTLY)
        found["scipy and pandas"] = [sys.executable, RIVALS / "drift_scipy.py", reference, current]
        found["Evidently, PSI"] = [python, RIVALS / "drift_evidently.py", reference, current]
    return found


def main() -> None:
    """Run the benchmark."""
    arguments = sizes(__doc__, [1_000_000, 10_000_000], write_table)
    if arguments is None:
        return
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            folder = Path(name)
            (folder / "none.yaml").write_text("")
            written(__file__, [folder / f"{part}.parquet" for part in ("reference", "current")], rows)
            run(ours(folder, "--reference", folder / "reference.parquet", "--save-profile", folder / "profile.json"))
            size = (folder / "current.parquet").stat().st_size / 1e6
            runs = compare(commands(folder, peers=rows <= LARGEST_FOR_PEERS), arguments.rounds)
            table(f"{rows:,} against {rows:,} rows x 18 features, {size:.0f} MB each", runs, LIMIT, OURS)


if __name__ == "__main__":
    main()
