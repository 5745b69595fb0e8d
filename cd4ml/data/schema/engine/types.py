"""How pandas sees a stored column, and which types of a schema it meets.

A pandas schema is about the table as pandas reads it: whole numbers with gaps are float64 there, booleans with gaps are
objects. The stored type and the number of nulls decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

_INTEGERS: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_TEXT: Final = "string[pyarrow]"
_TIME: Final = "datetime64[ns]"

# pandera's name of each type that the engine knows, by what a schema may say. pandera takes a nullable type of pandas
# for met by the plain one, and times for met in any unit.
DTYPES: Final[Mapping[str, str]] = {
    **{name: name for name in _INTEGERS},
    **{
        name.replace("uint", "UInt").replace("int", "Int"): name.replace("uint", "UInt").replace("int", "Int")
        for name in _INTEGERS
    },
    "int": "int64",
    "float": "float64",
    **{name: name for name in ("float32", "float64", "Float32", "Float64", "bool")},
    **{name: _TEXT for name in ("str", "string", _TEXT)},
    "category": "category",
    "boolean": "boolean",
    "object": "object",
    **{name: _TIME for name in ("datetime64", "datetime64[s]", "datetime64[ms]", "datetime64[us]", _TIME)},
}


def fits(own: str, stored: pl.DataType) -> bool:
    """Whether a column that pandas wrote with a type of its own is stored as the engine expects of such a type."""
    import polars as pl

    plain = {"boolean": pl.Boolean(), "string": pl.String()}.get(own)
    numbers = own.lower() in (*_INTEGERS, "float32", "float64") and own.lower() == str(stored).lower()
    return numbers or (plain is not None and plain == stored)


def pandas_name(stored: pl.DataType, nulls: int, own: str | None = None) -> str | None:
    """Return the type, as pandera names it, that pandas gives to a stored column; None if the engine cannot say.

    Args:
        own: pandas' name of the type that it wrote the column with, if that is one of its own.
    """
    import polars as pl

    if own is not None:
        return (_TEXT if own == "string" else own) if fits(own, stored) else None
    name = str(stored).lower()
    if name in _INTEGERS:
        return "float64" if nulls else name
    if stored == pl.Boolean:
        return "object" if nulls else "bool"
    if stored in (pl.Float32, pl.Float64):
        return name
    if stored == pl.String:
        return _TEXT
    if isinstance(stored, pl.Categorical | pl.Enum):
        return "category"
    if isinstance(stored, pl.Datetime) and stored.time_zone is None:
        return _TIME
    return None


def meets(demanded: str, actual: str) -> bool:
    """Whether a column of this type, as pandas sees it, has the type that a schema demands.

    A nullable type is met by the plain one and the other way about. `object` is what pandas called texts before version
    3, and pandera wrote it into schemas for every column of texts.
    """
    return demanded.lower() == actual.lower() or (demanded == "object" and actual == _TEXT)
