"""Bounds of a share that hold at every look: whoever looks after every minute is wrong no more often than once.

The evidence against a mean m of values in [0, 1] with sum S of n is the mixture over tilts t of
exp(t S) / (1 + m (exp(t) - 1))^n. At the true mean it is on average at most 1 at every n together, so that it ever
reaches 1 / alpha with a chance of at most alpha (Ville 1939). The mean may move with time: what is bounded is the mean
of the rows so far, because log(1 + m (exp(t) - 1)) is concave in m.

Source:
    Howard, Ramdas, McAuliffe & Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence sequences",
    Annals of Statistics 49:1055 (sub-Bernoulli processes and mixtures); Robbins (1970), Annals of Mathematical
    Statistics 41:1397. Used for canaries as in Lindon, Sanden & Shirikian (2022), arXiv 2205.14762.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Tilts: small ones tell large samples apart, large ones bound a share of which hardly anything was seen.
_TILTS: Final = np.geomspace(1e-4, 10.0, 40)
# Half of the weight is half-normal, as in a normal mixture that is tightest at about 400 expected successes; the other
# half is spread evenly over the logarithms of the larger tilts.
_SPREAD: Final = 0.14
_LARGE: Final = 0.2
_STEPS: Final = 16


def _log_weights() -> Floats:
    """Return the logarithms of the weights of the tilts, which sum to 1."""
    normal = _TILTS * np.exp(-((_TILTS / _SPREAD) ** 2) / 2)
    large = (_TILTS >= _LARGE).astype(np.float64)
    weights: Floats = np.log(normal / normal.sum() / 2 + large / large.sum() / 2 + 1e-300)
    return weights


_LOG_WEIGHTS: Final = _log_weights()


def log_evidence(successes: npt.ArrayLike, rows: npt.ArrayLike, mean: npt.ArrayLike, *, above: bool) -> Floats:
    """Return the logarithm of the evidence that the mean is above (or below) a value.

    Args:
        successes, rows, mean: shapes that broadcast; 0 <= successes <= rows, 0 <= mean <= 1.
    """
    sums, n, m = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (successes, rows, mean)))
    tilts = _TILTS if above else -_TILTS
    with np.errstate(divide="ignore", invalid="ignore"):
        each = sums[..., None] * tilts - n[..., None] * np.log1p(m[..., None] * np.expm1(tilts)) + _LOG_WEIGHTS
    most = each.max(axis=-1, keepdims=True)
    total: Floats = most[..., 0] + np.log(np.exp(each - most).sum(axis=-1))
    return total


def lower(successes: npt.ArrayLike, rows: npt.ArrayLike, alpha: float) -> Floats:
    """Return lower bounds of means, each of which ever exceeds its mean with a chance of at most alpha."""
    sums, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(rows, dtype=np.float64))
    return _solve(sums, n, alpha, above=True)


def upper(successes: npt.ArrayLike, rows: npt.ArrayLike, alpha: float) -> Floats:
    """Return upper bounds of means, each of which ever falls below its mean with a chance of at most alpha."""
    sums, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(rows, dtype=np.float64))
    return _solve(sums, n, alpha, above=False)


def _solve(sums: Floats, n: Floats, alpha: float, *, above: bool) -> Floats:
    """Return the mean nearest to what was seen against which the evidence is strong enough, by bisection.

    What is returned is always excluded by the evidence, so that stopping early makes no bound too tight.
    """
    wanted = math.log(1 / alpha)
    end = 0.0 if above else 1.0
    rows = np.maximum(n, 1.0)
    allowed = np.clip(np.where(n > 0, sums / rows, 1 - end), 0.0, 1.0)
    # Nearly always the bound lies within six standard errors: a short way to search.
    reach = 6 * np.sqrt(allowed * (1 - allowed) / rows) + 30 / rows
    excluded = np.full(sums.shape, end)
    middle = np.clip(allowed - reach if above else allowed + reach, 0.0, 1.0)
    for _ in range(_STEPS):
        strong = log_evidence(sums, n, middle, above=above) >= wanted
        excluded, allowed = np.where(strong, middle, excluded), np.where(strong, allowed, middle)
        middle = (excluded + allowed) / 2
    return excluded
