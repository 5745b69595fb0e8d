"""A model card as Markdown, for Hugging Face's hub, a repository or an auditor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cd4ml.render.inert import inert
from cd4ml.render.markdown import MARK
from cd4ml.render.model_card import metadata
from cd4ml.render.model_card.card import NOT_STATED, Card, Value, shown
from cd4ml.render.model_card.structure import ANNEX_IV, EVALUATION, FIELDS, SECTIONS, Field, Point, Section
from cd4ml.render.numbers import interval, number, plural
from cd4ml.render.pipeline_run import Entry
from cd4ml.report import Check, InputDigest, ModelIdentity, Status

# By this a file is known to be such a card.
GENERATOR: Final = "<!-- Made by cd4ml report --model-card: edit the section model-card of cd4ml.yaml instead. -->"
_ABSENT: Final = {
    "not-run": "did not run, because stages before it did not pass",
    "skipped": "is not configured",
    "missing": "had to run, but its report is missing",
}
_UNREADABLE: Final = f"{MARK[Status.ERROR]} cannot be read"
_HEAD: Final = "| | Check | Value | Interval | Limit | Compared with | n |\n|-|-|-:|-:|-:|-:|-:|"
_MOST_ROWS: Final = 50
_LONGEST: Final = 1_000_000  # what people write in cd4ml.yaml is not cut


def markdown(card: Card) -> str:
    """Return the whole document."""
    name = card.value("name")
    parts = [f"---\n{metadata.text(card)}---", GENERATOR, f"# {_said(name) if name else 'Model card'}", *_state(card)]
    for section in SECTIONS:
        parts += _section(card, section)
    parts += ["## EU AI Act, Annex IV: technical documentation", _ABOUT_POINTS, *_points(card)]
    return "\n\n".join(parts) + "\n"


_ABOUT_POINTS: Final = (
    "Each point of Annex IV of Regulation (EU) 2024/1689, where it is answered on this card, and the reports that are "
    "evidence for it. Whether an answer suffices is for people to judge."
)


def _state(card: Card) -> Iterator[str]:
    """Yield what to know first: the verdict, what is missing, and on what the reports do not agree."""
    yield f"**Verdict of the pipeline: {card.run.status}**" + (", which only warns" if card.run.warned else "")
    if card.missing:
        yield f"**Incomplete.** Missing: {', '.join(map(_code, card.missing))}."
    yield from (f"**Note:** {inert(said)}" for said in card.notices)


def _section(card: Card, section: Section) -> Iterator[str]:
    """Yield a section's parts."""
    yield f"## {section.title}"
    brief = [field for field in section.fields if field.brief]
    if brief:
        lines = [f"- **{field.title}:** {_said(card.value(field.name), indent='  ')}" for field in brief]
        yield "\n".join([*lines, *_identities(card)])
    if section.title == EVALUATION:
        yield from _evaluation(card)
    for field in section.fields:
        if not field.brief:
            yield f"### {field.title}"
            yield _said(card.value(field.name))


def _identities(card: Card) -> Iterator[str]:
    """Yield what exactly is described: models and commit by their digests."""
    yield f"- **Candidate:** {_identity(card.candidate)}"
    yield f"- **Compared with:** {_identity(card.production)}"
    yield f"- **Commit:** {_code(card.commit) if card.commit else NOT_STATED}"


def _identity(model: ModelIdentity | None) -> str:
    """Return a model by name and digest."""
    if model is None:
        return NOT_STATED
    named = f"{model.name or model.uri} {f'version {model.version}' if model.version else ''}".strip()
    return f"{inert(named)} (SHA-256 {_code(model.sha256)})"


def _said(value: Value | None, *, indent: str = "") -> str:
    """Return what people say, as text and nothing else; its paragraphs stay."""
    if value is None:
        return NOT_STATED
    if isinstance(value, bool):
        return "yes" if value else "no"
    lines = value.splitlines() if isinstance(value, str) else [", ".join(value)]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(inert(line.strip(), most=_LONGEST))
        elif paragraphs[-1]:
            paragraphs.append([])
    return f"\n\n{indent}".join("<br>".join(lines) for lines in paragraphs if lines)


