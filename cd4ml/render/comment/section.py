"""The part of one pipeline: its verdict, what blocks, what changed against main; the rest is folded away."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cd4ml.render.charts import chart_for_comment
from cd4ml.render.comment.changes import HEAD, Change, compared, group, row, together, worse
from cd4ml.render.comment.text import fitting, length, named, quiet
from cd4ml.render.markdown import MARK
from cd4ml.render.numbers import plural
from cd4ml.render.pipeline_run import reached
from cd4ml.report import Published, Report, Status, worst

_SENTENCE: Final = {
    Status.PASSED: "passed",
    Status.FAILED: "failed: this change is blocked",
    Status.INCONCLUSIVE: "inconclusive: too little data, so this change is blocked",
    Status.ERROR: "error: no verdict could be reached, so nothing passes",
    Status.SKIPPED: "no stage is configured",
}
_WORST_FIRST: Final = (Status.ERROR, Status.FAILED, Status.INCONCLUSIVE)
_MOST_BLOCKING: Final = 8
_MOST_ROWS: Final = 30
_MOST_WORSE: Final = 10
_ADDRESS: Final = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w.~%-]+)*", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Main:
    """What the branch that a pull request goes to says of itself.

    Attributes:
        reports: by stage; none if there is nothing to compare with.
        commit: that they are about.
        why: why there are none, or which of them cannot be read; "" if there is nothing to say.
        base: the commit that the platform compares the pull request with.
    """

    branch: str = "main"
    reports: Mapping[str, Published] = field(default_factory=dict)
    commit: str | None = None
    run: str = ""
    why: str = ""
    base: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What is known of one pipeline's run.

    Attributes:
        planned: the stages that had to run; one of them without a report is told.
        held_back: those of them that did not run because another did not pass.
        unjudged: those of the held back that judge: nothing is let through without them.
        unreadable: stages whose report cannot be read, and why.
        commit: the pull request's.
        run: address of the run.
        conclusion: how the run ended; "" while it goes on.
        page: address of the HTML report, "" if there is none.
    """

    name: str
    reports: Mapping[str, Published]
    planned: Sequence[str] = ()
    held_back: Collection[str] = ()
    unjudged: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    main: Main = Main()
    commit: str | None = None
    run: str = ""
    conclusion: str = ""
    page: str = ""

    @property
    def missing(self) -> list[str]:
        """The stages that had to run and left nothing, and no other stage says why."""
        there = {*self.reported, *self.unreadable, *self.held_back}
        return [stage for stage in self.planned if stage not in there]

    @property
    def reported(self) -> set[str]:
        """The stages of which there is a report, under whatever name."""
        return {one.report.stage for one in self.reports.values()}

    def verdict(self, published: Published) -> Status:
        """Return the verdict that a report stands for."""
        return reached(published.report.status, planned=published.report.stage in self.planned)

    @property
    def status(self) -> Status:
        """The worst stage; one that left nothing to read is an error."""
        statuses = [self.verdict(one) for one in self.reports.values()]
        return worst([*statuses, *([Status.ERROR] if self.missing or self.unreadable else [])])

    @property
    def unexplained(self) -> bool:
        """Whether the run did not succeed though no report blocks: it may be that of a stage that left none."""
        return self.conclusion not in ("", "success") and (self.warned or self.status is Status.PASSED)

    @property
    def warned(self) -> bool:
        """Whether everything that did not pass only warns."""
        silent = not self.missing and not self.unreadable and not self.unjudged
        judged = [one for one in self.reports.values() if self.verdict(one) not in (Status.PASSED, Status.SKIPPED)]
        return silent and bool(judged) and all(one.report.status in warns(one) for one in judged)


def warns(published: Published) -> frozenset[Status]:
    """Return the verdicts that a stage's options let through."""
    let = {Status.FAILED: "on-failed", Status.INCONCLUSIVE: "on-inconclusive"}
    return frozenset(status for status, name in let.items() if published.options.get(name) == "warn")


def section(pipeline: Pipeline, largest: int) -> str:
    """Return the part of a pipeline, of at most `largest` characters; what does not fit is counted."""
    head, foot = f"{_heading(pipeline)}\n\n{_stages(pipeline)}", _foot(pipeline)
    parts = [head]
    room = largest - length(head) - length(foot)
    for make in (_blocking, _table, _worse, _pictures, _rest):
        part = make(pipeline, room)
        parts += [part] if part else []
        room -= length(part) + 1
    return "\n".join([*parts, foot])


