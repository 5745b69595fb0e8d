"""Verifying reports before a deployment.

A report counts if it says `passed`, if its checks say the same, and if it is about this commit and this model.
Nothing is taken from its absence.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.evidence.about import About
from cd4ml.report import Check, Status, worst

_SHOWN: Final = 5
_LARGEST: Final = 64_000_000


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is to be deployed: the image, the model's digest that its build names, and the commit of the pipeline."""

    image: str | None
    model: str | None
    commit: str | None


def read_report(folder: Path, stage: str) -> dict[str, Any] | str:
    """Return a stage's report, or why it cannot be taken as one."""
    path = folder / f"{stage}.json"
    if not path.exists():
        return f"{path} does not exist: the stage did not run, or its report was not handed on"
    if path.is_symlink():  # no stage writes one: it would be somebody else's, or an earlier run's
        return f"{path} is a link"
    if not path.is_file():  # reading a pipe or a device may never end
        return f"{path} is no regular file"
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            return f"{path} is too large for a report"
        document = json.loads(content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        return f"{path} is no report: {error}"
    return document if isinstance(document, dict) else f"{path} is no report: it holds no object"


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which no report holds."""
    raise ValueError(f"{name} in the JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that gives a key twice: readers would disagree on what it says."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def subject(build: Mapping[str, Any] | str, commit: str | None) -> Subject:
    """Return what the report of build-image says is to be deployed."""
    if isinstance(build, str):
        return Subject(image=None, model=None, commit=commit)
    image = _text(build.get("outputs"), "image")
    return Subject(image=image, model=_text(build.get("candidate"), "sha256"), commit=commit)


def verify(stage: str, report: Mapping[str, Any] | str, about: Subject, of: About) -> Check:
    """Check one stage's report.

    Args:
        of: what the stage's report is evidence of.
    """
    problem = report if isinstance(report, str) else _problem(stage, report, about, of)
    if problem is None:
        count = len(report["checks"]) if not isinstance(report, str) else 0
        message = f"{stage} passed all {count} checks for this commit and this model."
        return Check(id=f"evidence:{stage}", status=Status.PASSED, message=message, n=count)
    return Check(
        id=f"evidence:{stage}",
        status=Status.FAILED,
        reason="no-evidence",
        message=f"{stage}: {problem}.",
        advice=f"Run {stage} for this very commit and model, and hand its report on.",
    )


def _problem(stage: str, report: Mapping[str, Any], about: Subject, of: About) -> str | None:
    """Return why the report is no evidence, None if it is."""
    if report.get("schema_version") != "1" or report.get("stage") != stage:
        return f"the file is not a report of {stage} in version 1"
    return _status_problem(report) or _commit_problem(report, about, of) or _model_problem(report, about, of)


def _status_problem(report: Mapping[str, Any]) -> str | None:
    """Return why the report does not say that everything passed."""
    checks = report.get("checks")
    if not isinstance(checks, list) or not checks:
        return "it ran no check"
    try:
        found = worst(Status(check["status"]) for check in checks)
    except (ValueError, KeyError, TypeError):
        return "it holds a check without a known status"
    if report.get("status") != Status.PASSED:
        return f"its status is {report.get('status')!r}, not 'passed'"
    if found is not Status.PASSED:
        return f"it says 'passed', but one of its checks is {str(found)!r}"
    return None


def _commit_problem(report: Mapping[str, Any], about: Subject, of: About) -> str | None:
    """Return why the report is not about this commit."""
    commit = _text(report.get("source"), "git_sha")
    if about.commit is None or commit is None:
        return "the commit that it is about is unknown"
    if commit != about.commit:
        return f"it is about commit {commit[:12]}, not {about.commit[:12]}"
    modified = report["source"].get("modified", [])
    if of is About.MODEL or modified == []:
        return None
    if not isinstance(modified, list):
        return "it is not known whether the files that it is about were those of the commit"
    return f"it is about files that were changed and not committed: {', '.join(map(str, modified[:_SHOWN]))}"


def _model_problem(report: Mapping[str, Any], about: Subject, of: About) -> str | None:
    """Return why the report is not about this model."""
    if of is not About.MODEL:
        return None
    model = _text(report.get("candidate"), "sha256")
    if about.model is None or model is None:
        return "the model that it is about is unknown"
    return None if model == about.model else f"it is about model {model[:12]}, not {about.model[:12]}"


def _text(value: Any, key: str) -> str | None:
    """Return a text of an object, None if there is none."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) and found else None


def verify_all(
    folder: Path, stages: Mapping[str, About], commit: str | None, *, judges: Collection[str]
) -> tuple[list[Check], Subject]:
    """Check the reports of all required stages; return the checks, and what they say is to be deployed.

    Args:
        stages: what the report of each required stage is evidence of.
        judges: stages whose reports rest on the predictions of score-model.
    """
    from cd4ml.evidence.scored import SCORING, scored_check

    about = subject(read_report(folder, "build-image"), commit)
    reports = {stage: read_report(folder, stage) for stage in stages}
    checks = [verify(stage, report, about, stages[stage]) for stage, report in reports.items()]
    if (folder / f"{SCORING}.json").exists():
        checks.append(scored_check(reports, read_report(folder, SCORING), judges=judges))
    return checks, about
