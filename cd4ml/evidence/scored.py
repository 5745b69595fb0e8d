"""The tables that score-model wrote: whoever judges one, or relies on such a judgement, makes sure that it still is.

score-model's report names each table by its digest. A table counts as score-model's if it has the name of that table,
or says itself that it is about the same model and rows; any other is a user's own, and nothing is compared. Without a
report of score-model every table is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.errors import OptionsError
from cd4ml.evidence.reports import SCORING, report_in
from cd4ml.report import Check, InputDigest, Published, Status

if TYPE_CHECKING:
    from cd4ml.data.predictions.table import Predictions

_TABLES: Final = ("predictions", "train-predictions")
_ADVICE: Final = (
    "Run score-model again. Your own table, if unrelated, needs another name or a reports folder without "
    "score-model.json."
)


class ChangedTableError(OptionsError):
    """A table is not what score-model wrote."""

    reason = "predictions-changed"


def refuse_changed(predictions: Predictions, reports: Path, *, more: Sequence[InputDigest] = ()) -> None:
    """Make sure that tables are as score-model wrote them, as far as they are its.

    Args:
        reports: folder in which score-model's report lies, if there is one.
        more: further tables about the same model; each is named as score-model's option for it.

    Raises:
        ChangedTableError: one is not, or score-model's report does not tell.
    """
    scored = report_in(reports, SCORING)
    if scored is None:
        return
    if isinstance(scored, str):
        raise ChangedTableError(scored, advice=_ADVICE)
    candidate = predictions.candidate.sha256 if predictions.candidate else None
    tables = [table for table in (predictions.digest, *more) if _is_of(scored, table, candidate, predictions.test_data)]
    problems = [_problem(scored, table) for table in tables]
    if any(problems):
        raise ChangedTableError([problem for problem in problems if problem], advice=_ADVICE)


def scored_check(reports: Mapping[str, Published | str], scored: Published | str, *, judges: Collection[str]) -> Check:
    """Check that the reports of other stages are about the table that score-model wrote.

    Args:
        reports: each required stage's report, or why there is none (which fails a check of its own).
        scored: score-model's report, or why the one that is there cannot be taken as one.
        judges: stages whose reports must say which table they judged; others may have looked at none.
    """
    if isinstance(scored, str):
        return _unlike([scored])
    problems, judged = [], []
    for stage, report in reports.items():
        if isinstance(report, str):
            continue
        tables = [one for one in report.report.inputs if one.name in _TABLES]
        if not tables and stage in judges:
            problems.append(f"{stage}: its report does not say which predictions it judged")
        candidate = report.report.candidate.sha256 if report.report.candidate else None
        for table in tables:
            if _is_of(scored, table, candidate, None):
                problem = _problem(scored, table)
                problems += [f"{stage}: {problem}"] if problem else []
                judged.append(stage)
    if problems:
        return _unlike(problems)
    told = f"{', '.join(judged)} judged" if judged else "No stage judged"
    return Check(
        id="evidence:predictions-table", status=Status.PASSED, message=f"{told} the table that score-model wrote."
    )


def same_rows_check(split: Published, scored: Published, *, required: bool) -> Check:
    """Check that check-split looked at the test rows that score-model scored.

    Args:
        required: whether the deployment demands check-split; if it does not, other rows are reported and block nothing.
    """
    first, second = ({one.sha256 for one in of.report.inputs if one.name == "test-data"} for of in (split, scored))
    if first & second:
        message = "check-split looked at the test rows that score-model scored."
        return Check(id="evidence:test-rows", status=Status.PASSED, message=message)
    named = " and ".join(", ".join(sorted(digest[:12] for digest in one)) or "unnamed rows" for one in (first, second))
    return Check(
        id="evidence:test-rows",
        status=Status.FAILED if required else Status.PASSED,
        reason="other-test-rows",
        message=f"check-split looked at other test rows than score-model scored ({named}): it says nothing about them."
        + ("" if required else " Reported only: check-split is not among required-stages."),
        advice="Give both stages the same test-data, and run both again." if required else None,
    )


def _unlike(problems: Sequence[str]) -> Check:
    """Return the check of reports that are not about the table that score-model wrote."""
    return Check(
        id="evidence:predictions-table",
        status=Status.FAILED,
        reason=ChangedTableError.reason,
        message=f"{'; '.join(problems)}.",
        advice=f"{_ADVICE} Then run the stages that judge it again.",
    )


def _is_of(scored: Published, table: InputDigest, candidate: str | None, test_data: InputDigest | None) -> bool:
    """Whether a table is meant to be the one that score-model wrote."""
    option = scored.options.get(table.name)
    if isinstance(option, str) and option and Path(option).name == Path(table.path).name:
        return True
    model = scored.report.candidate
    rows = {one.sha256 for one in scored.report.inputs if one.name == "test-data"}
    same_rows = test_data is None or test_data.sha256 in rows
    return candidate is not None and model is not None and candidate == model.sha256 and same_rows


def _problem(scored: Published, table: InputDigest) -> str | None:
    """Return why a table is not the one that score-model wrote, None if it is."""
    if scored.report.status is not Status.PASSED:
        return f"{table.path} cannot be judged: score-model did not pass"
    wrote = scored.report.outputs.get(f"{table.name}-sha256")
    if not wrote:
        return f"{table.path} cannot be judged: score-model's report does not say which table it wrote"
    if wrote == table.sha256:
        return None
    told = f"{table.path} ({table.sha256[:12]}) is not the table that score-model wrote ({wrote[:12]})"
    return f"{told}: one of them was created or changed since"
