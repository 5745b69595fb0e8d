"""The numbers of a run for Prometheus: moments, so that an alert fires though nobody looks at the table again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

_FAMILIES: Final = {
    "cd4ml_table_updated_timestamp_seconds": "When the table was written last.",
    "cd4ml_table_due_timestamp_seconds": "When the table is overdue, unless it is written again.",
    "cd4ml_table_fresh": "1 if every check of the table passed, else 0.",
    "cd4ml_table_checked_timestamp_seconds": "When cd4ml looked at the table.",
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of a table.

    Attributes:
        overdue: when it will be, unless it is written again; None if it has no stamp.
    """

    table: str
    stamp: datetime | None
    overdue: datetime | None
    fresh: bool


def text(tables: Sequence[Seen], now: datetime) -> str:
    """Return what Prometheus reads."""
    values: list[list[float | None]] = [
        [one.stamp.timestamp() if one.stamp else None for one in tables],
        [one.overdue.timestamp() if one.overdue else None for one in tables],
        [float(one.fresh) for one in tables],
        [now.timestamp() for _ in tables],
    ]
    lines = []
    for (name, help_), of_family in zip(_FAMILIES.items(), values, strict=True):
        lines += [f"# HELP {name} {help_}", f"# TYPE {name} gauge"]
        named = zip(tables, of_family, strict=True)
        lines += [f'{name}{{table="{_escaped(one.table)}"}} {value}' for one, value in named if value is not None]
    return "\n".join([*lines, ""])


def is_ours(path: Path) -> bool:
    """Whether a file is one of an earlier run."""
    return path.read_bytes().startswith(f"# HELP {next(iter(_FAMILIES))} ".encode())


def _escaped(label: str) -> str:
    """Return a label's value as Prometheus reads it."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
