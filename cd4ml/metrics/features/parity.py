"""One value, as the offline and the online store have it."""

from __future__ import annotations

from enum import StrEnum

Scalar = str | int | float | bool | None


class Parity(StrEnum):
    """How two values compare."""

    EQUAL = "equal"
    VALUE = "value"
    GAP = "gap"
    TYPE = "type"


def compared(offline: Scalar, online: Scalar, tolerance: float = 0.0) -> Parity:
    """Return how two values compare; a number and the text of its digits are of two types.

    Args:
        tolerance: largest difference of two numbers, as a share of the larger one; 0 demands that they are equal.
    """
    if offline is None or online is None:
        return Parity.EQUAL if offline is online else Parity.GAP
    if _kind(offline) is not _kind(online):
        return Parity.TYPE
    if offline == online:
        return Parity.EQUAL
    if _kind(offline) is not float:
        return Parity.VALUE
    one, other = float(offline), float(online)
    return Parity.EQUAL if abs(one - other) <= tolerance * max(abs(one), abs(other)) else Parity.VALUE


def _kind(value: Scalar) -> type:
    """Return what a value is; whole numbers and others are numbers."""
    return bool if isinstance(value, bool) else float if isinstance(value, int | float) else str
