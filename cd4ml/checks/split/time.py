"""When training and test rows are from, and when their features became known -> checks. Pure."""

from __future__ import annotations

from typing import Final

from cd4ml.checks.split.within_limit import within_limit_check
from cd4ml.report import Check, percent
from cd4ml.report.ids import check_id

# A feature may never have come to be known; but where more rows than this share hold no time, most were not looked at.
_MOST_UNKNOWN: Final = 0.5


def time_overlap_check(column: str, *, earlier: int, rows: int, by: str, limit: float) -> Check:
    """Check that the test is later than the training.

    Args:
        earlier: test rows that are earlier than the latest training row.
        by: by how much the earliest of them is, for people; empty if there is none.
    """
    told = f"{earlier:,} of {rows:,} test rows ({percent(earlier / rows)}) are earlier than the latest training row"
    return within_limit_check(
        check_id("time-overlap", column),
        earlier,
        rows,
        limit=limit,
        option="maximum-time-overlap",
        reason="test-before-training-ends",
        told=f"`{column}`: {told}{f', by up to {by}' if by else ''}",
        advice="Split by time: train on what came first, and test on what came later.",
    )


def late_feature_check(column: str, label: str, *, late: int, unknown: int, rows: int, limit: float) -> Check:
    """Check that a feature became known no later than the time that the label is about.

    Args:
        late: rows, of both tables, in which it did.
        unknown: rows that do not say when it became known.
    """
    return within_limit_check(
        check_id("late-feature", column),
        late,
        rows,
        unknown=unknown if unknown > rows * _MOST_UNKNOWN else 0,
        limit=limit,
        option="maximum-late-features",
        reason="feature-after-label",
        told=f"`{column}` is later than `{label}` in {late:,} of {rows:,} rows",
        gaps=f"`{column}` holds no time in {unknown:,} rows ({percent(unknown / rows)})." if unknown else "",
        advice="Take the value that was known then: a model in production will have no other.",
        gaps_advice=f"Fill in the times of `{column}`, or take it out of feature-times.",
    )
