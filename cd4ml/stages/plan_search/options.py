"""What plan-search can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = (
    "--train-data data/train.parquet --test-data data/test.parquet --score training:score --training-code training.py"
    ' --training-lock training.txt --space "depth=2..8" --trials 8'
)
OUTPUTS: Final[dict[str, str]] = {
    "jobs": "The numbers of the jobs as a JSON list, for a matrix; `[]` where no search is due.",
    "plan-sha256": "Digest of the plan.",
    "served": "The version that the request led to earlier, as `models:/<name>/<version>`; empty if none.",
}


class Sampler(StrEnum):
    """What proposes parameters."""

    TPE = "tpe"
    RANDOM = "random"


class Direction(StrEnum):
    """Which scores are better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of plan-search."""

    train_data: str = vocabulary.TRAIN_DATA.here("All that the search sees.", required=True)
    test_data: str = vocabulary.TEST_DATA.here("No trial can read them.", required=True)
    score: str = option(
        "The function that scores parameters, as `module:function`: it is called with the parameters, training rows "
        "and validation rows, and returns a number.",
        required=True,
        example="training:score",
        group=Group.INPUT,
    )
    training_code: tuple[str, ...] = option(
        "Files and folders that the training code is in; it can read no others of the project.",
        required=True,
        example="training.py",
        group=Group.INPUT,
    )
    training_lock: str = option(
        "Requirements of the training code, locked with hashes, pandas and pyarrow among them.",
        required=True,
        example="training.txt",
        group=Group.INPUT,
    )
    space: Mapping[str, str] = option(
        "The hyper-parameters, each with its range (`2..8`, `0.01..1 log`, `0..1 step 0.1`) or its values "
        "(`gini | entropy`).",
        required=True,
        example="depth=2..8",
        group=Group.INPUT,
    )
    direction: Direction = option(
        "Whether a greater score is better (`maximize`) or a smaller one (`minimize`).",
        default=Direction.MAXIMIZE,
        group=Group.DECISION,
    )
    sampler: Sampler = option(
        "What proposes parameters: Optuna's TPE, which learns from the scores of its own job, or chance.",
        default=Sampler.TPE,
        group=Group.DECISION,
    )
    trials: int = option("Trials of all jobs together.", default=20, group=Group.LIMITS)
    jobs: int = option("Jobs that the trials are spread over; they run side by side.", default=4, group=Group.LIMITS)
    search_seconds: float = option(
        "Seconds that all jobs together may train; each has an equal share.", default=3600.0, group=Group.LIMITS
    )
    cooldown_days: float = vocabulary.COOLDOWN_DAYS.here("Needs registered-model.", default=7.0)
    folds: int = option("Folds of the validation.", default=5, group=Group.DECISION)
    inner_folds: int = option(
        "Folds within the training rows of each fold, by which nested validation selects.",
        default=3,
        group=Group.DECISION,
    )
    stratify: str | None = option(
        "Column whose values are spread evenly over the folds: the label of a classification.",
        example="approved",
        group=Group.DECISION,
    )
    fold_group: str | None = option(
        "Column of entities whose rows stay in one fold: customers, patients, devices.",
        example="customer_id",
        group=Group.DECISION,
    )
    search_seed: int = option("Seed of the folds, the samplers and the training.", default=0, group=Group.ADVANCED)
    request: int | None = option(
        "Number of the issue that asks for the retraining; each is served once. Needs registered-model.",
        example="17",
        group=Group.DECISION,
    )
    issue_label: str | None = vocabulary.ISSUE_LABEL.here(
        "Where it is set, the request is looked up on GitHub, and must be an open one that asks for a retraining."
    )
    data_report: str | None = option(
        "The report of validate-data: it must have passed on the training rows.",
        example="reports/validate-data.json",
        group=Group.DECISION,
    )
    registered_model: str | None = vocabulary.REGISTERED_MODEL.here("Its versions tell when it was trained last.")
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    search_plan: str = vocabulary.SEARCH_PLAN.here(default="search/plan.json")
