"""Groups of people in the test rows: which columns can be audited, and how numbers are cut into groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.source import Source
from cd4ml.project import labels
from cd4ml.project.features import is_age
from cd4ml.project.findings import Sensitive

if TYPE_CHECKING:
    import polars as pl

# As audit-fairness has it: fewer rows show nothing.
_FEWEST_ROWS: Final = 30
_MOST_GROUPS: Final = 10
_AGES: Final = (25, 40, 60)


def find(source: Source, named: Mapping[str, str], *, without: str) -> tuple[list[Sensitive], dict[str, str]]:
    """Return the columns that can be audited, and why others that are named so cannot.

    Args:
        named: the columns, each with the word that says that it is sensitive.
        without: the target.
    """
    found, others = [], {}
    for name, word in named.items():
        if name == without:
            continue
        values = labels.column(source, name)
        distinct = values.drop_nulls().n_unique()
        edges = _edges(values) if distinct > _MOST_GROUPS and values.dtype.is_numeric() and is_age(word) else None
        if distinct < 2:
            others[name] = "holds one value"
        elif distinct <= _MOST_GROUPS:
            small = {str(group): n for group, n in labels.counted(values).items() if n < _FEWEST_ROWS}
            found.append(Sensitive(name=name, word=word, small=small))
        elif edges:
            found.append(Sensitive(name=name, word=word, bins=edges))
        else:
            others[name] = f"holds {distinct:,} different values: keep a column of groups beside it"
    return found, others


def _edges(values: pl.Series) -> str | None:
    """Return where ages are cut, so that each group has enough rows; None if no cut leaves two such groups."""
    ages = values.drop_nulls()
    kept: list[int] = []
    for edge in _AGES:
        since = ages >= (kept[-1] if kept else float("-inf"))
        if int((since & (ages < edge)).sum()) >= _FEWEST_ROWS and int((ages >= edge).sum()) >= _FEWEST_ROWS:
            kept.append(edge)
    return ":".join(map(str, kept)) or None
