"""Everything by which columns may give the target away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cd4ml.metrics.split.columns import Column, Target
from cd4ml.metrics.split.one_label import OneLabel, one_label
from cd4ml.metrics.split.pairs import Pair, pairs
from cd4ml.metrics.split.single import Alone, alone


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """What columns tell of the target.

    Attributes:
        numeric: whether powers are R², and not areas under the ROC curve.
        alone: of each column.
        pairs, one_label: of columns that are not too powerful alone.
        n: test rows that were looked at.
    """

    numeric: bool
    alone: Sequence[Alone]
    pairs: Sequence[Pair]
    one_label: Sequence[OneLabel]
    n: int


def leakage(
    columns: Sequence[Column], target: Target, population: int, limit_of: Callable[[str], float | None]
) -> Leakage:
    """Return what columns tell of the target: learned from training rows, measured on test rows.

    Args:
        population: rows of both tables, of which those given may be a sample.
        limit_of: the power from which a column is too powerful alone: whatever holds it would be as well.
    """
    powers = [alone(column, target, population) for column in columns]
    rest = [column for column, one in zip(columns, powers, strict=True) if not _too_powerful(one, limit_of(one.name))]
    return Leakage(
        numeric=target.numeric,
        alone=powers,
        pairs=pairs(rest, target),
        one_label=[found for column in rest for found in one_label(column, target)],
        n=len(target.test),
    )


def _too_powerful(one: Alone, limit: float | None) -> bool:
    """Whether a column gives the target away alone, by its values or its gaps."""
    return any(power is not None and limit is not None and power.value > limit for power in (one.values, one.gaps))
