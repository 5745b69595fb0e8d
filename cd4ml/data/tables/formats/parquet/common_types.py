"""The common types of the files of a folder: what one stores in fewer bits, or has no value of, another may widen.

Only what keeps every value is widened; everything else is refused, since it would be read as what no file says.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.by_name import column, columns, leaves
from cd4ml.data.tables.pandas_metadata import unnoted
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset as ds

# Whole numbers up to here are the same as 64-bit floats.
_EXACT: Final = 2**53
# Times between these keep their value in nanoseconds.
_FIRST: Final = datetime.datetime(1678, 1, 1)
_LAST: Final = datetime.datetime(2262, 1, 1)


def common_schema(files: Sequence[Path]) -> pa.Schema | None:
    """Return the schema in which the rows of all files can be read, None if they have the same one.

    Raises:
        OptionsError: they have other columns, or types that no type holds without loss.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = [pq.read_schema(file) for file in files]
    first = schemas[0]
    plain = {frozenset(zip(schema.names, schema.types, strict=True)) for schema in schemas}
    if len(plain) == 1:
        return None
    for file, schema in zip(files, schemas, strict=True):
        others = sorted(set(schema.names) ^ set(first.names))
        if others:
            raise OptionsError(f"{file}: other columns than {files[0].name}: {', '.join(map(repr, others[:5]))}")
    types = {name: [schema.field(name).type for schema in schemas] for name in first.names}
    fields = [pa.field(name, _common(name, types[name], files)) for name in first.names]
    widened = [field.name for field in fields if field.type != first.field(field.name).type]
    return pa.schema(fields, metadata=unnoted(first.metadata, widened))


def dataset(path: Path, files: Sequence[Path]) -> ds.Dataset:
    """Return files as an Arrow dataset in their common types; folders such as `year=2026` are columns.

    Args:
        path: the file, or the folder that the files lie in.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    names = [str(file) for file in files]
    hive = {"partitioning": ds.partitioning(flavor="hive"), "partition_base_dir": str(path)} if path.is_dir() else {}
    plain = ds.dataset(names, format="parquet", **hive)
    common = common_schema(files) if len(files) > 1 else None
    if common is None:
        return plain
    types = {field.name: field for field in common}
    schema = pa.schema([types.get(field.name, field) for field in plain.schema], metadata=common.metadata)
    return ds.dataset(names, format="parquet", schema=schema, **hive)


def _common(name: str, types: Sequence[pa.DataType], files: Sequence[Path]) -> pa.DataType:
    """Return the type that holds every value of a column."""
    import pyarrow as pa

    stored = [kind for kind in dict.fromkeys(types) if not pa.types.is_null(kind)]
    if not stored:
        return pa.null()
    if len(stored) == 1:
        return stored[0]
    if all(pa.types.is_string(kind) or pa.types.is_large_string(kind) for kind in stored):
        return pa.large_string()
    wide = _numbers(stored) or _times(stored)
    for kind, file in zip(types, files, strict=True):
        if wide is None or not _kept(kind, wide, file, name):
            odd = next(other for other in types if other != types[0])
            raise OptionsError(
                f"{files[types.index(odd)]}: other columns or types than {files[0].name}: "
                f"{name!r} ({odd}, not {types[0]})",
                advice="Write the files with one type: no type holds the values of both unchanged.",
            )
    return wide


def _numbers(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return the common type of numbers, None if there is none."""
    import pyarrow as pa

    whole = [kind for kind in kinds if pa.types.is_integer(kind)]
    floats = [kind for kind in kinds if pa.types.is_floating(kind)]
    if len(whole) + len(floats) < len(kinds):
        return None
    if floats:
        widest = max(floats, key=lambda kind: kind.bit_width)
        return pa.float64() if whole else widest
    signed = [kind for kind in whole if pa.types.is_signed_integer(kind)]
    bits = max(kind.bit_width for kind in whole)
    if not signed:
        return {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[bits]
    unsigned = max((kind.bit_width for kind in whole if kind not in signed), default=0)
    bits = max(bits, 2 * unsigned)  # an unsigned number needs one more bit
    return {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}.get(bits)


def _times(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return the finest of types of times in one time zone, None if they are not all such."""
    import pyarrow as pa

    if not all(pa.types.is_timestamp(kind) and kind.tz == kinds[0].tz for kind in kinds):
        return None
    unit = max((kind.unit for kind in kinds), key=("s", "ms", "us", "ns").index)
    return pa.timestamp(unit, kinds[0].tz)


def _kept(kind: pa.DataType, wide: pa.DataType, file: Path, name: str) -> bool:
    """Whether a file's values keep their value in a wider type; where not all would, its footer says it of these."""
    import pyarrow as pa

    if pa.types.is_integer(kind) and pa.types.is_floating(wide) and kind.bit_width == 64:
        return _between(file, name, -_EXACT, _EXACT)
    if pa.types.is_timestamp(kind) and kind != wide and wide.unit == "ns":
        return _between(file, name, _FIRST, _LAST)
    return True


def _between(file: Path, name: str, low: Any, high: Any) -> bool:
    """Whether a file's footer says that all values of a column lie between two."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file)
    position = leaves(metadata)[name]
    for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
        statistics = group.column(position).statistics
        if statistics is None or not statistics.has_null_count:
            return False
        if statistics.null_count == group.num_rows:
            continue
        if not statistics.has_min_max or not low <= _naive(statistics.min) <= _naive(statistics.max) <= high:
            return False
    return True


def _naive(value: Any) -> Any:
    """Return a time without its zone."""
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


def scan(path: Path, files: Sequence[Path], common: pa.Schema | None) -> pl.LazyFrame:
    """Return the rows of files in their common types, in order; folders such as `year=2026` are columns.

    Args:
        path: the file, or the folder that the files lie in.
    """
    import polars as pl

    hive = path.is_dir()
    whole = pl.scan_parquet(list(files), hive_partitioning=hive, glob=False, try_parse_hive_dates=False)
    if common is None:
        return whole
    empty = pl.from_arrow(common.empty_table())
    assert isinstance(empty, pl.DataFrame)
    folders = {name: kind for name, kind in whole.collect_schema().items() if name not in empty.schema}
    parts = [
        pl.scan_parquet(file, hive_partitioning=hive, glob=False, try_parse_hive_dates=False, hive_schema=folders)
        for file in files
    ]
    return pl.concat([_widened(part, empty.schema) for part in parts])


def _widened(frame: pl.LazyFrame, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return a table with its columns in wider types, and in their order."""
    found = frame.collect_schema()
    casts = [column(name).cast(kind) for name, kind in types.items() if found[name] != kind]
    others = [name for name in found if name not in types]
    return frame.with_columns(casts).select(columns([*types, *others]))
