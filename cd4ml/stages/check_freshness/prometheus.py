"""The numbers of a run for Prometheus: moments, so that an alert fires though nobody looks at the table again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cd4ml.observe.exposition import Family, written

_UPDATED: Final = Family(
    name="cd4ml_table_updated_timestamp_seconds", kind="gauge", help="When the table was written last."
)
_DUE: Final = Family(
    name="cd4ml_table_due_timestamp_seconds",
    kind="gauge",
    help="When the table is overdue, unless it is written again.",
)
_FRESH: Final = Family(name="cd4ml_table_fresh", kind="gauge", help="1 if every check of the table passed, else 0.")
_CHECKED: Final = Family(
    name="cd4ml_table_checked_timestamp_seconds", kind="gauge", help="When cd4ml looked at the table."
)


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
    return written(
        [
            (_UPDATED, [(_of(one), one.stamp.timestamp()) for one in tables if one.stamp]),
            (_DUE, [(_of(one), one.overdue.timestamp()) for one in tables if one.overdue]),
            (_FRESH, [(_of(one), float(one.fresh)) for one in tables]),
            (_CHECKED, [(_of(one), now.timestamp()) for one in tables]),
        ]
    )


def is_ours(path: Path) -> bool:
    """Whether a file is one of an earlier run."""
    return path.read_bytes().startswith(f"# HELP {_UPDATED.name} ".encode())


def _of(one: Seen) -> dict[str, str]:
    """Return the labels of a table's numbers."""
    return {"table": one.table}
