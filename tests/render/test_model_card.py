"""The model card: its structure, and that text from reports and people stays text."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from cd4ml.inputs.model_card import ModelCardFields
from cd4ml.inputs.options import declared
from cd4ml.render.model_card import document, metadata
from cd4ml.render.model_card.card import Card
from cd4ml.render.model_card.markdown import markdown
from cd4ml.render.model_card.structure import ANNEX_IV, EVIDENCE, FIELDS, SECTIONS, Need
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import Check, InputDigest, Interval, ModelIdentity, Published, Report, Source, Status
from cd4ml.stages import STAGES
from tests.generated.test_generated import problems
from tests.render.test_render import HOSTILE

SHA = "a" * 64
# The points of Annex IV of Regulation (EU) 2024/1689, as its text numbers them.
POINTS = [f"1({letter})" for letter in "abcdefgh"] + [f"2({letter})" for letter in "abcdefgh"] + list("3456789")


def entry(text: str = "x", *, stage: str = "evaluate-model", status: Status = Status.PASSED, **more: Any) -> Entry:
    """Return a report that measured one metric and says a text wherever it says something."""
    check = Check(
        id=f"minimum:{text}",
        status=status,
        message=text,
        metric="accuracy",
        value=0.9,
        interval=Interval(lower=0.8, upper=0.95, confidence=0.95, method="Wilson"),
        limit=0.8,
        n=100,
    )
    inputs = (InputDigest(name=text, path=text, sha256=SHA, rows=100),)
    model = ModelIdentity(uri=text, sha256=SHA, name=text, version=text)
    metrics = {"candidate": {"accuracy": 0.9}}
    report = Report(stage=stage, checks=(check,), summary=text, inputs=inputs, candidate=model, metrics=metrics)
    published = Published(report=report, source=Source(git_sha=text), options={"task": text})
    return Entry(file=more.pop("file", f"{stage}.json"), published=published, **more)


def card(*entries: Entry, **more: Any) -> Card:
    """Return a card of reports."""
    absent = [(more.pop("absent"), "missing")] if "absent" in more else []
    return Card(run=Run(entries=entries or (entry(),), absent=absent), stated=more.pop("stated", {}), **more)


def test_structure__every_field_in_one_section() -> None:
    """Every field of cd4ml.yaml stands in one section, and every point refers to fields and stages that there are."""
    fields = [field.name for section in SECTIONS for field in section.fields]

    assert Counter(fields) == Counter(option.name for option in declared(ModelCardFields))
    assert {name for point in ANNEX_IV for name in point.fields} <= set(fields)
    assert {stage for point in ANNEX_IV for stage in point.stages} | set(EVIDENCE) <= set(STAGES)


def test_structure__all_points_of_annex_iv() -> None:
    """All points of the Annex are there in their order; what one asks of people is required of a high-risk system."""
    optional = {"product-illustrations"}  # only of a component of a product

    assert [point.number for point in ANNEX_IV] == POINTS
    assert {n for point in ANNEX_IV for n in point.fields if FIELDS[n].need is Need.NEVER} == optional


@pytest.mark.parametrize("text", [*HOSTILE, "x\n---\n# y", "[a]: http://x", "| a | b |"])
def test_markdown__inert(text: str) -> None:
    """A hostile text in a report and in every field makes no link, picture, mention, heading or row of its own."""
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    fields = {option.name: text for option in declared(ModelCardFields)}

    def shape(text: str, fields: dict[str, str]) -> list[str]:
        body = markdown(card(entry(text), stated=fields, absent=text)).split("\n---\n", 1)[1]
        tokens = [token for token in parser.parse(body) if token.type != "inline"]
        return [token.type for token in tokens if not token.type.startswith(("paragraph", "html"))]

    shown = markdown(card(entry(text), stated=fields, absent=text))
    assert shape(text, fields) == shape("x", dict.fromkeys(fields, "x"))
    assert not re.search(r"@org|<img|]\(http|::|##\[", shown.split("\n---\n", 1)[1])


@pytest.mark.parametrize("text", [*HOSTILE, "x\n---\n# y", "{a: b}", "&a [*a]", "no", "1e3"])
def test_metadata__one_block(text: str) -> None:
    """No text ends the block of metadata or becomes another value: read again, it is what it was."""
    made = card(entry(text), stated={"license": text, "tags": [text], "name": text})
    head, block, _ = re.split(r"^---$", markdown(made), maxsplit=2, flags=re.M)

    assert head == "" and yaml.safe_load(block) == metadata.metadata(made)


def test_metadata__results() -> None:
    """The candidate's metrics are results of the table that was judged, each named by its check; slices are not."""
    found = metadata.metadata(card(entry(), stated={"license": "mit", "pipeline-tag": "tabular-classification"}))

    assert found["license"] == "mit" and found["metrics"] == ["accuracy"]
    (index,) = found["model-index"]
    (result,) = index["results"]
    assert index["name"] == "x" and result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"type": "x", "name": "x", "revision": SHA}
    assert result["metrics"] == [
        {"type": "accuracy", "value": 0.9, "name": "accuracy (minimum:x in evaluate-model.json)"}
    ]


