"""Personal data in columns: reported or blocked, by column and kind. No value is ever shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.data.personal.search import Count, Searched
from cd4ml.metrics.statistics.proportion import CONFIDENCE, at_least, quantile, score_interval
from cd4ml.report import Bound, Check, Status, percent
from cd4ml.report.ids import check_id

RULE: Final = "personal-data"
# A column is named if chance alone had given so many valid check digits less than once in a million columns and kinds:
# a table of 20 columns is then named wrongly less often than once in 2,500 times.
_RARE: Final = 1e-6
_LEAST_SHARE: Final = 0.8


def more_than_chance(count: Count) -> bool:
    """Whether a column holds so many values of a kind that chance does not explain them.

    The chance is that of the check digits alone, given the form, so that it holds for times and other numbers whose
    digits are not random as well. Numbers in steps may pass several times as often; eight in ten of them do not.
    """
    if count.hits < count.kind.least:
        return False
    if not count.kind.chance:
        return True
    rare = at_least(count.hits, count.candidates, count.kind.chance) < _RARE
    return rare and count.hits >= _LEAST_SHARE * count.candidates


def personal(searched: Searched) -> list[Count]:
    """Return which columns hold which kinds of personal data."""
    return [count for count in searched.counts if more_than_chance(count)]


def personal_data_checks(searched: Searched, allowed: Sequence[str], *, blocks: bool) -> Iterator[Check]:
    """Check that no column holds personal data, but for those that may.

    Args:
        allowed: columns that may.
        blocks: whether a finding fails; else it passes as a remark, and a table without findings has no check.
    """
    found = [count for count in personal(searched) if count.column not in allowed]
    for count in found:
        yield _finding(count, searched, blocks=blocks)
    if blocks and not found:
        names = f"{len(searched.columns):,} columns of texts, bytes and numbers"
        message = f"No personal data recognised in {names} (first {searched.rows:,} rows)."
        yield Check(id=RULE, status=Status.PASSED, n=searched.rows, message=message)


def _finding(count: Count, searched: Searched, *, blocks: bool) -> Check:
    """Return the check of one kind in one column."""
    bounds = score_interval(count.hits, count.values, quantile(CONFIDENCE))
    share = count.hits / count.values
    return Check(
        id=check_id(RULE, count.column, count.kind.name),
        status=Status.FAILED if blocks else Status.PASSED,
        reason=RULE,
        metric="share-of-values",
        value=share,
        limit=0 if blocks else None,
        bound=Bound.AT_MOST if blocks else None,
        interval=bounds.named(CONFIDENCE, "Wilson"),
        n=count.values,
        message=(
            f"`{count.column}` holds {count.kind.title}: {percent(share)} of {count.values:,} different values "
            f"(first {searched.rows:,} rows)."
        ),
        advice=(
            "Remove or pseudonymise the column, or name it in allow-personal-data if it may hold them."
            if blocks
            else None
        ),
    )
