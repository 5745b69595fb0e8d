"""Run one job of a search: ask for parameters, have the caller's code score them, keep what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.search.trials import FAILED, NOT_A_NUMBER, OUT_OF_TIME, TEST_DATA, trial_checks
from cd4ml.context import Context
from cd4ml.digests import sha256
from cd4ml.errors import OptionsError
from cd4ml.report import Report, headline
from cd4ml.scoring.training import run as training
from cd4ml.scoring.training.run import Bench, TrainingError
from cd4ml.search import journals, plan
from cd4ml.search.folds import nested
from cd4ml.search.plan import Plan
from cd4ml.search.space import Value
from cd4ml.search.trials import Scores, Trial
from cd4ml.stages.run_trial.options import Options
from cd4ml.stages.training import code_of, rows_of
from cd4ml.writing import roots

if TYPE_CHECKING:
    import pandas as pd

STAGE: Final = "run-trial"


def run(options: Options, context: Context) -> Report:
    """Run the job's trials one after the other, within its share of the time.

    Raises:
        OptionsError: there is no such job, or data or code changed since the plan.
        UnavailableError: the plan, the data or the training environment cannot be had.
    """
    planned = plan.read(Path(options.search_plan))
    if not 0 <= options.job < planned.jobs:
        raise OptionsError(f"job must be from 0 to {planned.jobs - 1}, got {options.job}")
    path = _journal(options, context)
    rows, digest = rows_of(planned, options.reading)
    code = code_of(planned, planned.score)
    held: dict[str, object] = {}
    with training.bench(code, rows, context, _folds(rows, planned)) as bench:
        attempt = _attempt(bench, planned, held, context)
        trials = journals.run(path, planned, options.job, attempt)
    checks = trial_checks(trials, planned, jobs=[options.job])
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=headline(checks) or _told(trials, planned),
        metrics={"scores": [trial.scores.mean if trial.scores else None for trial in trials]},
        details={"job": options.job, "plan": planned.sha256, "isolation": held},
        inputs=(digest,),
        seed=planned.seed,
        outputs={
            "journal": str(path),
            "journal-sha256": sha256(path),
            "trials": str(sum(trial.scores is not None for trial in trials)),
        },
    )
    return remarked(report, options.reading)


def _journal(options: Options, context: Context) -> Path:
    """Return where the job's journal goes: within the workspace."""
    path = Path(options.journals) / journals.journal_name(options.job)
    inside = [root.resolve() for root in roots(context.environ, context.directory)]
    if not any(path.resolve().is_relative_to(root) for root in inside) or path.is_symlink():
        raise OptionsError(f"journals: {path} is outside the workspace", advice="Results are written inside it.")
    return path


def _folds(rows: pd.DataFrame, planned: Plan) -> pd.DataFrame:
    """Return the fold of each row, as the training code's process reads it."""
    import pandas as pd

    def codes(name: str) -> list[int] | None:
        return [int(code) for code in pd.factorize(rows[name], use_na_sentinel=False)[0]] if name else None

    found = nested(
        len(rows),
        folds=planned.folds,
        inner_folds=planned.inner_folds,
        seed=planned.seed,
        strata=codes(planned.stratify),
        groups=codes(planned.group),
    )
    return pd.DataFrame(found, columns=["outer", *(f"inner_{k}" for k in range(planned.folds))])


def _attempt(
    bench: Bench, planned: Plan, held: dict[str, object], context: Context
) -> Callable[[Mapping[str, Value]], Scores]:
    """Return what scores parameters until the job's time is up."""
    end = time.monotonic() + planned.seconds_of_job
    n = planned.folds * (1 + planned.inner_folds)

    def attempt(parameters: Mapping[str, Value]) -> Scores:
        left = end - time.monotonic()
        if left <= 0:
            raise journals.TrialError("the job's share of search-seconds is spent", reason=OUT_OF_TIME, last=True)
        context.progress(f"Scoring {', '.join(f'{name}={value}' for name, value in parameters.items())}")
        try:
            flat, isolation = training.scores(bench, parameters, seed=planned.seed, seconds=left, n=n)
        except TrainingError as error:
            reason = OUT_OF_TIME if error.late else _reason(str(error), planned)
            raise journals.TrialError(str(error), reason=reason, last=error.late) from error
        held.update(held=dict(isolation.held), missing=dict(isolation.missing))
        scores = _shaped(flat, planned)
        if not scores.whole(planned.folds, planned.inner_folds):
            raise journals.TrialError("a score is not a finite number", reason=NOT_A_NUMBER)
        return scores

    return attempt


def _reason(problem: str, planned: Plan) -> str:
    """Return whether code failed for asking for the test rows, which are not there for it, or otherwise."""
    name = Path(planned.test_data.partition("@")[0]).name
    return TEST_DATA if name and name in problem else FAILED


def _shaped(flat: list[float], planned: Plan) -> Scores:
    """Return scores fold by fold."""
    outer, inner, size = flat[: planned.folds], flat[planned.folds :], planned.inner_folds
    rows = [tuple(inner[start : start + size]) for start in range(0, len(inner), size)]
    return Scores(outer=tuple(outer), inner=tuple(rows))


def _told(trials: list[Trial], planned: Plan) -> str:
    """Say in a sentence what the job found."""
    means = [trial.scores.mean for trial in trials if trial.scores]
    best = max(means) if planned.maximize else min(means)
    return f"{len(trials)} trials; the best mean over {planned.folds} folds is {best:.4g}."
