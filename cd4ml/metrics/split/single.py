"""What one column alone tells of the target: by its values, by their order where they are unique, by its gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cd4ml.data.profile.cells import IDENTIFIER
from cd4ml.metrics.split.columns import Column, Kind, Target, cells, directed, rates
from cd4ml.metrics.split.power import Floats, Power

# A counter that lost rows to a filter or a sample still has at least one in so many of its values.
_SPARSEST_COUNTER: Final = 20


@dataclass(frozen=True, kw_only=True)
class Alone:
    """The power of one column.

    Attributes:
        values: of its values, by the better of `tried` ways to read them; None if the test rows cannot tell.
        gaps: of whether the value is missing; None if that never or always is so.
        identifier: whether nearly every row has a value of its own.
    """

    name: str
    values: Power | None
    tried: int
    gaps: Power | None
    identifier: bool

    @property
    def most(self) -> float:
        """The power of its values or of its gaps, whichever is greater; 0 if neither can be told."""
        return max((power.value for power in (self.values, self.gaps) if power is not None), default=0.0)


def alone(column: Column, target: Target, population: int) -> Alone:
    """Return the power of a column on the test rows, from what the training rows teach.

    A number is read in two ways: as it stands, and by the mean target in each of its bins, which need not rise or fall.
    An identifier's values do not come again, so that it is read by their order.

    Args:
        population: rows of both tables, of which those of the column may be a sample.
    """
    identifier = is_identifier(column, population)
    read = Column(name=column.name, kind=Kind.NUMBER, train=column.train, test=column.test) if identifier else column
    inside = cells(read)
    found = [target.power(rates(inside, target)[inside.test])]
    if read.kind is Kind.NUMBER:
        found.append(target.power(directed(filled(read), target)))
    powers = [one for one in found if one is not None]
    return Alone(
        name=column.name,
        values=max(powers, key=lambda one: one.value, default=None),
        tried=len(powers),
        gaps=_gaps(column, target),
        identifier=identifier,
    )


def filled(column: Column) -> tuple[Floats, Floats]:
    """Return the values of training and test rows: the mean of the training rows in gaps, their ends for infinite."""
    known = column.train[np.isfinite(column.train)]
    low, middle, high = (known.min(), known.mean(), known.max()) if len(known) else (-1.0, 0.0, 1.0)
    train, test = (np.nan_to_num(side, nan=middle, neginf=low, posinf=high) for side in (column.train, column.test))
    return train, test


def _gaps(column: Column, target: Target) -> Power | None:
    """Return the power of being missing."""
    train, test = (np.isnan(side).astype(float) for side in (column.train, column.test))
    varies = 0 < train.sum() < len(train) and 0 < test.sum() < len(test)
    return target.power(directed((train, test), target)) if varies else None


def is_identifier(column: Column, population: int) -> bool:
    """Whether a column names rows: texts that are nearly all different, or whole numbers that count rows.

    Whole numbers count rows if none comes twice and few between the lowest and the highest are left out: amounts and
    measurements are not so dense.
    """
    sides = [side[np.isfinite(side)] for side in (column.train, column.test)]
    if min(map(len, sides)) < 2:
        return False
    if column.kind is Kind.CATEGORY:
        return all(len(np.unique(side)) >= IDENTIFIER * len(side) for side in sides)
    both = np.concatenate(sides)
    dense = both.max() - both.min() <= _SPARSEST_COUNTER * population
    return bool(dense and np.all(both == np.round(both)) and len(np.unique(both)) == len(both))
