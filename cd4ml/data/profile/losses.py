"""The losses of a model in sums, so that those of two samples can be compared where no row is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

ERROR_RATE: Final = "error-rate"
ABSOLUTE_ERROR: Final = "mean-absolute-error"


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Sums over predictions whose labels are known; those of several parts add up.

    Attributes:
        n: predictions.
        total, squares: of their losses.
        told: predictions whose loss the model's own probabilities let expect; `expected`, `expected_squares` and
            `cross` are sums over these: of the expected losses, their squares, and their products with the losses.
    """

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    told: int = 0
    expected: float = 0.0
    expected_squares: float = 0.0
    cross: float = 0.0

    def __add__(self, other: Losses) -> Losses:
        """Return the sums of both parts."""
        return Losses(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    @property
    def mean(self) -> float:
        """Mean loss; n > 0."""
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Unbiased variance of the losses; n > 1."""
        return _variance(self.total, self.squares, self.n)

    @property
    def is_told(self) -> bool:
        """Whether each loss has one that was to be expected."""
        return 0 < self.n == self.told

    @property
    def expected_mean(self) -> float:
        """Mean of the expected losses, where `is_told`."""
        return self.expected / self.n

    @property
    def expected_variance(self) -> float:
        """Unbiased variance of the expected losses, where `is_told`."""
        return _variance(self.expected, self.expected_squares, self.n)

    @property
    def rest_variance(self) -> float:
        """Unbiased variance of what the losses are above the expected ones, where `is_told`."""
        squares = self.squares - 2 * self.cross + self.expected_squares
        return _variance(self.total - self.expected, squares, self.n)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The losses of the reference.

    Attributes:
        loss: `error-rate` or `mean-absolute-error`.
        positive_label: whose probability the scores are; None if nobody said.
    """

    loss: str
    positive_label: str | None
    losses: Losses


def losses_of(losses: npt.NDArray[np.float64], expected: npt.NDArray[np.float64] | None = None) -> Losses:
    """Return the sums of losses.

    Args:
        losses, expected: shape (n,); an expected loss that nobody knows is not-a-number.
    """
    import numpy as np

    told = np.zeros(len(losses), dtype=bool) if expected is None else np.isfinite(expected)
    of, ought = losses[told], (losses if expected is None else expected)[told]
    return Losses(
        n=len(losses),
        total=float(losses.sum()),
        squares=float((losses**2).sum()),
        told=int(told.sum()),
        expected=float(ought.sum()),
        expected_squares=float((ought**2).sum()),
        cross=float((of * ought).sum()),
    )


def expected_loss(positive: pl.Expr, score: pl.Expr) -> pl.Expr:
    """Return the error that the probability of the positive class lets expect of a prediction; null without one.

    Args:
        positive: whether the positive class was predicted.
    """
    import polars as pl

    return pl.when(score.is_between(0, 1)).then(pl.when(positive).then(1 - score).otherwise(score))


def to_document(found: Baseline) -> dict[str, Any]:
    """Return a baseline as plain data."""
    return {"loss": found.loss, "positive_label": found.positive_label, **asdict(found.losses)}


def from_document(document: Mapping[str, Any]) -> Baseline:
    """Return a baseline from plain data.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    told = dict(document)
    loss, positive_label = str(told.pop("loss")), told.pop("positive_label")
    losses = Losses(**told)
    sound = all(math.isfinite(value) and value >= 0 for value in asdict(losses).values())
    if loss not in (ERROR_RATE, ABSOLUTE_ERROR) or not sound or losses.n < 2 or losses.told > losses.n:
        raise ValueError("its performance is not that of labelled rows")
    return Baseline(loss=loss, positive_label=positive_label, losses=losses)


def _variance(total: float, squares: float, n: int) -> float:
    """Return the unbiased variance of values by their sums."""
    return max(0.0, (squares - total * total / n) / (n - 1))
