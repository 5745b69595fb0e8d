"""What the Brier score is made of: how far probabilities are off (reliability), and what they tell apart (resolution).

The Brier score is reliability - resolution + uncertainty, and the last is the spread of the outcomes alone: a model
that is worse by its Brier score is either off, which a recalibration fixes, or knows less, which none does.

Source:
    Murphy (1973), Journal of Applied Meteorology 12:595, with the bias that comes from few rows in a bin taken away:
    Ferro & Fricker (2012), Quarterly Journal of the Royal Meteorological Society 138:1954. The bins are those of the
    calibration error, fewer where they would hold less than 5 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.calibration import BINS, Bins, equal_mass_bins
from cd4ml.metrics.performance.metric import Estimate, Sample
from cd4ml.metrics.performance.ranking import weights

Floats = npt.NDArray[np.float64]
# What chance does to a bin cannot be told from fewer rows.
_ROWS_OF_BIN: Final = 5


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Rows in bins, and what both parts are computed from.

    Attributes:
        share: each bin's share of the weight, shape (k,).
        own: each row's share of its bin's weight, shape (n,).
        of_mean: the variance of a bin's mean as a multiple of that of its rows, shape (k,).
    """

    bins: Bins
    share: Floats
    own: Floats
    of_mean: Floats
    truth: Floats

    @property
    def chance(self) -> Floats:
        """What chance adds to the square of each bin's distance, shape (k,)."""
        return np.asarray(self.bins.share * (1 - self.bins.share) * self.of_mean)

    def estimate(self, distance: Floats, off: Floats, value: float) -> Estimate:
        """Return a mean of squared distances with its influences.

        The variance of a bin's part (d + e)^2, e being the error of the distance d, is 4 d^2 var(e) + 2 var(e)^2: the
        second term is all there is where the distance is 0, where the delta method would promise certainty. The square
        of the distance found holds var(e) once more, which keeps the intervals of few rows from being too narrow.

        Args:
            distance: of each bin, shape (k,).
            off: how far each row's own distance is from that of its bin, shape (n,).
        """
        place = self.bins.place
        error = np.bincount(place, off * off * self.own, minlength=len(self.share)) * self.of_mean
        slope = np.sqrt(4 * np.square(distance) + 2 * error) * np.where(distance < 0, -1.0, 1.0)
        inside, among = slope[place] * off, (np.square(distance) - value)[place]
        influence = self.share[place] * self.own * (inside + among)
        return Estimate(value=max(value, 0.0), influence=influence, degrees=len(off) - 1)


def _parts(sample: Sample) -> _Parts:
    """Put the rows into bins."""
    count = max(2, min(BINS, len(sample.y_true) // _ROWS_OF_BIN))
    bins, weight = equal_mass_bins(sample, count), weights(sample)
    own = (1.0 if weight is None else weight) / bins.weight[bins.place]
    return _Parts(
        bins=bins,
        share=bins.weight / bins.weight.sum(),
        own=own,
        of_mean=_of_mean(np.bincount(bins.place, own * own, minlength=len(bins.weight)).astype(float)),
        truth=np.asarray(sample.y_true == 1, dtype=float),
    )


def _of_mean(squares: Floats) -> Floats:
    """Return the variance of means as a multiple of that of their rows: 1 / (n - 1), 0 of a single row.

    Args:
        squares: the sum of the squares of the rows' shares: 1 / n where weights are equal.
    """
    several = squares < 1
    return np.where(several, squares / np.where(several, 1 - squares, 1.0), 0.0)


def reliability(sample: Sample) -> Estimate:
    """Return the mean squared distance of score and share over the bins: 0 where probabilities keep their word.

    What chance adds is taken away on the mean; what is below 0 then counts as 0, which it cannot be below.
    """
    parts = _parts(sample)
    distance = parts.bins.mean_score - parts.bins.share
    off = np.asarray(sample.y_score, dtype=float) - parts.truth - distance[parts.bins.place]
    return parts.estimate(distance, off, float(parts.share @ (np.square(distance) - parts.chance)))


def resolution(sample: Sample) -> Estimate:
    """Return the variance of the bins' shares of positives: 0 where the scores tell nothing apart.

    What chance adds is taken away on the mean, as of reliability.
    """
    parts = _parts(sample)
    shares, rate = parts.bins.share, float(parts.share @ parts.bins.share)
    squares = np.square(parts.share[parts.bins.place] * parts.own).sum(keepdims=True)
    of_rate = rate * (1 - rate) * float(_of_mean(squares)[0])
    value = float(parts.share @ (np.square(shares - rate) - parts.chance)) + of_rate
    return parts.estimate(shares - rate, parts.truth - shares[parts.bins.place], min(value, 0.25))
