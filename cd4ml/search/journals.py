"""Optuna's journals: each job writes one of its own, and what they hold is put together afterwards.

A journal carries the digest of the plan that it belongs to, so that one of another search is not taken for one of this.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from cd4ml.errors import UnavailableError
from cd4ml.search.plan import Plan
from cd4ml.search.space import Parameter, Value
from cd4ml.search.trials import Journal, Scores, Trial

RANDOM: Final = "random"
_STUDY: Final = "cd4ml"
_PLAN: Final = "cd4ml:plan"
_JOB: Final = "cd4ml:job"
_SCORES: Final = "cd4ml:scores"
_PROBLEM: Final = "cd4ml:problem"
_MOST_BYTES: Final = 256 << 20


class TrialError(Exception):
    """A trial has no scores.

    Attributes:
        reason: kebab-case.
        last: whether no other is to follow.
    """

    def __init__(self, problem: str, *, reason: str, last: bool = False) -> None:
        super().__init__(problem)
        self.reason = reason
        self.last = last


class JournalError(Exception):
    """A file is not a journal of a search."""


def journal_name(job: int) -> str:
    """Return the name of a job's journal."""
    return f"journal-{job}.log"


def run(path: Path, plan: Plan, job: int, attempt: Callable[[Mapping[str, Value]], Scores]) -> list[Trial]:
    """Run the trials of a job, and write each into its journal when it ends.

    Args:
        path: of the journal; one that is there is of an earlier run, and replaced.
        attempt: returns what parameters score, or raises a TrialError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    space = {one.name: _distribution(one) for one in plan.space}
    with _quiet():
        study = optuna.create_study(
            storage=_storage(path),
            study_name=_STUDY,
            direction="maximize" if plan.maximize else "minimize",
            sampler=_sampler(plan, job),
        )
        study.set_user_attr(_PLAN, plan.sha256)
        study.set_user_attr(_JOB, job)
        for _ in range(plan.trials_of(job)):
            asked = study.ask(space)
            try:
                scores = attempt(asked.params)
            except TrialError as error:
                asked.set_user_attr(_PROBLEM, {"message": str(error), "reason": error.reason})
                study.tell(asked, state=TrialState.FAIL)
                if error.last:
                    break
                continue
            asked.set_user_attr(_SCORES, {"outer": scores.outer, "inner": scores.inner})
            study.tell(asked, scores.mean)
        return [_trial(one, job) for one in study.trials]


def read(path: Path) -> Journal:
    """Read a journal; nothing is written beside it.

    Raises:
        JournalError: it cannot be read, or is none of a job.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise JournalError("it is not a regular file of a sensible size")
    with tempfile.TemporaryDirectory(prefix="cd4ml-journal-") as folder, _quiet():
        copy = Path(folder) / "journal.log"
        shutil.copyfile(path, copy)
        try:
            _whole_lines(copy)
            study = optuna.load_study(study_name=_STUDY, storage=_storage(copy))
            told = study.user_attrs
            plan, job = told[_PLAN], told[_JOB]
            if not isinstance(plan, str) or type(job) is not int:
                raise ValueError("it does not say which plan and job it belongs to")
            trials = tuple(_trial(one, job) for one in study.trials)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, RecursionError) as error:
            raise JournalError(f"{type(error).__name__}: {error}"[:200]) from error
    return Journal(name=path.name, plan=plan, job=job, trials=trials)


def merge(journals: Sequence[Journal], plan: Plan, path: Path) -> None:
    """Write the trials of all journals into one, in the order of the jobs: Optuna and its tools open it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    space = {one.name: _distribution(one) for one in plan.space}
    with _quiet():
        study = optuna.create_study(
            storage=_storage(path), study_name=_STUDY, direction="maximize" if plan.maximize else "minimize"
        )
        study.set_user_attr(_PLAN, plan.sha256)
        for trial in (one for journal in journals for one in journal.trials if one.scores is not None):
            assert trial.scores is not None
            attributes = {_JOB: trial.job, _SCORES: {"outer": trial.scores.outer, "inner": trial.scores.inner}}
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.parameters),
                    distributions=space,
                    value=trial.scores.mean,
                    user_attrs=attributes,
                )
            )


def _whole_lines(path: Path) -> None:
    """Refuse a journal whose last line is cut off: Optuna would leave it out without a word."""
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n") or not isinstance(json.loads(line), dict):
                raise ValueError("a line is not whole")


def _trial(found: FrozenTrial, job: int) -> Trial:
    """Return what a trial of Optuna's says."""
    scores, problem = found.user_attrs.get(_SCORES), found.user_attrs.get(_PROBLEM) or {}
    if found.state is TrialState.COMPLETE and isinstance(scores, Mapping):
        said = Scores(outer=_floats(scores["outer"]), inner=tuple(_floats(one) for one in scores["inner"]))
        if said.mean != found.value:
            raise ValueError(f"trial {found.number} says {found.value}, and its folds say {said.mean}")
        return Trial(job=job, number=found.number, parameters=found.params, scores=said)
    message = str(problem.get("message") or f"it was left {found.state.name.lower()}, without scores")
    reason = str(problem.get("reason") or "unfinished")
    return Trial(job=job, number=found.number, parameters=found.params, problem=message, reason=reason)


def _floats(values: Any) -> tuple[float, ...]:
    """Return numbers as a journal has them."""
    return tuple(float(value) for value in values)


def _distribution(parameter: Parameter) -> BaseDistribution:
    """Return a parameter as Optuna has it."""
    if parameter.choices:
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter.low, int) and isinstance(parameter.high, int):
        step = 1 if parameter.step is None else int(parameter.step)
        return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=step)
    assert parameter.low is not None and parameter.high is not None
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def _sampler(plan: Plan, job: int) -> optuna.samplers.BaseSampler:
    """Return what proposes a job's parameters; each job has a seed of its own."""
    seed = plan.seed + job
    if plan.sampler == RANDOM:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def _storage(path: Path) -> JournalStorage:
    """Return the storage in a file."""
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}.") from error


class _quiet(warnings.catch_warnings):
    """Let Optuna say nothing: what there is to say stands in the report."""

    def __enter__(self) -> Any:
        self._before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        found = super().__enter__()
        warnings.simplefilter("ignore", category=UserWarning)
        return found

    def __exit__(self, *told: Any) -> None:
        super().__exit__(*told)
        optuna.logging.set_verbosity(self._before)
