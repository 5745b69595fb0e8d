"""Verifying reports before a deployment.

A report counts if it says `passed`, if its checks say the same, if it is about this commit and this model, and if it is
signed where that is demanded. Nothing is taken from its absence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.evidence.about import About
from cd4ml.evidence.proof import Proof, Refused
from cd4ml.evidence.folder import Reports
from cd4ml.evidence.reports import BUILD, SCORING, SPLIT
from cd4ml.evidence.scored import same_rows_check, scored_check
from cd4ml.report import Check, ModelIdentity, Published, Report, Status

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


def verify(stage: str, report: Published | Refused, about: Subject, of: About) -> Check:
    """Check one stage's report.

    Args:
        report: the stage's report, or why there is none.
        of: what the stage's report is evidence of.
    """
    problem = report if isinstance(report, Refused) else _problem(report, about, of)
    if problem is None:
        count = 0 if isinstance(report, Refused) else len(report.report.checks)
        message = f"{stage} passed all {count} checks for this commit and this model."
        return Check(id=f"evidence:{stage}", status=Status.PASSED, message=message, n=count)
    return Check(
        id=f"evidence:{stage}",
        status=Status.FAILED,
        reason=problem.reason,
        message=f"{stage}: {problem}.",
        advice=f"Run {stage} for this commit and model, and pass its report on, with its bundle where one is demanded.",
    )


def _problem(published: Published, about: Subject, of: About) -> Refused | None:
    """Return why the report is not evidence, None if it is."""
    status = published.report.status
    if status is not Status.PASSED:
        return Refused("not-passed", f"its status is {str(status)!r}, not 'passed'")
    return _commit_problem(published, about, of) or _model_problem(published, about, of)


def _commit_problem(published: Published, about: Subject, of: About) -> Refused | None:
    """Return why the report is not about this commit."""
    commit, modified = published.source.git_sha, published.source.modified
    if not about.commit or not commit:
        return Refused("unknown-commit", "the commit that it is about is unknown")
    if commit != about.commit:
        return Refused("foreign-commit", f"it is about commit {commit[:12]}, not {about.commit[:12]}")
    if of is About.MODEL:
        return None
    if modified is None:
        return Refused("modified", "it does not say whether the files that it checked were those of the commit")
    if modified:
        changed = ", ".join(modified[:_SHOWN])
        return Refused("modified", f"it is about files that were changed and not committed: {changed}")
    return None


def _model_problem(published: Published, about: Subject, of: About) -> Refused | None:
    """Return why the report is not about this model."""
    if of is not About.MODEL:
        return None
    model = _digest(published.report.candidate)
    if about.model is None or model is None:
        return Refused("unknown-model", "the model that it is about is unknown")
    if model == about.model:
        return None
    return Refused("foreign-model", f"it is about model {model[:12]}, not {about.model[:12]}")


def _digest(model: ModelIdentity | None) -> str | None:
    """Return a model's digest, None if it has none."""
    return model.sha256 or None if model else None


def verify_all(
    reports: Reports, stages: Mapping[str, About], commit: str | None, *, judges: Collection[str], proof: Proof | None
) -> tuple[list[Check], Subject]:
    """Check the reports of all required stages; return the checks, and what they say is to be deployed.

    Args:
        stages: what the report of each required stage is evidence of.
        judges: stages whose reports rest on the predictions of score-model.
        proof: what the reports must prove beside that.
    """
    about = subject(reports.need(BUILD), commit)
    found = {stage: reports.need(stage) for stage in stages}
    checks = [verify(stage, report, about, stages[stage]) for stage, report in found.items()]
    scored = reports.find(SCORING)
    if scored is not None:
        checks.append(scored_check(found, scored, judges=judges))
    split = reports.find(SPLIT)
    if isinstance(split, Refused) and SPLIT not in stages:
        checks.append(_uncounted_check(SPLIT, split))
    elif isinstance(split, Published) and isinstance(scored, Published):
        checks.append(same_rows_check(split, scored, required=SPLIT in stages))
    return [*checks, _signatures_check(reports, proof)], about


def counting(reports: Reports, stages: Mapping[str, About], about: Subject) -> list[Report]:
    """Return the reports that count, demanded or not: those that passed for this commit and this model.

    Args:
        stages: whose reports are meant, and what each is evidence of.
    """
    found = {stage: reports.find(stage) for stage in stages}
    return [
        one.report
        for stage, one in found.items()
        if isinstance(one, Published) and _problem(one, about, stages[stage]) is None
    ]


def _uncounted_check(stage: str, why: Refused) -> Check:
    """Say of a report that is there and that no deployment demands that it counts for nothing."""
    return Check(
        id=f"evidence:{stage}",
        status=Status.PASSED,
        reason=why.reason,
        message=f"The report of {stage} counts for nothing: {why}. Reported only: {stage} is not among "
        "required-stages.",
    )


def _signatures_check(reports: Reports, proof: Proof | None) -> Check:
    """Say who signed, or plainly that nobody need have; check that all were made with one configuration."""
    id = "evidence-signatures"
    if proof is None:
        message = "The evidence is unsigned: whoever could write to the folder of reports could have made it."
        return Check(id=id, status=Status.PASSED, reason="unsigned", message=message)
    configs = {stage: one.config for stage, one in reports.claims.items()}
    if len(set(configs.values())) > 1:
        told = ", ".join(f"{stage} {digest[:12] if digest else 'none'}" for stage, digest in configs.items())
        return Check(
            id=id,
            status=Status.FAILED,
            reason="other-configuration",
            message=f"The stages were run with different configuration files ({told}).",
            advice="Run all of them with the same cd4ml.yaml.",
        )
    if not reports.claims:
        message = f"No report is signed by {proof.verifier.identity}."
        return Check(
            id=id, status=Status.FAILED, reason="unsigned", message=message, advice="Sign them: signing-key or keyless."
        )
    message = f"{len(reports.claims)} reports are signed by {proof.verifier.identity}."
    return Check(id=id, status=Status.PASSED, message=message, n=len(reports.claims))
