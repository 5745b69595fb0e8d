"""Stages that had to run: what is known of one that left no report, and whether reports are the whole of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.render.pipeline_run import MISSING, NOT_RUN, Entry, Run
from cd4ml.report import Status, worst
from cd4ml.stages import ABOUT_FILES, PIPELINE, STAGES, needed
from cd4ml.wording import nearest

_PASSING: Final = (Status.PASSED, Status.SKIPPED)
_MOST_FILES: Final = 3
_State = tuple[str, ...] | None


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


def settled(
    entries: Sequence[Entry], wanted: Collection[str], said: Mapping[str, str] | None, unreadable: Mapping[str, str]
) -> Run:
    """Return a run of reports with what became of every stage that had to run and left none.

    That a stage was kept from running is believed only where one that it needs did not pass.

    Args:
        wanted: stages that had to run.
        said: what the pipeline's own report says of each stage, None if there is none. It is asked which others had
            to run, and no more: a later run may have left other reports.
        unreadable: stages and files that left what cannot be read, and why.
    """
    had_to = list(dict.fromkeys([*wanted, *went_through(said)]))
    entries = [replace(entry, planned=entry.stage in had_to) for entry in entries]
    verdicts = by_stage((entry.stage, entry.status) for entry in entries)
    there = {*verdicts, *unreadable}
    held = held_back(had_to, verdicts) - set(unreadable)
    absent = {name: NOT_RUN if name in held else MISSING for name in had_to if name not in there}
    quiet = {name: str(Status.SKIPPED) for name in said or {} if name not in had_to and name not in there}
    return Run(
        entries=entries,
        absent=[*absent.items(), *quiet.items()],
        unreadable=unreadable,
        complete=said is not None or bool(wanted),
        unjudged=unjudged(held),
    )


def went_through(said: Mapping[str, str] | None) -> list[str]:
    """Return the stages that had to run, by what the pipeline's own report says of each."""
    return [stage for stage, status in (said or {}).items() if status != Status.SKIPPED]


def by_stage(verdicts: Iterable[tuple[str, Status]]) -> dict[str, Status]:
    """Return the verdict of each stage: of several reports of one, the worst."""
    found: dict[str, Status] = {}
    for stage, status in verdicts:
        found[stage] = worst([status, *([found[stage]] if stage in found else [])])
    return found


def unjudged(kept: Iterable[str]) -> list[str]:
    """Return those of the stages that did not run which judge: nothing is let through without their verdict."""
    names = set(kept)
    return [name for name in PIPELINE if name in names and not STAGES[name].acts]


def refuse_partial(run: Run, name: str) -> None:
    """Refuse a verdict on the whole where a stage's report could be missing, or be about other files than another's.

    An error stays one, whatever else is missing.

    Args:
        name: of what would say it, for the message.

    Raises:
        OptionsError: it is not known which stages had to run, or the reports do not belong together.
    """
    if not run.complete and run.status is not Status.ERROR:
        raise OptionsError(
            f"{name}: it is not known which stages had to run",
            advice="Name them with --planned (`cd4ml plan` prints them), or let `cd4ml run` write its pipeline.json.",
        )
    if len({entry.published.source.git_sha for entry in run.entries}) > 1:
        raise OptionsError(f"{name}: the reports are of different commits", advice="Remove those of earlier runs.")
    states = {entry.name: _state(entry) for entry in run.entries if entry.stage in ABOUT_FILES}
    if len(set(states.values())) > 1:
        told = "; ".join(f"{stage}: {_told(state)}" for stage, state in states.items())
        raise OptionsError(
            f"{name}: the reports are about different files of one commit ({told})",
            advice="Commit the changes, and run every stage again on that commit.",
        )


def uncommitted(run: Run) -> list[str]:
    """Say which reports are no evidence of the commit that they name: files had been changed, or nobody knows."""
    names: dict[_State, list[str]] = {}
    for entry in run.entries:
        if entry.published.source.git_sha and _state(entry) != ():
            names.setdefault(_state(entry), []).append(entry.name)
    return [f"{', '.join(found)}: no evidence of the commit itself ({_told(state)})." for state, found in names.items()]


def other_rows(run: Run) -> list[str]:
    """Say which reports are about different test rows: together they are no evidence of one test."""
    found = run.by_test_rows()
    if len(found) < 2:
        return []
    told = "; ".join(f"{', '.join(names)} ({digest[:12]})" for digest, names in found.items())
    return [f"The reports are about different test rows: {told}."]


def _state(entry: Entry) -> _State:
    """Return the files that differed from the commit, None if that is not known."""
    modified = entry.published.source.modified
    return None if modified is None else tuple(sorted(modified))


def _told(state: _State) -> str:
    """Say which files differed from the commit."""
    if state is None:
        return "it is not known whether files had been changed"
    more = f" and {len(state) - _MOST_FILES} more" if len(state) > _MOST_FILES else ""
    return f"not committed: {', '.join(state[:_MOST_FILES])}{more}" if state else "nothing was changed"
