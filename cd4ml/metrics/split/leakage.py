"""Everything by which columns may give the target away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from cd4ml.metrics.split.columns import Column, Target
from cd4ml.metrics.split.one_label import OneLabel, one_label
from cd4ml.metrics.split.pairs import Pair, pairs
from cd4ml.metrics.split.single import Alone, alone


class PowerLimits(Protocol):
    """The powers that are too much."""

    def of(self, name: str) -> float:
        """Return the largest power of a column alone."""

    def of_pairs(self) -> float:
        """Return the largest power of two columns."""


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


def leakage(columns: Sequence[Column], target: Target, population: int, limits: PowerLimits) -> Leakage:
    """Return what columns tell of the target: learned from training rows, measured on test rows.

    Whatever holds a column that is too powerful alone would be as well, so that such a one is in no pair. One that may
    tell everything may have categories that do.

    Args:
        population: rows of both tables, of which those given may be a sample.
    """
    powers = [alone(column, target, population) for column in columns]
    weak = [column for column, one in _beside(columns, powers) if one.most <= limits.of_pairs()]
    rest = [column for column, one in _beside(columns, powers) if one.most <= limits.of(one.name) < 1]
    return Leakage(
        numeric=target.numeric,
        alone=powers,
        pairs=pairs(weak, target),
        one_label=[found for column in rest for found in one_label(column, target)],
        n=len(target.test),
    )


def _beside(columns: Sequence[Column], powers: Sequence[Alone]) -> Iterator[tuple[Column, Alone]]:
    """Yield each column with its power."""
    return zip(columns, powers, strict=True)
