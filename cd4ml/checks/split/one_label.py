"""Categories that occur with one label only -> checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cd4ml.checks.split.family import ALPHA, confidence, simultaneous
from cd4ml.checks.split.powers import known_before
from cd4ml.metrics.split.one_label import OneLabel
from cd4ml.report import Bound, Check, Status, as_set, fixed
from cd4ml.report.ids import check_id

_RULE = "one-label-categories"


def one_label_checks(
    found: Sequence[OneLabel], adjusted: Sequence[float], target: str, limit: float, family: int, n: int
) -> Iterator[Check]:
    """Yield a check for each column and label that are too closely tied, or one that says that there is none."""
    certain = [one for one, p_value in zip(found, adjusted, strict=True) if p_value <= ALPHA]
    blamed = [one for one in certain if one.explained > limit]
    for one in blamed:
        yield Check(
            **_of_label(one.explained, limit, one.n),
            id=check_id(_RULE, one.name, one.label),
            status=Status.FAILED,
            reason="one-label-only",
            interval=simultaneous(one.interval(confidence(family)), "Wilson", family),
            message=f"{_named(one)} with {target} {one.label} only: {one.rows:,} of {one.n:,} test rows. That explains "
            f"{fixed(one.explained, limit)} of this label (at most {as_set(limit, one.explained)}).",
            advice=known_before(one.name, target) + "set a higher `maximum-one-label-power`.",
        )
    if not blamed:
        most = max((one.explained for one in certain), default=0.0)
        yield Check(
            **_of_label(most, limit, n),
            id=_RULE,
            status=Status.PASSED,
            message="No categories that occur with one label only explain much of it: "
            f"{fixed(most, limit)} (at most {as_set(limit, most)}).",
        )


def _of_label(value: float, limit: float, n: int) -> Mapping[str, Any]:
    """Return what checks of categories have in common."""
    return {
        "metric": "label-explained",
        "value": value,
        "limit": limit,
        "bound": Bound.AT_MOST,
        "option": ("maximum-one-label-power",),
        "n": n,
    }


def _named(one: OneLabel) -> str:
    """Say which categories occur."""
    if one.categories == 1:
        return f"{'A missing value' if one.gap else 'A category'} of {one.name} occurs"
    return f"{one.categories:,} categories of {one.name}{', a missing value among them,' if one.gap else ''} occur"
