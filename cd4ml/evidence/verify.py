"""Verifying reports before a deployment.

A report counts if it says `passed`, if its checks say the same, and if it is about this commit and this model.
Nothing is taken from its absence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.evidence.about import About
from cd4ml.evidence.reports import BUILD, SCORING, SPLIT, report_in, required_in
from cd4ml.evidence.scored import same_rows_check, scored_check
from cd4ml.report import Check, ModelIdentity, Published, Status

_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is to be deployed: the image, the model's digest that its build names, and the commit of the pipeline."""

    image: str | None
    model: str | None
    commit: str | None


def subject(build: Published | str, commit: str | None) -> Subject:
    """Return what the report of build-image says is to be deployed."""
    if isinstance(build, str):
        return Subject(image=None, model=None, commit=commit)
    return Subject(
        image=build.report.outputs.get("image") or None, model=_digest(build.report.candidate), commit=commit
    )


def verify(stage: str, report: Published | str, about: Subject, of: About) -> Check:
    """Check one stage's report.

    Args:
        report: the stage's report, or why there is none.
        of: what the stage's report is evidence of.
    """
    problem = report if isinstance(report, str) else _problem(report, about, of)
    if problem is None:
        count = 0 if isinstance(report, str) else len(report.report.checks)
        message = f"{stage} passed all {count} checks for this commit and this model."
        return Check(id=f"evidence:{stage}", status=Status.PASSED, message=message, n=count)
    return Check(
        id=f"evidence:{stage}",
        status=Status.FAILED,
        reason="no-evidence",
        message=f"{stage}: {problem}.",
        advice=f"Run {stage} for this commit and model, and pass its report on.",
    )


def _problem(published: Published, about: Subject, of: About) -> str | None:
    """Return why the report is not evidence, None if it is."""
    status = published.report.status
    if status is not Status.PASSED:
        return f"its status is {str(status)!r}, not 'passed'"
    return _commit_problem(published, about, of) or _model_problem(published, about, of)


def _commit_problem(published: Published, about: Subject, of: About) -> str | None:
    """Return why the report is not about this commit."""
    commit, modified = published.source.git_sha, published.source.modified
    if not about.commit or not commit:
        return "the commit that it is about is unknown"
    if commit != about.commit:
        return f"it is about commit {commit[:12]}, not {about.commit[:12]}"
    if of is About.MODEL:
        return None
    if modified is None:
        return "it does not say whether the files that it checked were those of the commit"
    if modified:
        return f"it is about files that were changed and not committed: {', '.join(modified[:_SHOWN])}"
    return None


def _model_problem(published: Published, about: Subject, of: About) -> str | None:
    """Return why the report is not about this model."""
    if of is not About.MODEL:
        return None
    model = _digest(published.report.candidate)
    if about.model is None or model is None:
        return "the model that it is about is unknown"
    return None if model == about.model else f"it is about model {model[:12]}, not {about.model[:12]}"


def _digest(model: ModelIdentity | None) -> str | None:
    """Return a model's digest, None if it has none."""
    return model.sha256 or None if model else None


def verify_all(
    folder: Path, stages: Mapping[str, About], commit: str | None, *, judges: Collection[str]
) -> tuple[list[Check], Subject]:
    """Check the reports of all required stages; return the checks, and what they say is to be deployed.

    Args:
        stages: what the report of each required stage is evidence of.
        judges: stages whose reports rest on the predictions of score-model.
    """
    about = subject(required_in(folder, BUILD), commit)
    reports = {stage: required_in(folder, stage) for stage in stages}
    checks = [verify(stage, report, about, stages[stage]) for stage, report in reports.items()]
    scored = report_in(folder, SCORING)
    if scored is not None:
        checks.append(scored_check(reports, scored, judges=judges))
    split = report_in(folder, SPLIT)
    if isinstance(split, Published) and isinstance(scored, Published):
        checks.append(same_rows_check(split, scored, required=SPLIT in stages))
    return checks, about
