"""Folds: every row is in one, none trains the model that it validates, and strata and groups are kept."""

from __future__ import annotations

import numpy as np
import pytest

from cd4ml.errors import OptionsError
from cd4ml.search.folds import nested


def test_nested__inner_folds_leave_the_outer_one_out() -> None:
    """Each row is in one outer fold and, for every other fold, in one inner fold; sizes differ by one row at most."""
    found = nested(101, folds=5, inner_folds=3, seed=1)

    assert np.ptp(np.bincount(found[:, 0], minlength=5)) <= 1
    for k in range(5):
        assert (found[found[:, 0] == k, 1 + k] == -1).all()
        inner = found[found[:, 0] != k, 1 + k]
        assert set(inner) == {0, 1, 2} and np.ptp(np.bincount(inner)) <= 1


def test_seed__decides() -> None:
    """The same seed gives the same folds, another seed others."""
    first, again, other = (nested(60, folds=3, inner_folds=2, seed=seed) for seed in (0, 0, 1))

    assert (first == again).all() and (first != other).any()


def test_strata__spread_evenly() -> None:
    """A rare label has as many rows in each fold, give or take one, also within the training rows of a fold."""
    labels = [1] * 17 + [0] * 83
    found = nested(100, folds=4, inner_folds=3, seed=2, strata=labels)

    rare = found[:17]
    assert np.ptp(np.bincount(rare[:, 0], minlength=4)) <= 1
    for k in range(4):
        inner = rare[rare[:, 0] != k, 1 + k]
        assert np.ptp(np.bincount(inner, minlength=3)) <= 1


def test_groups__never_divided() -> None:
    """The rows of a customer are in one fold, outer and inner, and the folds are of like size."""
    groups = np.repeat(np.arange(30), np.arange(1, 31))
    found = nested(len(groups), folds=3, inner_folds=2, seed=3, groups=groups.tolist())

    for group in range(30):
        assert len(np.unique(found[groups == group], axis=0)) == 1
    assert np.ptp(np.bincount(found[:, 0])) <= 30


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 1]])
def test_too_few__refused(groups: list[int] | None) -> None:
    """Fewer rows or groups than folds are refused: a fold would be empty."""
    with pytest.raises(OptionsError, match="cannot be split into 6 folds"):
        nested(5, folds=6, inner_folds=2, seed=0, groups=groups)
