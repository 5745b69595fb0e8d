"""The tables that score-model wrote: whoever judges one, or relies on such a judgement, makes sure that it still is.

score-model's report names each table by its digest. A table counts as score-model's if it has the name of that table,
or says itself that it is about the same model and rows; any other is a user's own, and nothing is compared. Without a
report of score-model every table is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.errors import OptionsError
from cd4ml.evidence.verify import read_report
from cd4ml.report import Check, InputDigest, Status

if TYPE_CHECKING:
    from cd4ml.data.predictions.table import Predictions

SCORING: Final = "score-model"
_TABLES: Final = ("predictions", "train-predictions")
_ADVICE: Final = (
    "Run score-model again. A table of your own that has nothing to do with it needs another name, or a reports folder "
    "without score-model.json."
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
    if not (reports / f"{SCORING}.json").exists():
        return
    scored = read_report(reports, SCORING)
    if isinstance(scored, str):
        raise ChangedTableError(scored, advice=_ADVICE)
    candidate = predictions.candidate.sha256 if predictions.candidate else None
    tables = [table for table in (predictions.digest, *more) if _is_of(scored, table, candidate, predictions.test_data)]
    problems = [_problem(scored, table) for table in tables]
    if any(problems):
        raise ChangedTableError([problem for problem in problems if problem], advice=_ADVICE)


def scored_check(
    reports: Mapping[str, Mapping[str, Any] | str], scored: Mapping[str, Any] | str, *, judges: Collection[str]
) -> Check:
    """Check that the reports of other stages are about the table that score-model wrote.

    Args:
        reports: each required stage's report, or why there is none.
        scored: score-model's report, which exists.
        judges: stages whose reports must say which table they judged; others may have looked at none.
    """
    problems, judged = [], []
    for stage, report in reports.items():
        if isinstance(report, str):
            continue
        if isinstance(scored, str):
            problems.append(scored)
            break
        tables = _tables(report)
        if not tables and stage in judges:
            problems.append(f"{stage}: its report does not say which predictions it judged")
        for table in tables:
            if _is_of(scored, table, _text(report.get("candidate"), "sha256"), None):
                problem = _problem(scored, table)
                problems += [f"{stage}: {problem}"] if problem else []
                judged.append(stage)
    if problems:
        return Check(
            id="evidence:predictions-table",
            status=Status.FAILED,
            reason=ChangedTableError.reason,
            message=f"{'; '.join(problems)}.",
            advice=f"{_ADVICE} Then run the stages that judge it again.",
        )
    told = f"{', '.join(judged)} judged" if judged else "No stage judged"
    return Check(
        id="evidence:predictions-table", status=Status.PASSED, message=f"{told} the table that score-model wrote."
    )


def _tables(report: Mapping[str, Any]) -> list[InputDigest]:
    """Return the tables of predictions that a report is about."""
    return [
        InputDigest(name=str(one["name"]), path=str(one.get("path")), sha256=str(one.get("sha256")))
        for one in _objects(report.get("inputs"))
        if one.get("name") in _TABLES
    ]


def _is_of(scored: Mapping[str, Any], table: InputDigest, candidate: str | None, test_data: InputDigest | None) -> bool:
    """Whether a table is meant to be the one that score-model wrote."""
    option = _text(scored.get("options"), table.name)
    if option is not None and Path(option).name == Path(table.path).name:
        return True
    rows = {one.get("sha256") for one in _objects(scored.get("inputs")) if one.get("name") == "test-data"}
    same_rows = test_data is None or test_data.sha256 in rows
    return candidate is not None and candidate == _text(scored.get("candidate"), "sha256") and same_rows


def _problem(scored: Mapping[str, Any], table: InputDigest) -> str | None:
    """Return why a table is not the one that score-model wrote, None if it is."""
    if scored.get("stage") != SCORING or scored.get("status") != Status.PASSED:
        return f"{table.path} cannot be judged: score-model did not pass"
    wrote = _text(scored.get("outputs"), f"{table.name}-sha256")
    if wrote is None:
        return f"{table.path} cannot be judged: score-model's report does not say which table it wrote"
    if wrote == table.sha256:
        return None
    told = f"{table.path} ({table.sha256[:12]}) is not the table that score-model wrote ({wrote[:12]})"
    return f"{told}: one of them was made or changed since"


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list, if it is one."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any, key: str) -> str | None:
    """Return a text of an object, None if there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) and found else None