def _evaluation(card: Card) -> Iterator[str]:
    """Yield every report with its numbers, and every stage of which there is no report."""
    rows = [_verdict(card, entry) for entry in card.run.entries]
    rows += [f"| {inert(name)} | {_UNREADABLE}: {inert(why)} | | |" for name, why in card.run.unreadable.items()]
    rows += [f"| {inert(stage)} | {status}: {_ABSENT[status]} | | |" for stage, status in card.run.absent]
    yield "\n".join(["| Stage | Verdict | Checks | Commit |", "|-|-|-:|-|", *rows])
    for entry in card.run.entries:
        yield from _numbers(card, entry)


def _verdict(card: Card, entry: Entry) -> str:
    """Return the row of a report."""
    commit, warned = entry.published.source.git_sha, " (warning)" if entry.warned else ""
    checks = number(len(entry.published.report.checks))
    name = f"[{inert(entry.name)}]({card.link(entry)})"
    return f"| {name} | {MARK[entry.status]} {entry.status}{warned} | {checks} | {_code(commit) if commit else ''} |"


def _numbers(card: Card, entry: Entry) -> Iterator[str]:
    """Yield the numbers of a report, each with a link to its check."""
    found = shown(entry)
    yield f"### {inert(entry.name)}"
    yield inert(entry.published.report.summary or entry.told, most=_LONGEST)
    inputs = [_input(table) for table in entry.published.report.inputs[:_MOST_ROWS]]
    if inputs:
        yield "\n".join(inputs)
    if found:
        rows = [_row(check, card.link(entry)) for check in found[:_MOST_ROWS]]
        hidden = len(found) - len(rows)
        more = f"\n\n… and {plural(hidden, 'more check')} in [the report]({card.link(entry)})." if hidden else ""
        yield "\n".join([_HEAD, *rows]) + more


def _input(table: InputDigest) -> str:
    """Return what a report judged, by its digest."""
    rows = f", {plural(table.rows, 'row')}" if table.rows is not None else ""
    return f"- {inert(table.name)}: {inert(table.path)}{rows} (SHA-256 {_code(table.sha256)})"


def _row(check: Check, link: str) -> str:
    """Return a check as a row; one that did not pass says why."""
    why = f"<br>{inert(check.message)}" if check.status is not Status.PASSED else ""
    cells = [
        MARK[check.status],
        f"[{inert(check.id)}]({link}){why}",
        inert(number(check.value, check.limit, check.baseline)),
        inert(interval(check.interval)),
        inert(number(check.limit, check.value)),
        inert(number(check.baseline, check.value)),
        number(check.n),
    ]
    return "| " + " | ".join(cells) + " |"


def _points(card: Card) -> Iterator[str]:
    """Yield the points of Annex IV as a table."""
    lines = ["| Point | What it asks for | Stated under | Evidence |", "|-|-|-|-|"]
    for point in ANNEX_IV:
        stated = "<br>".join(_where(card, FIELDS[name]) for name in point.fields)
        lines.append(f"| {point.number} | {point.title} | {stated} | {_evidence(card, point)} |")
    yield "\n".join(lines)


def _where(card: Card, field: Field) -> str:
    """Return a link to a field, and whether it says anything."""
    title = _SECTION_OF[field.name] if field.brief else field.title
    missing = f": {NOT_STATED}" if card.value(field.name) is None else ""
    return f"[{field.title}](#{_anchor(title)}){missing}"


def _evidence(card: Card, point: Point) -> str:
    """Return the reports that are evidence for a point, and the stages that left none."""
    found = []
    for stage in point.stages:
        entries = card.of_stage(stage)
        found += [f"[{inert(entry.name)}]({card.link(entry)}): {entry.status}" for entry in entries]
        found += [] if entries else [f"{stage}: no report"]
    return "<br>".join(found)


def _code(text: str) -> str:
    """Return a name or digest as such."""
    return f"<code>{inert(text)}</code>"


_SECTION_OF: Final = {field.name: section.title for section in SECTIONS for field in section.fields}


def _anchor(title: str) -> str:
    """Return the address of a heading, as the platforms make it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")
