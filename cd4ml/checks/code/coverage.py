"""How much of the code its tests cover -> a check. Pure."""

from __future__ import annotations

from typing import Any

from cd4ml.report import Bound, Check, Status, floored


def coverage_check(covered: float | None, minimum: float, lines: int) -> Check:
    """Check the coverage against its minimum.

    Args:
        covered: in percent, None if it was not measured.
        minimum: in percent.
        lines: lines of code that were measured.
    """
    shared: dict[str, Any] = {
        "id": "coverage",
        "metric": "coverage",
        "limit": minimum,
        "bound": Bound.AT_LEAST,
        "option": ("minimum-coverage",),
    }
    if covered is None:
        return Check(
            **shared,
            status=Status.ERROR,
            reason="not-measured",
            message="The coverage of the tests was not measured.",
            advice="Add the code to the paths, and check that the coverage configuration does not leave all of it out.",
        )
    enough = covered >= minimum
    return Check(
        **shared,
        status=Status.PASSED if enough else Status.FAILED,
        reason=None if enough else "below-minimum",
        value=covered,
        n=lines,
        message=f"Coverage {floored(covered)} (at least {minimum:g} %).",
        advice=None if enough else "Add tests for what is not covered yet, decision logic first.",
    )
