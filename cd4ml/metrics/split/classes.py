"""The classes of both parts of a split: how many rows each has, and how far their shares lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scipy import special

from cd4ml.metrics.statistics.intervals import Bounds, newcombe, wilson
from cd4ml.metrics.statistics.proportion import CONFIDENCE

# A table whose target has more different numbers than this has no classes.
MOST_NUMBERS: Final = 20


@dataclass(frozen=True, kw_only=True)
class ClassShare:
    """A class in training and test rows.

    Attributes:
        difference: its share of the test rows less that of the training rows, with its interval: each bound holds with
            95 % confidence for all classes together, if the rows are drawn one by one.
    """

    name: str
    train: int
    test: int
    difference: float
    interval: Bounds
    confidence: float


def class_shares(train: Mapping[str, int], test: Mapping[str, int]) -> list[ClassShare]:
    """Return every class of either part, that of most training rows first.

    Args:
        train, test: rows by class; neither is empty.
    """
    rows = (sum(train.values()), sum(test.values()))
    names = sorted({*train, *test}, key=lambda name: (-train.get(name, 0), name))
    # Of two classes one says what the other does.
    confidence = 1 - 0.1 / (1 if len(names) == 2 else len(names))
    return [_share(one, (train.get(one, 0), rows[0]), (test.get(one, 0), rows[1]), confidence) for one in names]


def _share(name: str, train: tuple[int, int], test: tuple[int, int], confidence: float) -> ClassShare:
    """Return a class's rows and shares, given (rows of the class, all rows) of each part."""
    return ClassShare(
        name=name,
        train=train[0],
        test=test[0],
        difference=test[0] / test[1] - train[0] / train[1],
        interval=newcombe(test, train, confidence),
        confidence=confidence,
    )


def left_out_by_chance(rows: int, train: int, test: int) -> float:
    """Return the chance that all rows of a class fall into the test, if the rows were dealt out at random.

    Args:
        rows: of the class.
        train, test: all rows of each part.

    Source:
        Fisher's exact test (Fisher 1922, Journal of the Royal Statistical Society 85:87): the hypergeometric tail.
    """
    return float(special.binom(test, rows) / special.binom(train + test, rows)) if rows <= 20 else 0.0


def share_above(rows: int, n: int, limit: float) -> float:
    """Return the p-value of the exact test that the true share is at most a limit: that of as many rows or more.

    Source:
        Clopper & Pearson (1934), Biometrika 26:404.
    """
    return float(special.bdtrc(rows - 1, n, limit)) if rows else 1.0


def share_interval(rows: int, n: int) -> Bounds:
    """Return the 95 % score interval of a share of rows."""
    return wilson(rows, n, CONFIDENCE)
