"""Tables of 20 columns and the schemas that they meet.

`easy`: rising keys, texts by dictionary, no gaps. `hard`: shuffled keys, floats with not-a-number, plain texts. `csv`:
the easy one as CSV. `wide`: 1,000 columns, whole numbers and floats in turn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

_CITIES: Final = np.array([f"city{number:02d}" for number in range(20)])
_CHUNK: Final = 1_000_000
_ROW_GROUP: Final = 125_000
_WIDE: Final = 1_000


def write_table(path: Path, rows: int, *, hard: bool, seed: int = 0) -> None:
    """Write a table in parts, so that any size fits into memory."""
    rng = np.random.default_rng(seed)
    writer = None
    for part in _parts(rows, hard, rng):
        if writer is None:
            texts = [name for name in part.column_names if name != "note"] if hard else True
            writer = pq.ParquetWriter(path, part.schema, use_dictionary=texts)
        writer.write_table(part, row_group_size=_ROW_GROUP)
    if writer is not None:
        writer.close()


def write_csv(path: Path, rows: int) -> None:
    """Write the easy table as CSV, in parts."""
    writer = None
    for part in _parts(rows, False, np.random.default_rng(0)):
        writer = writer or arrow_csv.CSVWriter(path, part.schema)
        writer.write_table(part)
    if writer is not None:
        writer.close()


def write_wide(path: Path, rows: int) -> None:
    """Write a table of 1,000 columns."""
    rng = np.random.default_rng(0)
    columns = {f"c{i:03d}": rng.integers(0, 1000, rows) if i % 2 else rng.normal(50, 10, rows) for i in range(_WIDE)}
    pq.write_table(pa.table(columns), path, row_group_size=_ROW_GROUP)


def write_wide_schema(path: Path) -> None:
    """Write the schema that the wide table meets."""
    bounds = "in_range: {min_value: -100, max_value: 1000, include_min: true, include_max: true}"
    lines = ["schema_type: dataframe", "api: pandas", "columns:"]
    lines += [f"  c{i:03d}: {{dtype: {'int64' if i % 2 else 'float64'}, checks: {{{bounds}}}}}" for i in range(_WIDE)]
    path.write_text("\n".join([*lines, "strict: true", ""]))


def _parts(rows: int, hard: bool, rng: np.random.Generator) -> Iterator[pa.Table]:
    """Yield a table in parts."""
    keys = rng.permutation(rows) if hard else None
    for start in range(0, rows, _CHUNK):
        n = min(_CHUNK, rows - start)
        yield pa.table(
            {
                "key": np.arange(start, start + n) if keys is None else keys[start : start + n],
                **{f"count{i}": rng.integers(0, 1000, n) for i in range(6)},
                **{f"amount{i}": _amounts(rng, n, gaps=hard and i >= 3) for i in range(6)},
                **{f"city{i}": _CITIES[rng.integers(0, 20, n)] for i in range(4)},
                "note": _notes(rng, n) if hard else _CITIES[rng.integers(0, 20, n)],
                "at": np.datetime64("2026-01-01", "us") + np.sort(rng.integers(0, 10**12, n)).astype("timedelta64[us]"),
                "paid": rng.random(n) < 0.5,
            }
        )


def _amounts(rng: np.random.Generator, n: int, *, gaps: bool) -> npt.NDArray[np.float64]:
    """Return numbers, one in a hundred of them not a number where there are gaps."""
    values = rng.normal(50, 10, n)
    if gaps:
        values[rng.random(n) < 0.01] = np.nan
    return values


def _notes(rng: np.random.Generator, n: int) -> npt.NDArray[np.str_]:
    """Return texts that seldom repeat."""
    return np.char.add("user-", rng.integers(10**6, 10**7, n).astype(str))


def write_schema(path: Path, *, hard: bool, failing: bool = False, csv: bool = False) -> None:
    """Write a pandera schema; with `failing`, one that every row of every bounded column breaks.

    Args:
        csv: for a table in CSV, whose times are texts to pandas.
    """
    shift = 10_000 if failing else 0
    bounds = "in_range: {{min_value: {}, max_value: {}, include_min: true, include_max: true}}"
    counts, amounts = bounds.format(shift, shift + 999), bounds.format(shift - 100, shift + 200)
    cities = f"isin: [{', '.join(_CITIES[:1] + '!' if failing else _CITIES)}]"
    lines = ["schema_type: dataframe", "api: pandas", "columns:", "  key: {dtype: int64, unique: true}"]
    lines += [f"  count{i}: {{dtype: int64, checks: {{{counts}}}}}" for i in range(6)]
    for i in range(6):
        nullable = "true" if hard and i >= 3 else "false"
        lines.append(f"  amount{i}: {{dtype: float64, nullable: {nullable}, checks: {{{amounts}}}}}")
    length = "str_length: {min_value: 6, max_value: 6}"
    lines += [f"  city{i}: {{dtype: str, checks: {{{cities}, {length}}}}}" for i in range(4)]
    note = "str_matches: '^user-[0-9]+$'" if hard else cities
    at = "str" if csv else "'datetime64[ns]'"
    lines += [f"  note: {{dtype: str, checks: {{{note}}}}}", f"  at: {{dtype: {at}}}", "  paid: {dtype: bool}"]
    path.write_text("\n".join([*lines, "strict: true", "ordered: true", ""]))


if __name__ == "__main__":  # a process of its own: what is measured afterwards would inherit its peak of memory
    target, size, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if kind == "wide":
        write_wide(target, size)
    elif kind == "csv":
        write_csv(target, size)
    else:
        write_table(target, size, hard=kind == "hard")
