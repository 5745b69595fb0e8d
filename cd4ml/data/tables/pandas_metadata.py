"""What pandas says in a Parquet or Arrow file about the table that it wrote: its index, and types of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_KEY: Final = b"pandas"
_GENERATED: Final = "__index_level_"
# Types of NumPy, and those of Arrow that pandas reads back without being told.
_PLAIN: Final = ("int", "uint", "float", "bool", "object", "str", "datetime64", "timedelta64", "category")


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level of an index: its name, and the column that holds it, None for a range of row numbers."""

    name: str | None
    column: str | None


@dataclass(frozen=True, kw_only=True)
class Written:
    """What pandas wrote about a table.

    Attributes:
        levels: of the index; none if the table was written without one, or if its range is not of this many rows.
        types: pandas' name of the type of each column whose type is of pandas' own: `Int64`, `boolean`, `string` …
        columns, index_columns: what stands there about each column, and about the index.
    """

    levels: Sequence[Level] = ()
    types: Mapping[str, str]
    columns: Sequence[Mapping[str, Any]]
    index_columns: Sequence[Any] = ()

    @property
    def row_numbers(self) -> list[str]:
        """Columns that hold an index without a name: row numbers are never values of the data."""
        return [level.column for level in self.levels if level.column and level.column.startswith(_GENERATED)]

    def about(self, names: Sequence[str], *, index: bool = False) -> dict[bytes, bytes]:
        """Return metadata by which Arrow gives some columns the types that pandas had, and the index or none.

        A type that pandas does not know, because another library brought it, is left to Arrow.
        """
        known = [column for column in self.columns if _field(column) in names]
        known = [c if _understood(str(c["numpy_type"])) else {**c, "numpy_type": "object"} for c in known]
        indexed = list(self.index_columns) if index else []
        return {_KEY: json.dumps({"index_columns": indexed, "column_indexes": [], "columns": known}).encode()}


def written(schema: pa.Schema, rows: int) -> Written | None:
    """Return what pandas wrote about a table of so many rows, None if pandas did not write it."""
    try:
        found = json.loads((schema.metadata or {})[_KEY])
        columns = [column for column in found["columns"] if _field(column) in schema.names]
        types = {_field(column): str(column["numpy_type"]) for column in columns}
        names = {_field(column): column["name"] for column in columns}
        levels = [_level(item, names, rows) for item in found["index_columns"]]
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    own = {name: kind for name, kind in types.items() if not _is_plain(kind)}
    return Written(
        levels=() if None in levels else [level for level in levels if level],
        types=own,
        columns=columns,
        index_columns=found["index_columns"],
    )


def unnoted(metadata: Mapping[bytes, bytes] | None, names: Sequence[str]) -> dict[bytes, bytes] | None:
    """Return a schema's metadata without what pandas noted of some columns: their types are others by now."""
    try:
        found = json.loads((metadata or {})[_KEY])
        kept = [c for c in found["columns"] if _field(c) not in names or _field(c) in found["index_columns"]]
    except (KeyError, ValueError, TypeError, AttributeError):
        return dict(metadata) if metadata else None
    return {**(metadata or {}), _KEY: json.dumps({**found, "columns": kept}).encode()}


def _field(column: Mapping[str, Any]) -> str:
    """Return the name of the stored column that an entry is about; old files have one name for both."""
    return str(column.get("field_name", column.get("name")))


def _is_plain(kind: str) -> bool:
    """Whether a type needs no word of pandas to be read back."""
    return kind.rstrip("0123456789") in _PLAIN or kind.startswith(("datetime64[", "timedelta64["))


def _understood(kind: str) -> bool:
    """Whether pandas knows a type by its name."""
    from pandas.api.types import pandas_dtype

    try:
        pandas_dtype(kind)
    except (TypeError, ValueError, NotImplementedError):
        return False
    return True


def _level(item: Any, names: Mapping[str, str | None], rows: int) -> Level | None:
    """Return a level of the index, None if the table does not hold it."""
    if isinstance(item, str):
        name = names[item]
        return Level(name=None if name is None or str(name).startswith(_GENERATED) else str(name), column=item)
    fits = len(range(item["start"], item["stop"], item["step"])) == rows
    return Level(name=None if item["name"] is None else str(item["name"]), column=None) if fits else None


def to_pandas(table: pa.Table, about: Written | None, *, index: bool = False) -> pd.DataFrame:
    """Return a table as pandas.read_parquet reads it from a file with such metadata.

    Args:
        index: whether to restore the index; else rows are numbered from 0.
    """
    import pyarrow as pa

    names = table.column_names
    try:
        plain = table.replace_schema_metadata(about.about(names, index=index) if about else None)
        frame: pd.DataFrame = plain.to_pandas()
    except (TypeError, ValueError) as error:
        raise pa.ArrowInvalid(f"its pandas metadata contradict its columns ({error})") from error
    if not index:
        frame.columns = names  # pandas gives back names that are not texts
    return frame
