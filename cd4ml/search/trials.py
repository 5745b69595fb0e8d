"""What trials scored, and which is the best. Pure.

The parameters that are selected are those with the best mean over the folds. How good a model with parameters selected
so can be expected to be, nested validation says: for each fold the best parameters are selected by the inner folds of
its training rows alone, and their score on the fold counts. The best of many means is too good by chance (Varma and
Simon 2006, doi:10.1186/1471-2105-7-91; Cawley and Talbot 2010, JMLR 11:2079-2107).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from cd4ml.search.space import Value


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What parameters scored.

    Attributes:
        outer: on each fold, trained on all others.
        inner: for each of these, on each inner fold of its training rows.
    """

    outer: tuple[float, ...]
    inner: tuple[tuple[float, ...], ...]

    @property
    def mean(self) -> float:
        """The mean over the folds: what a search goes by."""
        return fmean(self.outer)

    def whole(self, folds: int, inner_folds: int) -> bool:
        """Whether there is a finite score for each of so many folds."""
        shaped = len(self.outer) == len(self.inner) == folds and {len(one) for one in self.inner} == {inner_folds}
        return shaped and all(math.isfinite(one) for row in (self.outer, *self.inner) for one in row)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial of a job.

    Attributes:
        number: within its job.
        scores: None if it failed.
        problem: why, for people.
        reason: the same, for machines.
    """

    job: int
    number: int
    parameters: Mapping[str, Value]
    scores: Scores | None = None
    problem: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"trial {self.number} of job {self.job}"


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What a job left.

    Attributes:
        name: of its file.
        plan: digest of the plan that it says it belongs to.
    """

    name: str
    plan: str
    job: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The best trial.

    Attributes:
        cross_validated: the mean over the folds, which is too good by chance.
        nested: the mean of what was selected without the fold that it was scored on.
        by_fold: those scores, one of each fold.
        winners: position of the trial that was selected for each fold.
    """

    trial: Trial
    cross_validated: float
    nested: float
    by_fold: tuple[float, ...]
    winners: tuple[int, ...]


def select(trials: Sequence[Trial], *, maximize: bool) -> Selected:
    """Return the best of trials that all have scores; of equal ones the first."""
    sign = 1 if maximize else -1
    scores = [trial.scores for trial in trials if trial.scores is not None]
    assert scores and len(scores) == len(trials)
    best = max(range(len(scores)), key=lambda position: sign * scores[position].mean)
    winners = tuple(
        max(range(len(scores)), key=lambda position, k=k: sign * fmean(scores[position].inner[k]))  # type: ignore[misc]
        for k in range(len(scores[0].outer))
    )
    by_fold = tuple(scores[winner].outer[k] for k, winner in enumerate(winners))
    return Selected(
        trial=trials[best],
        cross_validated=scores[best].mean,
        nested=fmean(by_fold),
        by_fold=by_fold,
        winners=winners,
    )
