"""Nested validation gives scikit-learn's numbers, and is not too good where nothing can be learned.

Varma and Simon 2006, Bias in error estimation when using cross-validation for model selection, BMC Bioinformatics 7:91:
on data without any signal the cross-validated error of the best parameters is too low, and the nested one is not.
"""

from __future__ import annotations

from statistics import fmean

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from cd4ml.search.folds import nested
from cd4ml.search.trials import Scores, Selected, Trial, select

NEIGHBOURS = [1, 5, 9, 25]


def accuracy(
    rows: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    k: int,
    train: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
) -> float:
    """Return the accuracy of a classifier by its k nearest neighbours."""
    found = KNeighborsClassifier(k).fit(rows[train], labels[train])
    return float(found.score(rows[test], labels[test]))


def searched(rows: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], folds: npt.NDArray[np.int16]) -> Selected:
    """Return what a search over all numbers of neighbours selects."""
    trials = []
    for number, k in enumerate(NEIGHBOURS):
        outer = [accuracy(rows, labels, k, folds[:, 0] != fold, folds[:, 0] == fold) for fold in range(4)]
        inner = []
        for fold in range(4):
            part = folds[:, 1 + fold]
            splits = [((part >= 0) & (part != j), part == j) for j in range(3)]
            inner.append(tuple(accuracy(rows, labels, k, *split) for split in splits))
        scores = Scores(outer=tuple(outer), inner=tuple(inner))
        trials.append(Trial(job=0, number=number, parameters={"k": k}, scores=scores))
    return select(trials, maximize=True)


def data(seed: int, signal: float, n: int = 160) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return rows of ten columns, and labels that the first one tells as far as there is a signal."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, 10))
    return rows, (signal * rows[:, 0] + random.normal(size=n) > 0).astype(np.int64)


@pytest.mark.parametrize("seed", range(2))
def test_nested__as_scikit_learn(seed: int) -> None:
    """The selected parameters, their mean and the nested mean are those of GridSearchCV within cross_val_score."""
    rows, labels = data(seed, signal=1.5)
    folds = nested(len(rows), folds=4, inner_folds=3, seed=seed)

    found = searched(rows, labels, folds)

    whole = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": NEIGHBOURS}, cv=PredefinedSplit(folds[:, 0]))
    whole.fit(rows, labels)
    assert found.trial.parameters["k"] == whole.best_params_["n_neighbors"]
    assert found.cross_validated == pytest.approx(whole.best_score_, abs=1e-12)
    expected = []
    for fold in range(4):
        train, test = folds[:, 0] != fold, np.flatnonzero(folds[:, 0] == fold)
        inner = PredefinedSplit(folds[train, 1 + fold])
        search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": NEIGHBOURS}, cv=inner)
        split = [(np.flatnonzero(train), test)]
        expected += [*cross_val_score(search, rows, labels, cv=split)]
    assert found.by_fold == pytest.approx(expected, abs=1e-12) and found.nested == fmean(found.by_fold)


def test_nested__not_too_good_without_a_signal() -> None:
    """Where labels are a coin's, the best mean of a search is above one half, and the nested one is not."""
    found = []
    for seed in range(8):
        rows, labels = data(seed, signal=0.0, n=60)
        found.append(searched(rows, labels, nested(60, folds=4, inner_folds=3, seed=seed)))

    best, honest = fmean(one.cross_validated for one in found), fmean(one.nested for one in found)
    assert best > 0.53 and abs(honest - 0.5) < 0.04 and best - honest > 0.03
