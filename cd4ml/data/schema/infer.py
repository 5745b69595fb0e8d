"""A schema proposed from training data: every value is read once, and what is proposed waits for a person's review."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.engine.types import pandas_name
from cd4ml.data.schema.engine.unique import duplicates
from cd4ml.data.tables import by_name
from cd4ml.data.tables.odd_cells import OddCells, odd_cells
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import polars as pl

_FEWEST_ROWS_PER_CATEGORY: Final = 10
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*[A-Za-z0-9_]|[A-Za-z_]")
_WORDS: Final = frozenset("true false null yes no on off y n nan inf".split())
# A time zone by name; pandas and pandera name fixed offsets in different ways.
_ZONE: Final = re.compile(r"[A-Za-z_]+(?:/[A-Za-z_-]+)*")
_LARGEST: Final = 2**53
_WIDEST: Final = 1e300
# Whole numbers in a range as small as this have not shown how far they reach.
_FEW: Final = 20
_NAMELESS: Final = re.compile(r"Unnamed: \d+")


@dataclass(kw_only=True)
class Seen:
    """What was seen of a column.

    Attributes:
        own: pandas' name of the type that it wrote the column with, if that is one of its own, such as `Int64`.
        lower, upper: of numbers and times, without infinities; of texts, their lengths.
        values: the different texts, or the whole numbers if there are at most two; None if there are too many.
        distinct: no batch of rows held a value twice.
    """

    stored: pl.DataType
    own: str | None = None
    rows: int = 0
    missing: int = 0
    infinite: int = 0
    lower: Any = None
    upper: Any = None
    values: set[Any] | None = field(default_factory=set)
    distinct: bool = True

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposed schema.

    Attributes:
        text: YAML as pandera reads it, with comments on what to review.
        rows: rows that it was inferred from.
        faults: what validate-data blocks in the very data that it was inferred from.
        remarks: columns of texts that are nearly numbers.
    """

    text: str
    rows: int
    faults: Sequence[str]
    remarks: Sequence[str] = ()


def propose(source: Source, *, slack: float, most_categories: int) -> Proposal:
    """Propose a schema that the data meet.

    Columns are read once, side by side; one that may be a key is read once more, to be sure.

    Args:
        slack: how far bounds reach beyond the values seen, as a share of their range.
        most_categories: number of different texts up to which a column holds categories.
    """
    with refused(source.name):
        seen = _look(source, most_categories)
        keys = [column for column, found in seen.items() if _may_be_key(found) and _is_key(source, column)][:1]
    name, odd = quoted(source.name), odd_cells(source, list(seen))
    lines = [
        f"# Proposed from {source.rows} rows of {name}. Nothing here is a decision yet: review every line,",
        "# compare it with what the data mean, and delete these comments when it is right.",
        f"# In cd4ml.yaml, consider `minimum-rows: {max(2, source.rows // 2)}` (half of the rows seen).",
        "schema_type: dataframe",
        "api: pandas",
        "columns:",
    ]
    faults = []
    for column, found in seen.items():
        lines += _column(column, found, column in keys, slack, odd.get(column))
        if not found.filled:
            faults.append(f"{column}: it holds no value; drop it from the data, or find out why")
        if found.infinite:
            faults.append(f"{column}: {found.infinite} infinite values; fix them, or name it in allow-infinite")
    lines += ["# Review: with strict, a column that is new blocks.", "strict: true", ""]
    remarks = [f"{column}: {item.said(show=True)}. {item.advice}".strip() for column, item in odd.items()]
    return Proposal(text="\n".join(lines), rows=source.rows, faults=faults, remarks=remarks)


def _look(source: Source, most_categories: int) -> dict[str, Seen]:
    """Read every value once."""
    seen = {name: Seen(stored=stored, own=source.types.get(name)) for name, stored in source.schema.items()}
    for batch in source.lazy().collect_batches(maintain_order=True, engine="streaming"):
        for name, found in seen.items():
            _add(found, by_name.values(batch, name), most_categories)
    return seen


def _add(found: Seen, column: pl.Series, most_categories: int) -> None:
    """Add a batch of rows to what was seen of a column."""
    import polars as pl

    found.rows += len(column)
    if found.stored.is_nested():
        found.missing += column.null_count()
        found.values, found.distinct = None, False
        return
    if found.stored.is_float():
        column = column.fill_nan(None)
    found.missing += column.null_count()
    values = column.drop_nulls()
    found.distinct = found.distinct and values.len() == column.len() == values.n_unique()
    if found.stored.is_float():
        finite = values.filter(values.is_finite())
        found.infinite += len(values) - len(finite)
        values = finite
    _collect(found, values, most_categories)
    measured = values.str.len_chars() if found.stored == pl.String else values
    if len(measured) and (found.stored.is_numeric() or found.stored.is_temporal() or found.stored == pl.String):
        lower, upper = measured.min(), measured.max()
        found.lower = lower if found.lower is None else min(found.lower, lower)
        found.upper = upper if found.upper is None else max(found.upper, upper)


def _collect(found: Seen, values: pl.Series, most_categories: int) -> None:
    """Add the different values of a batch, until there are too many for categories."""
    import polars as pl

    most = most_categories if found.stored == pl.String else 2 if found.stored.is_integer() else 0
    if found.values is not None:
        found.values |= set(values.unique().head(most + 1).to_list()) if most else set()
        if len(found.values) > most or not most:
            found.values = None


