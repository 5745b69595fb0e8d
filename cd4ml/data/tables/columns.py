"""Reading single columns of a table: in parts for counting them, their bounds, and a sample of their values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.by_name import column, columns, leaves
from cd4ml.data.tables.by_name import values as values_of
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl
    import pyarrow as pa

_SAMPLE: Final = 100_000
# Rows that are in memory at once.
ROWS_AT_ONCE: Final = 1 << 17
_FEW_GROUPS: Final = 8
# A row group larger than this is read in parts; smaller ones are read whole, which is five times as quick.
_LARGEST_GROUP: Final = 1 << 22


class Family(StrEnum):
    """What a column's type allows to be compared."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    EMPTY = "empty"
    OTHER = "other"


def family(dtype: pl.DataType) -> Family:
    """Return the family of a Polars type."""
    import polars as pl

    if dtype.is_numeric():
        return Family.NUMBER
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Family.TEXT
    if dtype == pl.Boolean:
        return Family.BOOLEAN
    if dtype.is_temporal():
        return Family.TIME
    return Family.EMPTY if dtype == pl.Null else Family.OTHER


def inside(source: Source, names: Sequence[str]) -> bool:
    """Whether columns lie in Parquet files as they are."""
    import pyarrow.parquet as pq

    return bool(
        source.footers and not source.widened and names and set(names) <= set(pq.read_schema(source.files[0]).names)
    )


def parts(source: Source, names: Sequence[str], *, step: int = 1) -> Iterator[tuple[str, pa.Array]]:
    """Yield the parts of columns, each value once.

    Args:
        step: of Parquet, which row groups: each n-th one; 1 is all.
    """
    import pyarrow.parquet as pq

    if not names:
        return
    if not inside(source, names):
        for frame in source.lazy().select(columns(names)).collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True):
            for name in names:
                yield name, values_of(frame, name).to_arrow()
        return
    passed = 0
    for path in source.files:
        texts = [name for name in names if family(source.schema[name]) is Family.TEXT]
        # Row groups are read column by column: little memory, and no buffer of what lies ahead.
        with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as file:
            for group in range(-passed % step, file.num_row_groups, step):
                for name in names:
                    yield from ((name, part) for part in _parts(file, group, name))
            passed += file.num_row_groups


def _parts(file: Any, group: int, name: str) -> Iterator[pa.Array]:
    """Yield a column of a row group, in parts if it is large."""
    if file.metadata.row_group(group).num_rows > _LARGEST_GROUP:
        for batch in file.iter_batches(batch_size=1 << 20, row_groups=[group], columns=[name], use_threads=False):
            yield batch.column(name)
        return
    yield from file.read_row_group(group, columns=[name], use_threads=False).column(name).chunks


def bounds(source: Source, names: Sequence[str]) -> dict[str, tuple[Any, Any] | None]:
    """Return the lowest and highest finite value of columns of numbers, None for a column without any."""
    found = _footers(source, names) if source.footers else {}
    unknown = [name for name in names if name not in found]
    if unknown:
        finite = {name: _finite(name, source.schema[name]) for name in unknown}
        expressions = [
            expression
            for index, name in enumerate(unknown)
            for expression in (finite[name].min().alias(f"low{index}"), finite[name].max().alias(f"high{index}"))
        ]
        with refused(source.name):
            row = source.lazy().select(expressions).collect(engine="streaming").row(0, named=True)
        for index, name in enumerate(unknown):
            low, high = row[f"low{index}"], row[f"high{index}"]
            found[name] = None if low is None or high is None else (low, high)
    return found


def _finite(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the finite values of a column, as `as_numpy` has them."""
    import polars as pl

    values = column(name)
    if dtype.is_float():
        return values.filter(values.is_finite())
    if dtype == pl.Duration:
        return values.dt.total_microseconds()
    if dtype == pl.Time:
        return values.to_physical() // 1000
    if dtype.is_temporal():
        return values.dt.epoch("us")
    return values if dtype.is_integer() else values.cast(pl.Float64)


def _footers(source: Source, names: Sequence[str]) -> dict[str, tuple[Any, Any] | None]:
    """Return the bounds of columns of which all row groups state finite ones."""
    import pyarrow.parquet as pq

    plain = [name for name in names if source.schema[name].is_float() or source.schema[name].is_integer()]
    lows: dict[str, list[Any]] = {name: [] for name in plain}
    highs: dict[str, list[Any]] = {name: [] for name in plain}
    silent: set[str] = set()
    for path in source.files:
        metadata = pq.read_metadata(path)
        positions = leaves(metadata)
        for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
            for name in (name for name in plain if name in positions):
                chunk = group.column(positions[name])
                statistics = chunk.statistics
                if statistics and statistics.null_count == chunk.num_values == group.num_rows:
                    continue
                if statistics is None or not statistics.has_min_max:
                    silent.add(name)
                    continue
                lows[name].append(statistics.min)
                highs[name].append(statistics.max)
    return {
        name: (min(lows[name]), max(highs[name]))
        for name in plain
        if lows[name] and name not in silent and all(map(math.isfinite, (*lows[name], *highs[name])))
    }


def sample(source: Source, names: Sequence[str], *, cheap: bool = False) -> dict[str, npt.NDArray[np.float64]]:
    """Return finite values of columns from all over the table: for laying out a grid, never for a verdict.

    Args:
        cheap: from a few row groups of Parquet; nothing, if there are none that could be left out.
    """
    import numpy as np

    step = _step(source) if cheap else 1
    if step is None:
        return {}
    thin = max(1, source.rows // step // _SAMPLE)
    found: dict[str, list[Any]] = {name: [] for name in names}
    for name, values in parts(source, names, step=step):
        numbers = as_numpy(values)[::thin].astype(np.float64)
        found[name].append(numbers[np.isfinite(numbers)])
    return {name: np.concatenate([np.empty(0), *several]) for name, several in found.items()}


def _step(source: Source) -> int | None:
    """Return which row groups are a cheap sample, each n-th one; None if there are too few."""
    import pyarrow.parquet as pq

    if not source.footers:
        return None
    groups = sum(pq.read_metadata(file).num_row_groups for file in source.files)
    return groups // _FEW_GROUPS if groups >= 2 * _FEW_GROUPS else None


def as_numpy(values: pa.Array) -> npt.NDArray[Any]:
    """Return the values of a column of numbers or times (in microseconds) without its nulls."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(values.type):
        return np.empty(0)
    kept = values.drop_null() if values.null_count else values
    if pa.types.is_decimal(kept.type):
        kept = kept.cast(pa.float64())
    elif pa.types.is_time(kept.type):
        kept = kept.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pa.types.is_duration(kept.type):
        kept = kept.cast(pa.duration("us"), safe=False).cast(pa.int64())
    elif pa.types.is_temporal(kept.type):
        kept = kept.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    elif pa.types.is_dictionary(kept.type):
        kept = pc.cast(kept, kept.type.value_type)
    return as_array(kept)


def as_array(values: pa.Array) -> npt.NDArray[Any]:
    """Return numbers without gaps as they lie in memory; Arrow's own way imports pandas."""
    import numpy as np

    return np.from_dlpack(values)


def as_label(value: object) -> str:
    """Return a category as people write it: 1 of one table is the 1.0 of another."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
