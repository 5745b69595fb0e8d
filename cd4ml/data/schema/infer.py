"""A schema proposed from training data: every value is read once, and what is proposed waits for a person's review."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.data.schema.bounds import FEWEST_ROWS, natural, wider
from cd4ml.data.schema.engine.types import pandas_name
from cd4ml.data.schema.engine.unique import duplicates
from cd4ml.data.schema.scalars import quoted, scalar
from cd4ml.data.schema.seen import Seen, add, columns
from cd4ml.data.tables.odd_cells import OddCells, odd_cells
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source

# A time zone by name; pandas and pandera name fixed offsets in different ways.
_ZONE: Final = re.compile(r"[A-Za-z_]+(?:/[A-Za-z_-]+)*")
_NAMELESS: Final = re.compile(r"Unnamed: \d+")


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


def propose(source: Source, *more: Source, slack: float, most_categories: int) -> Proposal:
    """Propose a schema that the data meet.

    Columns are read once, side by side; one that may be a key is read once more, to be sure.

    Args:
        more: further tables that are to meet it, with the same columns.
        slack: how far bounds reach beyond the values seen, as a share of their range.
        most_categories: number of different texts up to which a column holds categories.
    """
    sources = (source, *more)
    seen = columns(source)
    for table in sources:
        with refused(table.name):
            add(seen, table, most_categories)
    keys = [name for name, found in seen.items() if _may_be_key(found) and all(_is_key(one, name) for one in sources)]
    name, odd = ", ".join(quoted(table.name) for table in sources), odd_cells(source, list(seen))
    counts, keys = [table.rows for table in sources], keys[:1]
    rows, fewest = sum(counts), min(counts)
    lines = [
        f"# Proposed from {rows} rows of {name}. Nothing here is a decision yet: review every line,",
        "# compare it with what the data mean, and delete these comments when it is right.",
        f"# In cd4ml.yaml, consider `minimum-rows: {max(2, fewest // 2)}` (half of the rows seen).",
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
    return Proposal(text="\n".join(lines), rows=rows, faults=faults, remarks=remarks)


def _may_be_key(found: Seen) -> bool:
    """Whether a column may be one whose values never repeat."""
    import polars as pl

    return found.distinct and found.rows > 1 and (found.stored.is_integer() or found.stored == pl.String)


def _is_key(source: Source, column: str) -> bool:
    """Whether no value of a column repeats."""
    with refused(source.name):
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
    enough = categories and found.filled >= FEWEST_ROWS * len(found.values or ())
    if enough or (found.stored.is_integer() and found.values == {0, 1}):
        yield "    checks:"
        yield "      # Review: any other value blocks; these are values of the data, so see that none is private."
        yield f"      isin: [{', '.join(scalar(value) for value in sorted(found.values or ()))}]"
    elif found.stored == pl.String:
        fixed = found.lower == found.upper and found.filled >= FEWEST_ROWS
        longest = found.upper if fixed else math.ceil(found.upper * (1 + slack))
        shortest = found.lower if fixed else math.floor(found.lower * (1 - min(slack, 1)))
        yield "    checks:"
        yield f"      # Review: lengths from {found.lower} to {found.upper} were seen."
        yield f"      str_length: {{min_value: {shortest}, max_value: {longest}}}"
    elif found.stored.is_temporal():
        yield f"    # Seen from {found.lower} to {found.upper}. For how old data may be, set `freshness`."
    elif found.stored.is_integer() or found.stored.is_float():
        yield from natural(name, found) or wider(found, slack)


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