def _heading(pipeline: Pipeline) -> str:
    """Return the verdict."""
    if pipeline.unexplained:
        return f"## {MARK[Status.INCONCLUSIVE]} {quiet(pipeline.name)} {pipeline.status}, but the run did not"
    if pipeline.warned:
        return f"## {MARK[Status.INCONCLUSIVE]} {quiet(pipeline.name)} {pipeline.status}, and only warns"
    return f"## {MARK[pipeline.status]} {quiet(pipeline.name)} {_SENTENCE[pipeline.status]}"


def _stages(pipeline: Pipeline) -> str:
    """Return the verdict of each stage in one line."""
    without = [name for name in pipeline.planned if name in pipeline.reports or name not in pipeline.reported]
    names = dict.fromkeys([*without, *pipeline.reports, *pipeline.unreadable])
    return " · ".join(_stage(pipeline, name) for name in names) + "\n"


def _stage(pipeline: Pipeline, name: str) -> str:
    """Return the verdict of one stage."""
    published, shown = pipeline.reports.get(name), named(name)
    if name in pipeline.unreadable:
        return f"🛑 {shown} could not be read"
    if published is None:
        return f"⏸️ {shown} did not run" if name in pipeline.held_back else f"🛑 {shown} did not run"
    status = published.report.status
    if status is not pipeline.verdict(published):
        return f"🛑 {shown} was skipped, but had to run"
    if status in warns(published):
        return f"{MARK[Status.INCONCLUSIVE]} {shown} {status}, only warns"
    return f"{MARK[status]} {shown}" + ("" if status is Status.PASSED else f" {status}")


def _changes(pipeline: Pipeline) -> list[Change]:
    """Return every check beside main's, the worst first."""
    found: list[Change] = []
    for stage, published in pipeline.reports.items():
        before = pipeline.main.reports.get(stage)
        main = {check.id: check for check in before.report.checks} if before else {}
        found += compared(stage, published.report.checks, main, warns(published))
    order = {status: place for place, status in enumerate(_WORST_FIRST)}
    return sorted(found, key=lambda change: order.get(change.check.status, len(order)))


def _blocking(pipeline: Pipeline, room: int) -> str:
    """Return what blocks, and what to do about it."""
    items: list[str | Change] = [
        f"- **{named(name)}** could not be read: {quiet(why)} Nothing is known of it."
        for name, why in pipeline.unreadable.items()
    ]
    if not pipeline.reports and not pipeline.unreadable and not pipeline.missing:
        items.append("- No stage left a report. The run's log says why.")
    if pipeline.missing:
        items.append(f"- **{', '.join(pipeline.missing)}** did not run, or left no report. The run's log says why.")
    skipped = [name for name, one in pipeline.reports.items() if pipeline.verdict(one) is not one.report.status]
    if skipped:
        items.append(f"- **{', '.join(map(named, skipped))}** had to run, and was skipped.")
    if pipeline.unjudged:
        items.append(f"- **{', '.join(pipeline.unjudged)}** did not run: a stage before did not pass.")
    if pipeline.unexplained:
        ended = quiet(pipeline.conclusion.replace("_", " "))
        items.append(f"- The run ended as *{ended}*, and no report says why: a stage left none, or another job failed.")
    items += [change for change in _changes(pipeline) if change.blocks]
    title = "**What did not pass, and what to do**\n\n"
    shown = fitting(items, _told, room - length(title), noun="finding", most=_MOST_BLOCKING)
    return title + shown if shown else ""


def _told(item: str | Change) -> str:
    """Return what a check found that did not pass, what to do about it, and in small print what else it says."""
    if isinstance(item, str):
        return item
    found, *details = re.split(r"(?<=[^.][.]) ", item.check.message, maxsplit=1)
    advice = f"<br>→ {quiet(item.check.advice)}" if item.check.advice else ""
    small = f"<br><sub>{quiet(details[0])}</sub>" if details else ""
    return f"- **{named(item.stage)}**: {quiet(found)}{advice}{small}"


