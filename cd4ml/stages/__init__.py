"""The stages, in the order in which a change passes them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from cd4ml.context import Context
from cd4ml.inputs.options import Options as StageOptions
from cd4ml.report import Report

__all__ = ["PIPELINE", "STAGES", "Declaration", "Stage", "StageInfo", "declaration", "load"]


class Declaration(Protocol):
    """What a stage's `options` module offers."""

    Options: type[StageOptions]
    OUTPUTS: dict[str, str]


class Stage(Protocol):
    """What a stage's `run` module offers."""

    def run(self, options: Any, context: Context) -> Report:
        """Decide, and act if the decision allows it."""


@dataclass(frozen=True, kw_only=True)
class StageInfo:
    """What is known of a stage without importing it.

    Attributes:
        requirements: the lock files in `requirements/` that its environment is made from, beside `core`.
    """

    summary: str
    requirements: tuple[str, ...] = ()


STAGES: Final[dict[str, StageInfo]] = {
    "check-code": StageInfo(summary="Formatted, linted, typed and tested."),
    "validate-data": StageInfo(
        summary="The data meets its schema: types, bounds, nulls, categories, uniqueness, number of rows.",
        requirements=("validate-data",),
    ),
    "score-model": StageInfo(
        summary="Candidate and production model score the same test rows, each in its own environment.",
        requirements=("score-model",),
    ),
    "evaluate-model": StageInfo(
        summary="Metrics meet their thresholds, and nothing regresses against the production model.",
        requirements=("evaluate-model",),
    ),
    "audit-fairness": StageInfo(
        summary="No group is selected at less than 0.80 of the rate of another.",
        requirements=("audit-fairness",),
    ),
    "build-image": StageInfo(
        summary="A minimal serving image, called, scanned and pushed by digest.",
        requirements=("build-image",),
    ),
    "deploy-model": StageInfo(
        summary="Evidence verified, manifest updated by digest, canary started.",
        requirements=("score-model",),
    ),
    "promote-model": StageInfo(
        summary="A deployed model becomes production, or the previous one returns.",
        requirements=("score-model",),
    ),
    "detect-drift": StageInfo(
        summary="Current data and predictions are like the reference, and performance holds where labels exist.",
        requirements=("detect-drift", "score-model"),
    ),
    "request-retraining": StageInfo(
        summary="Where drift lasts, retraining is asked for: one open request, a cooldown, a budget.",
    ),
}

# What `cd4ml run` and the root action go through; promotion is always a decision of its own, and monitoring is a run
# of its own.
PIPELINE: Final = tuple(name for name in STAGES if name not in ("promote-model", "detect-drift", "request-retraining"))


def declaration(name: str) -> Declaration:
    """Import what a stage can be told and what it puts out; this is light."""
    return cast(Declaration, importlib.import_module(f"cd4ml.stages.{name.replace('-', '_')}.options"))


def load(name: str) -> Stage:
    """Import what a stage does, with the libraries that it needs."""
    return cast(Stage, importlib.import_module(f"cd4ml.stages.{name.replace('-', '_')}.run"))
