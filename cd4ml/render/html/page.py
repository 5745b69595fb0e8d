"""The page: the verdict first, then each stage, then what it was all computed from."""

from __future__ import annotations

from typing import Final

from cd4ml.render.html.checks import badge, blocking, what_blocks, what_passed
from cd4ml.render.html.elements import Content, Html, element, joined, short
from cd4ml.render.html.evidence import differences, digests, evidence, measured, seconds, subject
from cd4ml.render.html.frame import generator, whole
from cd4ml.render.html.pictures import picture
from cd4ml.render.html.plots import Mark, bars
from cd4ml.render.html.sections import section
from cd4ml.render.html.tables import table
from cd4ml.render.numbers import duration, plural
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import Report, Status

GENERATOR: Final = generator("report")
_SENTENCE: Final = {
    Status.PASSED: "Every stage that ran passed.",
    Status.FAILED: "This change is blocked.",
    Status.INCONCLUSIVE: "There is too little data to decide, so nothing passes.",
    Status.ERROR: "No verdict could be reached, so nothing passes.",
    Status.SKIPPED: "No stage is configured, so nothing was checked.",
}
_ABSENT: Final = {
    "not-run": "It did not run, because stages before it did not pass.",
    "skipped": "It is not configured.",
    "missing": "It had to run, but its report is not in the folder.",
}
_MOST_ADVICE: Final = 3
_LONGEST_SUMMARY: Final = 500
_WARNED: Final = "Not every stage passed, but the configuration lets this change through with a warning."


def page(run: Run) -> str:
    """Return the whole document."""
    skip = element("a", "Skip to the stages", href="#stages", class_="skip")
    top = element("header", element("h1", f"cd4ml: {run.status}"), _verdict(run))
    stages = [_stage(entry, number) for number, entry in enumerate(run.entries, 1)]
    main = element("main", *stages, _whole_run(run), id="stages")
    foot = element("footer", element("p", _foot(run)))
    body = element("body", skip, top, main, foot)
    return whole(f"cd4ml: {run.status}", GENERATOR, body)


def _verdict(run: Run) -> Html:
    """Return the verdict in a sentence, where it comes from, what the reports do not agree on, and a line a stage."""
    sentence = _WARNED if run.warned else _SENTENCE[run.status]
    notices = [element("p", said, class_="notice") for said in differences(run)]
    lines = [_line(entry, number) for number, entry in enumerate(run.entries, 1)]
    lines += [_without(name, "unreadable", why) for name, why in run.unreadable.items()]
    lines += [_without(name, status, _ABSENT[status]) for name, status in run.absent]
    listed = element("ol", *lines, class_="stages")
    about = element("p", subject(run), class_="note")
    return joined(
        [
            element("p", element("strong", sentence), *_deciding(run)),
            about,
            *notices,
            element("nav", listed, aria_label="Stages"),
        ]
    )


def _deciding(run: Run) -> list[Content]:
    """Return which stages decide a verdict that is not `passed`, each as a link to what it found."""
    found: list[Content] = []
    for number, entry in enumerate(run.entries, 1):
        if entry.status is run.status and not (entry.warned and not run.warned):
            found += [", " if found else " See ", element("a", entry.name, href=f"#stage-{number}")]
    return [*found, "."] if found and run.status not in (Status.PASSED, Status.SKIPPED) else []


def _line(entry: Entry, number: int) -> Html:
    """Return a stage's verdict, what it found and what to do."""
    report = entry.published.report
    taken = seconds(entry)
    name = element("a", entry.name, href=f"#stage-{number}")
    took = element("span", duration(taken), class_="note") if taken else None
    head = element("div", element("span", name, class_="name"), badge(entry.status, warned=entry.warned), " ", took)
    found = blocking(report)
    advice = list(dict.fromkeys(check.advice for check in found if check.advice))
    message = found[0].message if found else entry.told
    said: list[Content] = [element("p", short(message, most=_LONGEST_SUMMARY))]
    said += [element("p", element("strong", "What to do: "), text) for text in advice[:_MOST_ADVICE]]
    if len(advice) > _MOST_ADVICE:
        said.append(element("p", f"… and {len(advice) - _MOST_ADVICE} more below.", class_="note"))
    return element("li", head, element("div", *said))


def _without(name: str, status: str, said: str) -> Html:
    """Return the line of a stage, or a file, of which there is no report."""
    first = element("div", element("span", name, class_="name"), badge(status))
    return element("li", first, element("div", element("p", short(said, most=_LONGEST_SUMMARY))))


def _stage(entry: Entry, number: int) -> Html:
    """Return a stage's section."""
    report = entry.published.report
    name = f"stage-{number}-name"
    head = element("h2", entry.name, " ", badge(entry.status, warned=entry.warned), id=name)
    body = [_summary(report), what_blocks(report), section(entry.published), what_passed(report)]
    return element("section", head, *body, evidence(entry), id=f"stage-{number}", aria_labelledby=name, class_="stage")


def _summary(report: Report) -> Html | None:
    """Return what the summary says beside the message of the first check that did not pass, which follows it."""
    found = blocking(report)
    said = report.summary.replace(found[0].message, "", 1).strip() if found else report.summary
    return element("p", said) if said else None


def _whole_run(run: Run) -> Html:
    """Return what concerns the whole run: its time and its digests."""
    parts = [element("h2", "The whole run", id="run"), _timing(run), element("h3", "Evidence"), digests(run)]
    return element("section", *parts, class_="stage", aria_labelledby="run")


def _timing(run: Run) -> Html:
    """Return how long each stage took."""
    taken = [(entry.name, seconds(entry)) for entry in run.entries]
    marks = [Mark(row=name, series="seconds", value=value) for name, value in taken if value is not None]
    if not marks:
        return Html()
    total = sum(mark.value for mark in marks)
    drawn = picture("Time by stage", f"{duration(total)} in all.", bars(marks, x="seconds"))
    rows: list[list[Content]] = [[mark.row, duration(mark.value)] for mark in marks]
    own = [row for entry in run.entries for row in measured(entry)]
    return joined(
        [
            element("h3", "Time"),
            element("div", drawn, class_="plots"),
            table("Time by stage", ("Stage", "Time"), rows, numeric=(1,)),
            table("Measured by the stages", ("Stage", "What", "Value"), own, numeric=(2,)),
        ]
    )


def _foot(run: Run) -> str:
    """Say what the page is made from."""
    versions = sorted({entry.published.version for entry in run.entries})
    of = f" of cd4ml {', '.join(versions)}, which hold every number in full" if versions else ""
    return (
        f"Made by cd4ml report from {plural(len(run.entries), 'report')}{of}. An interval says where the true value "
        "lies, as far as these rows can tell; n is the number of rows."
    )
