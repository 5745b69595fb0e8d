"""The stages, in the order in which a change passes them, and what is known of each: the one place that says it.

The order of the pipeline, what blocks what, the stages whose reports a deployment demands, the jobs of the reusable
workflow and the schemas follow from here.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from cd4ml.context import Context
from cd4ml.evidence.about import About
from cd4ml.inputs.help_text import HelpText
from cd4ml.inputs.options import Options as StageOptions
from cd4ml.report import Report
from cd4ml.wording import nearest

__all__ = [
    "ABOUT_FILES",
    "ANALYSIS",
    "DRIFT",
    "FEATURES",
    "JUDGES",
    "PIPELINE",
    "REQUIRED",
    "RETRAINING",
    "STAGES",
    "Declaration",
    "Stage",
    "StageInfo",
    "about",
    "declaration",
    "evidence",
    "help_text",
    "load",
    "needed",
    "unknown_required",
]


class Declaration(Protocol):
    """What a stage's `options` module offers."""

    Options: type[StageOptions]
    OUTPUTS: dict[str, str]
    EXAMPLE: str


class Stage(Protocol):
    """What a stage's `run` module offers."""

    def run(self, options: Any, context: Context) -> Report:
        """Decide, and act if the decision allows it."""


@dataclass(frozen=True, kw_only=True)
class StageInfo:
    """What is known of a stage without importing it.

    Attributes:
        requirements: the lock files in `requirements/` that its environment is made from, beside `core`.
        needs: earlier stages of the pipeline whose results it reads: where one is configured and did not pass, this
            one does not run.
        acts: whether it changes the world. In the pipeline such a stage needs every stage before it, and its job in
            the reusable workflow runs only where a change is delivered.
        evidence: what its report is evidence of, if it is evidence for a deployment at all.
        required: whether a deployment demands that evidence, unless `required-stages` says otherwise.
        in_pipeline: whether `cd4ml run`, the root action and the reusable workflow go through it.
    """

    summary: str
    requirements: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    acts: bool = False
    evidence: About | None = None
    required: bool = False
    in_pipeline: bool = True


STAGES: Final[dict[str, StageInfo]] = {
    "check-code": StageInfo(
        summary="Formatted, linted, typed and tested.",
        evidence=About.COMMIT,
        required=True,
    ),
    "validate-data": StageInfo(
        summary="The data meets its schema: types, bounds, nulls, categories, uniqueness, number of rows.",
        requirements=("validate-data",),
        evidence=About.COMMIT,
        required=True,
    ),
    "check-split": StageInfo(
        summary="A test on these rows means something: they are new, and nothing in them gives the answer away.",
        requirements=("check-split", "registry"),
        evidence=About.COMMIT,
    ),
    # Not required: a predictions table may also be a user's own.
    "score-model": StageInfo(
        summary="Candidate and production model score the same test rows, each in its own environment.",
        requirements=("registry", "score-model"),
        evidence=About.MODEL,
    ),
    "evaluate-model": StageInfo(
        summary="Metrics meet their thresholds, and nothing regresses against the production model.",
        requirements=("evaluate-model",),
        needs=("score-model",),
        evidence=About.MODEL,
        required=True,
    ),
    "audit-fairness": StageInfo(
        summary="No group is selected at less than 0.80 of the rate of another.",
        requirements=("audit-fairness",),
        needs=("score-model",),
        evidence=About.MODEL,
        required=True,
    ),
    "build-image": StageInfo(
        summary="A minimal serving image, called, scanned and pushed by digest.",
        requirements=("registry", "build-image", "evidence"),
        acts=True,
        evidence=About.MODEL,
        required=True,
    ),
    "deploy-model": StageInfo(
        summary="Evidence verified, manifest updated by digest, canary started.",
        requirements=("registry", "evidence"),
        acts=True,
    ),
    # Promotion is always a decision of its own, and monitoring a run of its own.
    "promote-model": StageInfo(
        summary="A deployed model becomes production, or the previous one returns.",
        requirements=("registry", "evidence"),
        acts=True,
        in_pipeline=False,
    ),
    "analyze-rollout": StageInfo(
        summary="The canary is as good as the stable version: the step may go on, is rolled back, or waits.",
        requirements=("analyze-rollout",),
        in_pipeline=False,
    ),
    "advance-rollout": StageInfo(
        summary="The canary takes its next step, or is rolled back, as the analysis of the rollout says.",
        requirements=("registry", "evidence"),
        acts=True,
        in_pipeline=False,
    ),
    "analyze-experiment": StageInfo(
        summary="Which variant is better: units assigned as planned, effects with intervals, guardrails held.",
        requirements=("analyze-experiment",),
        in_pipeline=False,
    ),
    "score-batch": StageInfo(
        summary="A model scores a whole table, which is published in one step.",
        requirements=("registry", "score-batch"),
        in_pipeline=False,
    ),
    "verify-evidence": StageInfo(
        summary="Every required stage passed for exactly this commit and model, and its evidence is signed.",
        requirements=("evidence",),
        in_pipeline=False,
    ),
    "check-freshness": StageInfo(
        summary="Tables are as new as they must be: by age, by deadline, and by how long past runs took.",
        requirements=("check-freshness",),
        in_pipeline=False,
    ),
    "check-features": StageInfo(
        summary="Models are served the features that they are trained on: parity, staleness, units, leakage.",
        requirements=("check-features",),
        in_pipeline=False,
    ),
    "detect-drift": StageInfo(
        summary="Current data and predictions are like the reference, and performance holds where labels exist.",
        requirements=("detect-drift", "registry"),
        in_pipeline=False,
    ),
    "request-retraining": StageInfo(
        summary="Retraining is requested when drift persists: one open request, a cooldown, a budget.",
        acts=True,
        in_pipeline=False,
    ),
    "plan-search": StageInfo(
        summary="A search of hyper-parameters is due, and is planned: its space, its jobs, its budget.",
        requirements=("registry", "check-freshness"),
        in_pipeline=False,
    ),
    "run-trial": StageInfo(
        summary="One job of the search: every trial has a score on each fold, and no test row was seen.",
        requirements=("search", "score-model"),
        in_pipeline=False,
    ),
    "select-trial": StageInfo(
        summary="The journals of all jobs are whole and agree; nested validation says what the best is worth.",
        requirements=("search",),
        in_pipeline=False,
    ),
    "train-model": StageInfo(
        summary="A model with the selected parameters is trained and registered as challenger, with its lineage.",
        requirements=("registry", "score-model"),
        acts=True,
        in_pipeline=False,
    ),
}

