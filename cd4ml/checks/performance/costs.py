"""What a model costs beside production, in time and in bytes -> checks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.checks.performance import threshold
from cd4ml.report import Bound, Check, Status, as_set, fixed
from cd4ml.report.ids import check_id


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One cost of both models, greater than 0.

    Attributes:
        name: `latency` or `size`.
        unit: what the values are in.
        how: how they were measured, for people.
        n: rows that they rest on, None if they rest on none.
    """

    name: str
    candidate: float
    production: float
    unit: str
    how: str
    n: int | None = None

    @property
    def ratio(self) -> float:
        """The candidate's cost as a multiple of production's."""
        return self.candidate / self.production


def cost_check(cost: Cost, limit: float) -> Check:
    """Check that the candidate costs at most a multiple of what production costs."""
    passed = threshold.at_most(cost.ratio, limit)
    name = f"{cost.name}-ratio"
    times = f"{fixed(cost.ratio, limit)} times production's {cost.production:.4g}"
    return Check(
        id=check_id("maximum", name),
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "above-maximum",
        metric=name,
        value=cost.ratio,
        limit=limit,
        bound=Bound.AT_MOST,
        option=(f"maximum-{name}",),
        n=cost.n,
        message=(
            f"{cost.name} {cost.candidate:.4g} {cost.unit}, {times} (at most {as_set(limit, cost.ratio)} times); "
            f"{cost.how}."
        ),
        advice=None if passed else "Make the model smaller or faster, or allow more in a reviewed change.",
    )
