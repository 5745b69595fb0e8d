"""Take a canary one step on, or back, as the report of analyze-rollout says. A person's change goes first.

What is done follows from the report and from what the repository holds at that moment; a lost race is decided again. A
report leads to one commit at most, which names it; repeating a run that was cut off finishes it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cd4ml.checks.delivery.images import decision_check, manifest_check
from cd4ml.context import Context
from cd4ml.evidence.options import find_proof
from cd4ml.gitops.address import manifest_path
from cd4ml.gitops.repository import Clone, clone, land
from cd4ml.gitops.route import Route, check_route, route
from cd4ml.registry import move_alias
from cd4ml.report import Report
from cd4ml.stages.advance_rollout.analysis import Analysis, read_analysis
from cd4ml.stages.advance_rollout.decision import Action, Rules, model
from cd4ml.stages.advance_rollout.options import Options
from cd4ml.stages.advance_rollout.promotion import promotion
from cd4ml.stages.advance_rollout.rollout import Rollout, Situation, situation
from cd4ml.stages.advance_rollout.rules import rules

STAGE: Final = "advance-rollout"


def run(options: Options, context: Context) -> Report:
    """Look, decide, write the plan, and push.

    Raises:
        OptionsError: options, report or manifest are wrong, or a controller moves the canary by itself.
        UnavailableError: the report, the repository or the registry cannot be reached.
    """
    goes_by, path = rules(options), manifest_path(options.manifest)
    analysis = None if options.look else read_analysis(Path(options.rollout_report), find_proof(options))
    check_route(options)
    context.progress(f"Cloning the branch {options.branch} of the GitOps repository")
    way = Route() if options.look else route(options, context.environ)
    with clone(options.repository, options.branch, context.environ, way) as repository:
        if analysis is None:
            return _looked(situation(repository, path, repository.read(path), options.manifest_path))
        return _taken(repository, path, analysis, goes_by, options, context)


def _looked(found: Situation) -> Report:
    """Return the report of a run that only looks."""
    canary = found.canary
    told = f"{canary.image} has {canary.weight} % since {_utc(canary.since)}." if canary else "No canary runs."
    if canary and canary.by_hand:
        told += f" A person took over: {canary.by_hand}."
    outputs = _outputs(found, action=Action.NONE, weight=canary.weight if canary else 0, commit=None)
    return Report(stage=STAGE, checks=[decision_check(told)], summary=told, outputs=outputs)


def _taken(
    repository: Clone, path: str, analysis: Analysis, goes_by: Rules, options: Options, context: Context
) -> Report:
    """Take the step that is due, and return the report."""
    rollout = Rollout(repository, path, options.manifest_path, analysis, goes_by)
    found = rollout.decide(repository.read(path))
    if rollout.decision.action is Action.PROMOTED and found.canary:
        context.progress("Asking whether the canary may become production")
        rollout.promotion = promotion(found.canary, options, context)
    if rollout.refusal:
        held = Report(stage=STAGE, checks=rollout.checks, candidate=rollout.identity, summary=rollout.refusal)
        return replace(held, outputs=_outputs(found, action=Action.HELD, weight=_weight(found), commit=None))
    plan = [rollout.decision.why] if rollout.decision.acts else []
    if plan:
        context.save(Report(stage=STAGE, checks=(), candidate=rollout.identity, plan=plan))
        context.progress(f"Committing to {path}, and pushing")
    part = found.manifest.part
    commit = land(repository, path, rollout.change, rollout.message, part=part, progress=context.progress)
    _move_alias(rollout, options, context)
    told = _told(repository, path, rollout, found) if commit else rollout.decision.why
    weight = rollout.decision.weight if commit else _weight(found)
    return Report(
        stage=STAGE,
        checks=[*rollout.checks, *([manifest_check(told)] if commit else [])],
        candidate=rollout.identity,
        plan=plan,
        summary=told,
        details={
            "manifest": path,
            "branch": options.branch,
            "changed": commit is not None,
            "recorded": repository.recorded,
        },
        outputs=_outputs(found, action=rollout.decision.action, weight=weight, commit=commit),
    )


def _weight(found: Situation) -> int:
    """Return the weight that the canary had when the run began."""
    return found.canary.weight if found.canary else 0


def _told(repository: Clone, path: str, rollout: Rollout, found: Situation) -> str:
    """Say what was decided, and what the manifest gives the image afterwards."""
    image = found.canary.image if found.canary else ""
    share = found.manifest.changed(repository.read(path)).share(image)
    return f"{rollout.decision.why} {path} gives {image} {share}."


def _outputs(found: Situation, *, action: Action, weight: int, commit: str | None) -> dict[str, str]:
    """Return what later jobs need."""
    canary = found.canary
    return {
        "action": str(action),
        "canary": canary.image if canary else "",
        "model": (model(canary) or "") if canary else "",
        "weight": str(weight),
        "since": _utc(canary.since) if canary and canary.last else "",
        "commit": commit or "",
    }


def _move_alias(rollout: Rollout, options: Options, context: Context) -> None:
    """Point the alias at the version that was promoted: by this run, or for this report by one that was cut off."""
    name, version = options.registered_model, rollout.version
    if name and version:
        context.progress(f"Pointing {options.alias} of {name} at version {version}")
        move_alias(name, options.alias, version, tracking_uri=options.tracking_uri, environ=context.environ)


def _utc(seconds: float) -> str:
    """Return a time as people and scripts read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
