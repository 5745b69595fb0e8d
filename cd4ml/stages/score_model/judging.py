"""Behaviour tests of score-model: what the answers to the changed rows decide."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from cd4ml.checks.scoring.behaviour import (
    DeclaredTest,
    direction_check,
    flips_check,
    known_answers_check,
    not_taken_check,
    steady_check,
    unanswered_check,
    untested_check,
)
from cd4ml.metrics.behaviour.answers import Answers, answers, moves
from cd4ml.metrics.behaviour.direction import Direction, direction
from cd4ml.metrics.behaviour.flips import Flips, Rate, flips
from cd4ml.metrics.behaviour.known_answers import KnownAnswers, known_answers
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.report import Check, Location
from cd4ml.scoring.behaviour.declared import INVARIANCE, DirectionTest, FlipTest, KnownAnswersTest, Test, Trend
from cd4ml.scoring.behaviour.trials import Trial
from cd4ml.scoring.scorer import ScoringError
from cd4ml.stages.score_model.behaviour import Asked

if TYPE_CHECKING:
    import pandas as pd

Found = Flips | Direction | KnownAnswers
# How far numbers may be apart when the same rows are asked again, as a share of them.
_ROUNDING: Final = 1e-6
_NO_SCORE: Final = (
    "the model gives no score that could rise or fall (of several classes, positive-label names the one that is meant)"
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the tests decided, and their numbers by id of the check."""

    checks: Sequence[Check]
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Answered:
    """What a model answered.

    Attributes:
        control: to the sampled rows as they are, None if that cannot be used.
        trials: to each trial; None where nothing was asked.
        differing: rows of the control that are answered otherwise than among all test rows.
        problem: why the control cannot be used.
    """

    control: Answers | None
    trials: Sequence[Answers | ScoringError | None]
    differing: int = 0
    problem: str | None = None


def judged(
    asked: Asked,
    test: pd.DataFrame,
    candidate: Sequence[pd.DataFrame | ScoringError],
    production: tuple[pd.DataFrame, Sequence[pd.DataFrame | ScoringError]] | None,
    taken: Collection[str] | None,
) -> Verdict:
    """Decide.

    Args:
        test: the candidate's predictions of all test rows.
        candidate: its answers to `asked.tables`.
        production: both of the production model, None if there is none.
        taken: the columns that the candidate takes, None if they are not known.
    """
    ours = _answered(asked, test, candidate)
    sample = asked.sample
    n = len(sample.rows)
    steady = steady_check(ours.differing, n, ours.problem, len(asked.trials), sample.of)
    if ours.control is None or ours.differing:
        return Verdict(checks=[steady])
    theirs = _answered(asked, *production) if production else None
    found = [_found(trial, ours.control, answer) for trial, answer in zip(asked.trials, ours.trials, strict=True)]
    before = _rates_of(asked, theirs)
    p_values = _adjusted([trial.test for trial in asked.trials], found)
    checks, metrics = [steady], {}
    for position, (trial, one) in enumerate(zip(asked.trials, found, strict=True)):
        tested = _tested(asked, trial, p_values[position])
        checks.append(
            _check(asked, trial, tested, one, before[position], taken, numeric=ours.control.decisions is None)
        )
        if not isinstance(one, str | ScoringError):
            metrics[trial.test.id] = _described(trial, one, before[position])
    return Verdict(checks=checks, metrics={"rows": n, "of": sample.of, "tests": metrics})


def _answered(asked: Asked, test: pd.DataFrame, given: Sequence[pd.DataFrame | ScoringError]) -> _Answered:
    """Return a model's answers, and whether they are the same for the same rows."""
    control, *rest = given
    if isinstance(control, ScoringError):
        return _Answered(control=None, trials=(), problem=str(control))
    again, first = answers(control), answers(test).of(asked.sample.positions)
    try:
        differing = int(_differ(first, again).sum())
    except ValueError as error:
        return _Answered(control=None, trials=(), problem=str(error))
    left = iter(rest)
    listed = [next(left) if trial.rows is not None else None for trial in asked.trials]
    read = [answers(cast("pd.DataFrame", one)) if hasattr(one, "columns") else one for one in listed]
    return _Answered(control=again, trials=cast("Any", read), differing=differing)


def _differ(first: Answers, again: Answers) -> Any:
    """Return which rows are answered otherwise when they are asked again."""
    scale = np.abs(first.numbers).max() if first.numbers.size else 1.0
    tolerance = _ROUNDING if first.decisions is None else _ROUNDING * scale
    return moves(first, again, tolerance).flips


def _found(trial: Trial, control: Answers, answered: Answers | ScoringError | None) -> Found | ScoringError | str:
    """Return what a test found, why the model did not answer, or why nothing was tested."""
    test = trial.test
    if answered is None or isinstance(answered, ScoringError):
        return trial.problem if answered is None else answered
    if isinstance(test, KnownAnswersTest):
        assert trial.truth is not None
        try:
            return known_answers(answered, trial.truth, test.tolerance)
        except ValueError:
            return "the model answers with numbers, but the right answers are not numbers"
    if isinstance(test, FlipTest):
        assert trial.differs is not None
        try:
            return flips(control, answered, trial.differs, test.tolerance)
        except ValueError as error:
            return ScoringError(str(error))
    assert trial.grid is not None
    score = answered.score
    if score is None:
        return _NO_SCORE
    sign: Any = 1 if test.trend is Trend.NEVER_FALLS else -1
    return direction(score.reshape(len(trial.grid), -1), sign, test.tolerance)