def _may_be_key(found: Seen) -> bool:
    """Whether a column may be one whose values never repeat."""
    import polars as pl

    return found.distinct and found.rows > 1 and (found.stored.is_integer() or found.stored == pl.String)


def _is_key(source: Source, column: str) -> bool:
    """Whether no value of a column repeats."""
    return duplicates(source, [column], "all", 1).count == 0


def _column(name: str, found: Seen, key: bool, slack: float, odd: OddCells | None) -> Iterator[str]:
    """Yield the lines of a column."""
    import polars as pl

    yield f"  {quoted(name)}:"
    if name == "" or _NAMELESS.fullmatch(name):
        yield "    # Review: a column without a name: a pandas index (write index=False)? A delimiter that ends lines?"
    if odd:
        yield f"    # Review: {odd.said(show=True)}. {odd.advice}".rstrip()
    dtype = _dtype(found)
    if dtype:
        widened = found.stored.is_integer() and found.missing and found.own is None
        yield f"    dtype: {dtype}{'  # whole numbers with gaps, which pandas reads so' if widened else ''}"
    else:
        kind = found.own or found.stored
        yield f"    # Review: type {kind} is not checked; a schema for pandas has no plain name for it."
    if found.missing:
        share = 100 * found.missing / found.rows
        yield f"    nullable: true  # Review: {share:.3g} % of rows have no value; for a limit, set `budget` instead."
    else:
        yield "    nullable: false"
    if key:
        yield "    unique: true  # Review: no value repeated; the key?"
    if found.lower is None or key:
        return
    categories = found.values is not None and found.stored == pl.String
    enough = categories and found.filled >= _FEWEST_ROWS_PER_CATEGORY * len(found.values or ())
    if enough or (found.stored.is_integer() and found.values == {0, 1}):
        yield "    checks:"
        yield "      # Review: any other value blocks; these are values of the data, so see that none is private."
        yield f"      isin: [{', '.join(_scalar(value) for value in sorted(found.values or ()))}]"
    elif found.stored == pl.String:
        longest = math.ceil(found.upper * (1 + slack))
        shortest = math.floor(found.lower * (1 - min(slack, 1)))
        yield "    checks:"
        yield f"      # Review: lengths from {found.lower} to {found.upper} were seen."
        yield f"      str_length: {{min_value: {shortest}, max_value: {longest}}}"
    elif found.stored.is_temporal():
        yield f"    # Seen from {found.lower} to {found.upper}. For how old data may be, set `freshness`."
    elif found.stored.is_integer() or found.stored.is_float():
        yield from _bounds(found, slack)


def _bounds(found: Seen, slack: float) -> Iterator[str]:
    """Yield bounds of numbers, wider than what was seen by the slack; what never was negative does not become so."""
    lower, upper, whole = found.lower, found.upper, found.stored.is_integer()
    room = slack * (upper - lower)
    if whole and upper - lower <= _FEW:  # counts, grades: the next value is not a fault of the data
        room = max(room, upper - lower, 1)
    low, high = _outward(lower - room, -1), _outward(upper + room, 1)
    low = 0.0 if lower >= 0 > low else low
    # Whole numbers that large are not compared as they are written; floats that wide have no bounds.
    if max(abs(low), abs(high)) > (_LARGEST if whole else _WIDEST):
        return
    low, high = (math.floor(low), math.ceil(high)) if whole else (low, high)
    yield "    checks:"
    yield f"      # Review: from {_scalar(lower)} to {_scalar(upper)} were seen."
    shown = f"min_value: {_scalar(low)}, max_value: {_scalar(high)}"
    yield f"      in_range: {{{shown}, include_min: true, include_max: true}}"


def _outward(value: float, direction: int) -> float:
    """Return a number of three significant digits beyond a value, or the value if there is none."""
    if value == 0 or not 1e-290 < abs(value) < _WIDEST:
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    rounded = float(f"{(math.floor if direction < 0 else math.ceil)(value / step) * step:.4g}")
    return rounded if (rounded - value) * direction >= 0 else value


def _dtype(found: Seen) -> str | None:
    """Return the type as a pandera schema names it, None if it has no plain name."""
    import polars as pl

    if str(found.stored) == found.own == "UInt64":
        return found.own
    unsigned = str(found.stored) == "UInt64" and not found.missing and found.own is None
    name = "uint64" if unsigned else pandas_name(found.stored, found.missing, found.own)
    if isinstance(found.stored, pl.Datetime) and _ZONE.fullmatch(found.stored.time_zone or ""):
        return f"'datetime64[{found.stored.time_unit}, {found.stored.time_zone}]'"
    if name == "object" or name is None:
        return None
    return {"string[pyarrow]": "str", "datetime64[ns]": "'datetime64[ns]'"}.get(name, name)


def _scalar(value: Any) -> str:
    """Return a value as YAML, its type kept."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")  # YAML 1.1 wants the point
    return str(value)


def quoted(text: str) -> str:
    """Return a text as YAML, quoted where it needs to be; nothing unprintable is written as it is."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))
