"""Rows whose right answers are known: how many a model gets right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cd4ml.data.predictions.labels import as_labels, common_names
from cd4ml.metrics.behaviour.answers import RELATIVE, Answers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class KnownAnswers:
    """How many of n rows are right; the first wrong one, with what was answered and what is right."""

    right: int
    n: int
    wrong: int | None = None
    answered: str = ""
    expected: str = ""


def known_answers(found: Answers, truth: pd.Series[Any], tolerance: float | None = None) -> KnownAnswers:
    """Compare answers with the right ones.

    Args:
        truth: labels, or a regression's numbers.
        tolerance: how far a regression's number may be off, as a share of the right one; no other model uses it.

    Raises:
        ValueError: a regression's right answers are no numbers.
    """
    n = len(truth)
    if found.decisions is None:
        expected = np.asarray(truth.to_numpy(), dtype=np.float64)
        right = np.abs(found.numbers[:, 0] - expected) <= (RELATIVE if tolerance is None else tolerance) * np.abs(
            expected
        )
    else:
        names = as_labels(truth)
        common = common_names([set(names), set(found.decisions)])
        right = np.array([common[a] == common[b] for a, b in zip(names, found.decisions, strict=True)], dtype=bool)
    if right.all():
        return KnownAnswers(right=n, n=n)
    wrong = int(np.argmin(right))
    return KnownAnswers(
        right=int(right.sum()), n=n, wrong=wrong, answered=found.told(wrong), expected=str(truth.iloc[wrong])
    )
