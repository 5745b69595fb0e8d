"""How a metric is compared with production.

Three rules, one for each metric. `point` compares observed values, ignoring uncertainty: of two equally good models it
blocks one in two. `no-worse-than` passes only what is shown to lose less than a margin. `not-significantly-worse`
blocks only what is shown to be worse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from cd4ml.report import as_set


class Decision(StrEnum):
    """What the comparison with production must show."""

    POINT = "point"
    NO_WORSE_THAN = "no-worse-than"
    NOT_SIGNIFICANTLY_WORSE = "not-significantly-worse"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one metric is decided.

    Attributes:
        tolerance: loss that is allowed (`point`, `no-worse-than`), in the metric's units.
        share: loss that is allowed (`point`) as a share of production's value, in place of the tolerance.
    """

    decision: Decision
    tolerance: float = 0.0
    share: float | None = None

    @property
    def tests(self) -> bool:
        """Whether the rule rests on a test or an interval."""
        return self.decision is not Decision.POINT

    def against(self, production: float) -> Rule:
        """Return the rule with its tolerance in the metric's units, given production's value."""
        return self if self.share is None else replace(self, tolerance=self.share * abs(production))

    @property
    def allowed(self) -> str:
        """What loss is allowed, in words."""
        of = "" if self.share is None else f", {self.share * 100:g} % of production's value"
        return f"{as_set(self.tolerance)} allowed{of}"
