"""Which groups an audit looks at -> checks: those that are left out, and combinations of too many. Pure."""

from __future__ import annotations

from typing import Any

from cd4ml.report import Bound, Check, Status, percent
from cd4ml.report.ids import group_id


def too_many_groups_check(name: str, groups: int, n: int) -> Check:
    """Return the check for a combination with too many groups to compare."""
    return Check(
        id=group_id("disparate-impact", name),
        status=Status.ERROR,
        reason="too-many-groups",
        n=n,
        message=f"{name} has {groups} groups, too many to compare.",
        advice="Put the values into fewer categories, or cut numeric features with `bins`.",
    )


def excluded_group_check(feature: str, group: str, n: int, total: int, *, maximum_share: float) -> Check:
    """Record a group that the user leaves out, and block if it is too large for that."""
    share = n / total
    shared: dict[str, Any] = {
        "id": group_id("excluded-group", feature, group),
        "metric": "share-of-rows",
        "value": share,
        "limit": maximum_share,
        "bound": Bound.AT_MOST,
        "option": ("maximum-excluded",),
        "n": n,
        "slice": {feature: group},
    }
    if share > maximum_share:
        return Check(
            **shared,
            status=Status.FAILED,
            reason="too-much-excluded",
            message=f"{feature}={group} is excluded from the audit, but it is {percent(share)} of the rows "
            f"(at most {percent(maximum_share)}).",
            advice="Audit the group, or raise maximum-excluded in a reviewed change.",
        )
    message = f"{feature}={group} ({n:,} rows, {percent(share)}) is excluded from the audit by the configuration."
    return Check(**shared, status=Status.PASSED, message=message)
