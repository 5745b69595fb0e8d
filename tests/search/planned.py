"""Plans and journals of searches, as the stages write them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cd4ml.search import journals, plan
from cd4ml.search.plan import Plan
from cd4ml.search.space import Value, parameters
from cd4ml.search.trials import Scores

SHA = "0" * 64


def planned(**changes: Any) -> Plan:
    """Return a plan of four trials in two jobs, with three folds and two inner folds."""
    made = Plan(
        space=parameters({"depth": "2..8", "rate": "0.01..1 log", "loss": "squared | absolute"}),
        trials=4,
        jobs=2,
        seconds=600.0,
        sampler="tpe",
        direction="maximize",
        seed=0,
        folds=3,
        inner_folds=2,
        stratify="",
        group="",
        score="training:score",
        code=("training.py",),
        lock="training.txt",
        train_data="train.parquet",
        test_data="test.parquet",
        train_sha256=SHA,
        test_sha256="1" * 64,
        code_sha256=SHA,
        lock_sha256=SHA,
        commit="",
        request=0,
    )
    return dataclasses.replace(made, **changes)


def scored(parameters: Mapping[str, Value], worth: float | None = None) -> Scores:
    """Return scores that follow from the parameters alone."""
    depth = float(parameters["depth"]) if worth is None else worth
    return Scores(outer=(depth, depth + 1, depth + 2), inner=((depth, depth), (depth, depth), (depth, depth)))


def searched(folder: Path, made: Plan, *jobs: int) -> None:
    """Write a plan, and the journals of some of its jobs (by default of all)."""
    plan.write(made, folder / "search" / "plan.json")
    for job in jobs or range(made.jobs):
        journals.run(folder / "search" / journals.journal_name(job), made, job, scored)
