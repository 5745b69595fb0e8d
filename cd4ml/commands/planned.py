"""Stages that had to run: what is known of one that left no report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cd4ml.report import Status
from cd4ml.stages import PIPELINE, needed
from cd4ml.wording import nearest


def unknown(names: Iterable[str]) -> list[str]:
    """Return what is wrong with the option `planned`: one problem for each name that is not a stage of the pipeline."""
    return [
        f"planned: `{name}` is not a stage of the pipeline{nearest(name, PIPELINE)}"
        for name in names
        if name not in PIPELINE
    ]


def held_back(planned: Collection[str], verdicts: Mapping[str, Status]) -> set[str]:
    """Return the stages without a verdict that did not run because one that they need did not pass."""
    return {
        name
        for name in planned
        if name in PIPELINE
        and name not in verdicts
        and any(verdicts.get(one) is not Status.PASSED for one in needed(name) if one in planned or one in verdicts)
    }