def test_metadata__nothing_made_up() -> None:
    """Without a report of evaluate-model there are no results, and what nobody stated is not there."""
    assert metadata.metadata(card(entry(stage="audit-fairness"))) == {}


def test_links_within_lead_somewhere() -> None:
    """Every link of the table of points leads to a heading of the card."""
    text = markdown(card())
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    headings = {re.sub(r"[^a-z0-9-]", "", title.lower().replace(" ", "-")) for title in titles}

    links = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert links and links <= headings


def test_link() -> None:
    """A check links to its stage on the page, or to its report; names of files cannot end a link."""
    odd = entry(file="a) [b](c.json")
    assert card(entry(), odd, page="../index.html").link(odd) == "../index.html#stage-2"
    assert card(odd, reports="../reports").link(odd) == "../reports/a%29%20%5Bb%5D%28c.json"


def test_candidate__disagreement() -> None:
    """Reports of two candidates describe no model: neither is named, the version is missing, and the card says why."""
    other = entry(stage="audit-fairness")
    model = ModelIdentity(uri="y", sha256="b" * 64, name="y", version="1")
    report = Report(stage="audit-fairness", checks=other.published.report.checks, candidate=model)
    two = card(
        entry(), Entry(file="audit-fairness.json", published=Published(report=report, source=Source(git_sha="c")))
    )

    assert two.candidate is None and "version" in two.missing and card().value("version") == "x"
    assert "different candidate models" in markdown(two).replace("&#46;", ".")


def test_missing__evidence() -> None:
    """A stage that failed has measured; one that is missing, was skipped or broke leaves the card incomplete."""
    assert "report:evaluate-model" not in card(entry(status=Status.FAILED)).missing
    assert "report:evaluate-model" in card(entry(status=Status.ERROR)).missing
    assert "report:evaluate-model" in card(entry(stage="validate-data")).missing
    gone = Card(
        run=Run(entries=(entry(),), absent=[("audit-fairness", "missing"), ("check-code", "skipped")]), stated={}
    )
    assert [name for name in gone.missing if name.startswith("report:")] == ["report:audit-fairness"]
    assert "had to run, but its report is missing" in markdown(gone)


ANSWERS: tuple[Any, ...] = (
    "TODO",
    "TODO: ask Ann",
    "tbd",
    "Todo.",
    "…",
    "-",
    "\u200b",
    " \u2060\ufeff ",
    "\u3164",
    "to be written",
    "",
    [],
    ["TODO", "\u200b"],
)


@pytest.mark.parametrize("answer", ANSWERS)
def test_missing__notes_are_no_answers(answer: Any) -> None:
    """A field that says nothing, or that it is still to be written, is not stated."""
    assert Card(run=Run(entries=()), stated={"owner": answer}).value("owner") is None


@pytest.mark.parametrize("answer", ["None.", "no", "Todo lists are sorted by it", "Ann", "信用", ["TODO", "Ann"]])
def test_stated__answers(answer: Any) -> None:
    """Short answers are answers."""
    assert Card(run=Run(entries=()), stated={"owner": answer}).value("owner") == answer


def test_missing__high_risk() -> None:
    """A high-risk system needs the fields of Annex IV and the reports on data and fairness; no other one does."""
    required = {field.name for field in FIELDS.values() if field.need is not Need.NEVER}
    reports = {"report:validate-data", "report:audit-fairness"}

    assert set(card(stated={"high-risk": True}).missing) == required - {"high-risk", "name", "version"} | reports
    assert not set(card(stated={"high-risk": False}).missing) & {"risk-management", *reports}


def test_document__meets_its_schema() -> None:
    """The JSON of a card meets the published schema, whatever is missing; the schema refuses what a card lacks."""
    stated = {"high-risk": True, "tags": ["a"], "summary": "x"}
    whole = document.document(card(entry(status=Status.FAILED), stated=stated), version="1")

    assert problems("model-card.v1.schema.json", whole) == []
    assert problems("model-card.v1.schema.json", {**whole, "missing": None})
    assert problems("model-card.v1.schema.json", {name: value for name, value in whole.items() if name != "annex_iv"})
    assert problems("model-card.v1.schema.json", {**whole, "fields": {**whole["fields"], "licence": "x"}})
