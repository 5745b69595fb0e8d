"""Whether a scored table may be published: every row once, of rows that stayed as they were -> checks. Pure."""

from __future__ import annotations

from typing import Any

from cd4ml.report import Check, Status


def rows_check(rows_in: int, rows_out: int) -> Check:
    """Check that as many rows were scored as there are."""
    shared: dict[str, Any] = {"id": "rows", "metric": "rows", "value": rows_out, "n": rows_in}
    if rows_in == rows_out:
        return Check(**shared, status=Status.PASSED, message=f"{rows_in:,} rows in, {rows_out:,} rows out.")
    return Check(
        **shared,
        status=Status.ERROR,
        reason="rows-differ",
        message=f"{rows_in:,} rows in, but {rows_out:,} rows out: nothing was published.",
        advice="Run again: the parts that are there are kept.",
    )


def data_unchanged_check(before: str, after: str, name: str) -> Check:
    """Check that the table is the one that was read at the beginning.

    Args:
        before, after: its SHA-256.
    """
    if before == after:
        return Check(id="data-unchanged", status=Status.PASSED, message=f"{name} stayed as it was while it was read.")
    return Check(
        id="data-unchanged",
        status=Status.ERROR,
        reason="data-changed",
        message=f"{name} changed while it was scored: nothing was published.",
        advice="Score a version that nobody writes to, e.g. of a Delta table (`folder@3`).",
    )