def _rates_of(asked: Asked, theirs: _Answered | None) -> list[Rate | None]:
    """Return the rate of each test for the production model; None where it gave no answers that can be used."""
    if theirs is None or theirs.control is None or theirs.differing:
        return [None] * len(asked.trials)
    found = [_found(trial, theirs.control, one) for trial, one in zip(asked.trials, theirs.trials, strict=True)]
    return [one.rate if isinstance(one, Flips | Direction) else None for one in found]


def _adjusted(tests: Sequence[Test], found: Sequence[Found | ScoringError | str]) -> list[float]:
    """Return the p-value of each test's limit, corrected for the number of the tests that have one."""
    family = {
        position: one.rate.shown_above(test.limit)
        for position, (test, one) in enumerate(zip(tests, found, strict=True))
        if isinstance(one, Flips | Direction) and test.limit is not None
    }
    adjusted = dict(zip(family, holm(list(family.values())), strict=True))
    return [adjusted.get(position, 1.0) for position in range(len(tests))]


def _tested(asked: Asked, trial: Trial, p_value: float) -> DeclaredTest:
    """Return a test as its check tells it."""
    test, n, of = trial.test, len(asked.sample.rows), asked.sample.of
    if isinstance(test, KnownAnswersTest):
        rule, what = "known-answers", test.table
    elif isinstance(test, FlipTest):
        rule, what = test.rule, f"`{test.column}` {trial.told or test.change.replace('-', ' ')}"
    else:
        wrong = "falls" if test.trend is Trend.NEVER_FALLS else "rises"
        rule, what = "direction", f"the score must never {wrong.removesuffix('s')} as `{test.column}` rises"
    path = _relative(asked.behaviour.path)
    return DeclaredTest(
        id=test.id,
        rule=rule,
        what=what,
        limit=test.limit,
        sample="All test rows were changed." if n == of else f"Sample: {n:,} of {of:,} test rows.",
        set_at=Location(path=path, line=test.line) if path else None,
        p_value=p_value,
    )


def _check(
    asked: Asked,
    trial: Trial,
    tested: DeclaredTest,
    found: Found | ScoringError | str,
    production: Rate | None,
    taken: Collection[str] | None,
    *,
    numeric: bool,
) -> Check:
    """Decide on one test."""
    test, ids = trial.test, asked.sample.ids
    if not isinstance(test, KnownAnswersTest) and taken is not None and test.column not in taken:
        if isinstance(test, FlipTest) and test.rule == INVARIANCE:
            return not_taken_check(tested, test.column)
        return untested_check(tested, f"the model does not take `{test.column}`")
    if isinstance(found, str):
        return untested_check(tested, found)
    if isinstance(found, ScoringError):
        asked_for = 0 if trial.rows is None else len(trial.rows)
        may_refuse = isinstance(test, FlipTest) and test.may_refuse
        row = _row(trial, found.row, ids)
        return unanswered_check(tested, str(found), row, asked_for, refused=found.refused, may_refuse=may_refuse)
    if isinstance(found, KnownAnswers):
        return known_answers_check(tested, found)
    if isinstance(found, Direction):
        assert trial.grid is not None
        return direction_check(tested, found, trial.grid.tolist(), ids, production=production)
    return flips_check(tested, found, ids[found.worst], numeric=numeric, production=production)


def _row(trial: Trial, position: int | None, ids: Sequence[str]) -> str | None:
    """Return what the row at a position of a trial is called."""
    if position is None:
        return None
    return str(position) if trial.truth is not None else ids[position % len(ids)]


def _described(trial: Trial, found: Found, production: Rate | None) -> dict[str, Any]:
    """Return a test's numbers for the report."""
    if isinstance(found, KnownAnswers):
        return {"n": found.n, "right": found.right}
    rate = found.rate
    numbers: dict[str, Any] = {"n": rate.n, "count": rate.count, "rate": rate.share, "interval": rate.interval}
    if production is not None:
        numbers["production"] = production.share
    if isinstance(found, Flips):
        return {**numbers, "largest_change": found.largest}
    assert trial.grid is not None and isinstance(trial.test, DirectionTest)
    curve = found.curve
    return {
        **numbers,
        "column": trial.test.column,
        "grid": trial.grid.tolist(),
        "partial_dependence": curve.mean.tolist(),
        "lower": curve.lower.tolist(),
        "upper": curve.upper.tolist(),
    }


def _relative(path: str) -> str | None:
    """Return a path as reports have it, None if it lies outside the working directory."""
    here, found = Path.cwd().resolve(), Path(path).resolve()
    return found.relative_to(here).as_posix() if found.is_relative_to(here) else None
