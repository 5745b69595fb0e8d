"""Stages that had to run: what is known of one that left no report, and whether reports are the whole of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dataclasses import replace
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.render.pipeline_run import MISSING, NOT_RUN, Run
from cd4ml.report import Status
from cd4ml.stages import PIPELINE, needed
from cd4ml.wording import nearest

_PASSING: Final = (Status.PASSED, Status.SKIPPED)


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
        and any(verdicts.get(one) not in _PASSING for one in needed(name) if one in planned or one in verdicts)
    }


def expected(run: Run, planned: Collection[str]) -> Run:
    """Return a run with every stage that had to run and left no report, also one that acts.

    Raises:
        OptionsError: one of them is not a stage of the pipeline.
    """
    problems = unknown(planned)
    if problems:
        raise OptionsError(problems)
    if not planned:
        return run
    verdicts = {entry.stage: entry.published.report.status for entry in run.entries}
    held, there = held_back(planned, verdicts), {*verdicts, *(stage for stage, _ in run.absent)}
    absent = [(name, NOT_RUN if name in held else MISSING) for name in dict.fromkeys(planned) if name not in there]
    return replace(run, absent=[*run.absent, *absent], complete=True)


def refuse_partial(run: Run, name: str) -> None:
    """Refuse a verdict on the whole where a stage's report could be missing, or be of another commit.

    Args:
        name: of what would say it, for the message.

    Raises:
        OptionsError: it is not known which stages had to run, or the reports do not belong together.
    """
    if not run.complete:
        raise OptionsError(
            f"{name}: it is not known which stages had to run",
            advice="Name them with --planned (`cd4ml plan` prints them), or let `cd4ml run` write its pipeline.json.",
        )
    if len({entry.published.source.git_sha for entry in run.entries}) > 1:
        raise OptionsError(f"{name}: the reports are of different commits", advice="Remove those of earlier runs.")