def _table(pipeline: Pipeline, room: int) -> str:
    """Return the table of what did not pass, what changed and what was measured."""
    shown = [one for one in _changes(pipeline) if one.numbered and (one.blocks or one.telling)]
    none = "" if pipeline.main.reports else f"{_main(pipeline.main)}\n\n"
    table = fitting(together(shown), row, room - length(none), noun="check", most=_MOST_ROWS, head=HEAD)
    return none + table if length(none) + length(table) <= room else ""


def _worse(pipeline: Pipeline, room: int) -> str:
    """Return the groups and slices that got worse, the most so first."""
    changed = sorted((one for one in _changes(pipeline) if one.worsening), key=lambda one: -one.worsening)
    found = [numbers[0] for numbers in together(changed)]
    if not found:
        return ""
    title = f"Groups and slices that got worse: {len(found):,}, most of all <b>{group(found[0].check)}</b>"
    inner = fitting(found, worse, room - length(title) - 100, noun="group", most=_MOST_WORSE)
    return f"<details><summary>{title}</summary>\n\n{inner}\n</details>\n" if inner else ""


def _pictures(pipeline: Pipeline, room: int) -> str:
    """Return, folded away, the charts of the stages whose findings a picture tells better, if they did not pass."""
    drawn = {
        name: chart_for_comment(one.report)
        for name, one in pipeline.reports.items()
        if one.report.status is not Status.PASSED
    }
    found = [
        f"<details><summary>{named(name)}: chart</summary>\n\n{one}</details>\n" for name, one in drawn.items() if one
    ]
    return "".join(found) if length("".join(found)) <= room else ""


def _rest(pipeline: Pipeline, room: int) -> str:
    """Return, folded away, what each stage found, and the numbers that are as they were."""
    same = [one for one in _changes(pipeline) if not one.blocks and not one.telling]
    found = [_found(name, published.report) for name, published in pipeline.reports.items()]
    summaries = "\n".join(found) + "\n\n"
    title = f"{plural(len(same), 'check')} passed" + (" as on main" if pipeline.main.reports else "")
    left = room - length(summaries) - 200
    if not found or left < 0:
        return ""
    numbers = together([one for one in same if one.counts])
    table = fitting(numbers, row, left, noun="check", most=_MOST_ROWS, head=HEAD)
    return f"<details><summary>{title}; what each stage found</summary>\n\n{summaries}{table}\n</details>\n"


def _found(name: str, report: Report) -> str:
    """Say in a line what a stage found; what did not pass stands above."""
    checks = plural(len(report.checks), "check")
    above = {check.message for check in report.checks if check.status is not Status.PASSED}
    said = "" if report.summary in above else f": {quiet(report.summary, most=300)}"
    return f"- {MARK[report.status]} **{named(name)}** ({checks}){said}"


def _foot(pipeline: Pipeline) -> str:
    """Return what the numbers are about, and where to read on."""
    said = [f"Commit {_commit(pipeline.commit)}" if pipeline.commit else "", _link("run", pipeline.run)]
    said += [_link("HTML report", pipeline.page)]
    said.append(_main(pipeline.main) if pipeline.main.reports else "")
    return f"<sub>{' · '.join(part for part in said if part)}</sub>\n"


def _main(main: Main) -> str:
    """Say where main's numbers come from, or why there are none."""
    why = f" {quiet(main.why)}" if main.why else ""
    if not main.reports:
        return f"No numbers of {quiet(main.branch)} to compare with.{why}"
    commit = f" at {_commit(main.commit)}" if main.commit else ""
    base = f"; this pull request's base is {_commit(main.base)}" if main.base and main.base != main.commit else ""
    run = f", {_link('its last green run', main.run)}" if main.run else ""
    return f"{quiet(main.branch)}: the numbers{commit}{run}{base}.{why}"


def _commit(commit: str | None) -> str:
    """Return a commit's short name."""
    return f"<code>{commit[:7]}</code>" if commit and _COMMIT.fullmatch(commit) else "unknown"


def _link(words: str, address: str) -> str:
    """Return a link to a page of the platform; nothing for what is not the address of one."""
    return f"[{words}]({address})" if _ADDRESS.fullmatch(address) else ""