PIPELINE: Final = tuple(name for name, info in STAGES.items() if info.in_pipeline)
# The stages whose reports a deployment demands, unless it is told otherwise.
REQUIRED: Final = tuple(name for name, info in STAGES.items() if info.required)
# The stages whose reports are evidence of a commit's files.
ABOUT_FILES: Final = frozenset(name for name, info in STAGES.items() if info.evidence is About.COMMIT)
# The stages that judge the predictions of score-model.
JUDGES: Final = frozenset(name for name, info in STAGES.items() if "score-model" in info.needs)

# The stage whose verdict a rollout goes by.
ANALYSIS: Final = "analyze-rollout"
# The stage that asks online stores of features; what writes to them needs its libraries.
FEATURES: Final = "check-features"
# The stage that the drift worker judges windows of events by.
DRIFT: Final = "detect-drift"
# The stage by which it asks for retraining.
RETRAINING: Final = "request-retraining"


def needed(name: str) -> tuple[str, ...]:
    """Return the stages of the pipeline that must have passed before one runs, as far as they are configured."""
    return PIPELINE[: PIPELINE.index(name)] if STAGES[name].acts else STAGES[name].needs


def about(name: str) -> About:
    """Return what the report of a stage is evidence of: of the commit, where the stage says nothing else."""
    return STAGES[name].evidence or About.COMMIT


def evidence(names: Iterable[str]) -> dict[str, About]:
    """Return what the report of each stage is evidence of."""
    return {name: about(name) for name in names}


def unknown_required(names: Iterable[str]) -> list[str]:
    """Return what is wrong with the stages that `required-stages` names: one problem for each that there is not."""
    return [f"required-stages: unknown stage `{name}`{nearest(name, STAGES)}" for name in names if name not in STAGES]


def declaration(name: str) -> Declaration:
    """Import what a stage can be told and what it puts out; this is light."""
    return cast(Declaration, importlib.import_module(f"cd4ml.stages.{name.replace('-', '_')}.options"))


def help_text(name: str) -> HelpText:
    """Return what the help of a stage says beside its options."""
    return HelpText(summary=STAGES[name].summary, example=declaration(name).EXAMPLE, page=f"stages/{name}.md")


def load(name: str) -> Stage:
    """Import what a stage does, with the libraries that it needs.

    What libraries make when they are imported stays: looking for garbage in it, now or later, is in vain, and costs a
    tenth of the start.
    """
    gc.disable()
    try:
        return cast(Stage, importlib.import_module(f"cd4ml.stages.{name.replace('-', '_')}.run"))
    finally:
        if not gc.get_freeze_count():  # between two stages of a run there may be garbage, which would stay too
            gc.freeze()
        gc.enable()
