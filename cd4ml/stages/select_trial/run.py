"""Select the best trial of a search, and say by nested validation what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.search.trials import agreement_check, journal_checks, trial_checks
from cd4ml.context import Context
from cd4ml.digests import bytes_sha256, sha256
from cd4ml.errors import OptionsError
from cd4ml.report import InputDigest, Report, Status, headline
from cd4ml.search import journals, plan, selected
from cd4ml.search.plan import Plan
from cd4ml.search.selected import Selection
from cd4ml.search.trials import Journal, Selected, Trial, select
from cd4ml.stages.select_trial.options import Options
from cd4ml.writing import remove, result

STAGE: Final = "select-trial"
_MERGED: Final = "search.log"
_PATTERN: Final = "journal-*.log"


def run(options: Options, context: Context) -> Report:
    """Read the journals of all jobs; select only if every one is whole.

    Raises:
        OptionsError: options decide nothing, or the plan is none.
        UnavailableError: the plan is not there.
    """
    if not options.score_tolerance >= 0:
        raise OptionsError(f"score-tolerance must be at least 0, got {options.score_tolerance:g}")
    target = result("selected", options.selected, context.environ, endings=(".json",), ours=selected.is_selection)
    remove(target)
    planned = plan.read(Path(options.search_plan))
    files = sorted(Path(options.journals).glob(_PATTERN))
    found, unreadable = _read(files)
    trials = sorted((trial for one in found for trial in one.trials), key=lambda trial: (trial.job, trial.number))
    checks = journal_checks(found, unreadable, planned, digest=planned.sha256)
    checks += trial_checks(trials, planned, jobs=range(planned.jobs))
    checks.append(agreement_check(trials, tolerance=options.score_tolerance))
    passed = all(check.status is Status.PASSED for check in checks)
    digests = [InputDigest(name=path.name, path=str(path), sha256=sha256(path)) for path in files if path.is_file()]
    search = search_sha256(planned, digests)
    best = select(trials, maximize=planned.maximize) if passed else None
    if best:
        journals.merge(found, planned, Path(options.journals) / _MERGED)
        selected.write(_selection(best, planned, search), target)
    return Report(
        stage=STAGE,
        checks=checks,
        summary=headline(checks) or _told(best, planned),
        metrics=_metrics(best, trials),
        details=_details(best, trials, planned),
        inputs=(InputDigest(name="plan", path=options.search_plan, sha256=planned.sha256), *digests),
        seed=planned.seed,
        outputs={
            "selected": str(target) if best else "",
            "selected-sha256": sha256(target) if best else "",
            "search-sha256": search if best else "",
        },
    )


def search_sha256(planned: Plan, digests: Sequence[InputDigest]) -> str:
    """Return the digest of a search: of its plan, and of the journals in the order of their names."""
    lines = [f"{planned.sha256}  plan\n", *(f"{one.sha256}  {one.name}\n" for one in digests)]
    return bytes_sha256("".join(lines).encode())


def _read(files: Sequence[Path]) -> tuple[list[Journal], dict[str, str]]:
    """Return the journals, and why other files cannot be read, by name."""
    found, unreadable = [], {}
    for path in files:
        try:
            found.append(journals.read(path))
        except journals.JournalError as error:
            unreadable[path.name] = str(error)
    return sorted(found, key=lambda one: (one.job, one.name)), unreadable


def _selection(best: Selected, planned: Plan, search: str) -> Selection:
    """Return what the training is handed."""
    return Selection(
        plan=planned.sha256,
        search=search,
        job=best.trial.job,
        number=best.trial.number,
        parameters=dict(best.trial.parameters),
        cross_validated=best.cross_validated,
        nested=best.nested,
    )


def _metrics(best: Selected | None, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the numbers of the report."""
    if best is None:
        return {"trials": len(trials)}
    return {"trials": len(trials), "cross-validated": best.cross_validated, "nested": best.nested}


def _details(best: Selected | None, trials: Sequence[Trial], planned: Plan) -> dict[str, Any]:
    """Return what else was found: the parameters, and what was selected fold by fold."""
    if best is None:
        return {}
    return {
        "parameters": dict(best.trial.parameters),
        "job": best.trial.job,
        "trial": best.trial.number,
        "nested_by_fold": [
            {"score": score, "parameters": dict(trials[winner].parameters)}
            for score, winner in zip(best.by_fold, best.winners, strict=True)
        ],
        "request": planned.request or None,
    }


def _told(best: Selected | None, planned: Plan) -> str:
    """Say in a sentence what was selected."""
    assert best is not None
    values = ", ".join(f"{name}={value}" for name, value in best.trial.parameters.items())
    return (
        f"{values}: a mean of {best.cross_validated:.4g} over {planned.folds} folds, the best of {planned.trials} "
        f"trials; nested validation expects {best.nested:.4g}."
    )
