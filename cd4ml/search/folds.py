"""Which row is in which fold: of the validation, and within each of its training parts. Pure, and given by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cd4ml.errors import OptionsError

Folds = npt.NDArray[np.int16]


def nested(
    n: int,
    *,
    folds: int,
    inner_folds: int,
    seed: int,
    strata: Sequence[Any] | None = None,
    groups: Sequence[Any] | None = None,
) -> Folds:
    """Return the folds of n rows, shape (n, 1 + folds).

    The first column has each row's outer fold; column 1 + k its inner fold within the training rows of fold k, and -1
    for the rows of fold k themselves.

    Args:
        strata: of each row, whose shares shall be alike in all folds.
        groups: of each row; those of one group are in one fold.

    Raises:
        OptionsError: there are too few rows or groups.
    """
    random = np.random.default_rng(seed)
    codes = None if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1].reshape(-1)
    units = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    found = np.full((n, 1 + folds), -1, dtype=np.int16)
    found[:, 0] = _dealt(np.arange(n), folds, codes, units, random)
    for k in range(folds):
        rows = np.flatnonzero(found[:, 0] != k)
        found[rows, 1 + k] = _dealt(rows, inner_folds, codes, units, random)
    return found


def _dealt(
    rows: npt.NDArray[np.intp],
    folds: int,
    strata: npt.NDArray[np.intp] | None,
    groups: npt.NDArray[np.intp] | None,
    random: np.random.Generator,
) -> Folds:
    """Return the fold of each row."""
    if groups is not None:
        return _by_group(groups[rows], folds, random)
    if len(rows) < folds:
        raise OptionsError(f"{len(rows)} training rows cannot be split into {folds} folds")
    order = random.permutation(len(rows))
    if strata is not None:  # dealt class by class: the shares of each differ by at most one row
        order = order[np.argsort(strata[rows][order], kind="stable")]
    found = np.empty(len(rows), dtype=np.int16)
    found[order] = np.arange(len(rows)) % folds
    return found


def _by_group(groups: npt.NDArray[np.intp], folds: int, random: np.random.Generator) -> Folds:
    """Return the fold of each row where a group's rows stay together: the largest group first, to the smallest fold."""
    names, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise OptionsError(f"{len(names)} groups of rows cannot be split into {folds} folds")
    order = random.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold = np.zeros(folds), np.empty(len(names), dtype=np.int16)
    for group in order:
        smallest = int(np.argmin(filled))
        fold[group] = smallest
        filled[smallest] += sizes[group]
    return fold[of_row.reshape(-1)]
