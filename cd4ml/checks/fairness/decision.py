"""What a fairness audit allows, and how a value and how sure it is become a verdict. Pure.

Three rules. `point` takes the value at its face, as the four-fifths rule does with a ratio: chance alone brings equal
groups below 0.80 often. `strict` passes only what is shown to keep to the limit. `evidence` fails only what is shown to
be beyond it; what is beyond without being shown is too little data, which is not a pass either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from cd4ml.report import Status

LEVEL: Final = 0.05


class Decision(StrEnum):
    """What a ratio must show to pass."""

    POINT = "point"
    STRICT = "strict"
    EVIDENCE = "evidence"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the user allows.

    Attributes:
        minimum_ratio: lowest allowed ratio of a group's selection rate to the reference's, in (0, 1].
        minimum_group_size: rows below which a group's rate decides nothing in its favour.
        fixed_reference: whether the reference was fixed in advance; then it may not be selected too rarely either.
        maximum_differences: largest allowed difference between the groups by check name, those that are set.
        maximum_ratio_drop: how far a ratio may fall below production's; None does not gate on it.
        maximum_pair_drop: how far the ratio of any two groups may fall below production's; None does not gate on it.
        maximum_calibration_gap: largest allowed distance of mean score and share of positives; None does not gate.
    """

    minimum_ratio: float
    minimum_group_size: int
    decision: Decision = Decision.POINT
    fixed_reference: bool = False
    maximum_differences: Mapping[str, float] = field(default_factory=dict)
    maximum_ratio_drop: float | None = None
    maximum_pair_drop: float | None = None
    maximum_calibration_gap: float | None = None


def exactly(limit: float) -> Fraction:
    """Return the number that the user wrote: 0.8 is 4/5 here, not the nearest binary fraction."""
    return Fraction(Decimal(repr(limit)))


def decide(
    decision: Decision, *, beyond: str, shown_beyond: bool, small: bool, shown_within: bool
) -> tuple[Status, str]:
    """Return status and reason of a value.

    Args:
        beyond: the reason if the value lies beyond its limit, empty if it does not.
        shown_beyond: whether the rows show that the true value lies beyond the limit.
        small: whether there are too few rows to pass.
        shown_within: whether the rows show that the true value keeps to the limit.
    """
    if beyond and decision is Decision.EVIDENCE and not shown_beyond:
        return Status.INCONCLUSIVE, "not-shown"
    if beyond:
        return Status.FAILED, beyond
    if small:
        return Status.INCONCLUSIVE, "group-too-small"
    if decision is Decision.STRICT and not shown_within:
        return Status.INCONCLUSIVE, "not-shown"
    return Status.PASSED, ""
