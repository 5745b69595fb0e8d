"""The page: data is text and nothing else, numbers are those of the report, and the file needs nothing beside it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cd4ml.render.html.page import page
from cd4ml.render.html.sections import SECTIONS
from cd4ml.render.numbers import number
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import (
    Check,
    InputDigest,
    Interval,
    Location,
    ModelIdentity,
    Published,
    Report,
    Source,
    Status,
    reading,
)
from cd4ml.stages import STAGES
from tests.render.html.parsed import Element, parse

HOSTILE: Final = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "@org/team closes #1",
    "](http://evil.example) ![x](http://evil.example/x.png)",
    "http://evil.example www.evil.example",
    "a\x00b\x1b[31m\r\nc",
    "a\x00\x1b\ufffe\uffff\U0001fffe",
    "\u202egnp.exe \u2066x\u2069",
    "</svg></style></title><style>*{display:none}</style>",
    "&lt;b&gt; &#60;script&#62;",
    "{{ 7 * 7 }} ${7*7} {% raw %}",
    "url(http://evil.example) var(--ink); background: red",
    "<!-- x --> ]]> <![CDATA[ <?xml ?>",
]
PLAIN: Final = "a plain text"


def full(text: str, stage: str) -> Published:
    """Return a report in which every free text is this one, and every section finds what it draws."""
    check = Check(
        id=text,
        status=Status.FAILED,
        message=text,
        advice=text,
        reason=text,
        metric="failing-rows",
        value=5,
        n=50,
        limit=0,
        interval=Interval(lower=0.1, upper=0.2, confidence=0.95, method=text),
        slice={text: text},
        location=Location(path=text, line=3),
    )
    passed = replace(check, status=Status.PASSED, value=text, id=f"{text}2")
    model = ModelIdentity(uri=text, sha256=text, name=text, version=text, alias=text)
    interval = {"lower": 0.1, "upper": 0.9, "confidence": 0.95, "method": text, "of": "value"}
    rates = {"n": 5, "selection_rate": 0.5, "precision": 0.5}
    feature = {
        "by_group": {text: rates, "other": rates},
        "reference": text,
        "minimum_ratio": 0.8,
        "ratios": {text: {"ratio": 0.9, "lower": 0.5, "upper": 1.1}},
        "differences": {text: {"value": 0.1, "interval": interval}},
        "calibration": {text: {"n": 3, "score": 0.5, "positives": 0.4, "gap": 0.1, "interval": interval}},
        "production": {"by_group": {text: rates}},
        "psi": 0.3,
        "corrected_psi": 0.2,
        "band": text,
        "kind": text,
    }
    values = {
        "candidate": {text: 0.5},
        "production": {text: 0.6},
        "intervals": {text: interval},
        "comparisons": {text: {"difference": -0.1, "interval": interval}},
    }
    unit = [0.0, 0.5, 1.0]
    line = {text: unit, "y": unit}
    curve = {"roc": line, "pr": line, "calibration": {"x": unit, text: unit}}
    metrics: dict[str, Any] = {
        **values,
        "rows": {text: 50} if stage == "validate-data" else 50,
        "features": {text: feature},
        "slices": [{"slice": {text: text}, "rows": 5, **values}],
        "behaviour": {
            "rows": 5,
            "tests": {
                f"direction:{text}": {"n": 5, "count": 1, "rate": 0.2, "interval": interval, "column": text}
                | {"grid": unit, "partial_dependence": unit, "lower": unit, "upper": unit}
            },
        },
        "slice_search": {
            "metric": text,
            "slices_tested": 3,
            "slices_worse": 1,
            "worst": [{"slice": {text: text}, "rows": 3}],
        },
        text: {text: text},
    }
    finding = dict.fromkeys(("id", "severity", "package", "installed", "fixed", "title", "reason", "expires"), text)
    details: dict[str, Any] = {
        "curves": {"candidate": curve, "production": curve},
        "confusion_matrix": {"labels": [text, text], "counts": [[1, 2], [3, 4]]},
        "rate_intervals": {text: {text: {"selection_rate": [0.1, 0.9]}}},
        "distributions": {text: {"labels": [text, "b"], "note": text, "current": [0.1, 0.9], "reference": [0.5, 0.5]}},
        "image": text,
        "digest": text,
        "dockerfile": f"FROM {' '.join(text.split())}",
        "user": text,
        "base": {"reference": text, "digest": text},
        "scan": {"trivy": text, "by_severity": {text: 3}, "findings": [finding], "ignores": [finding]},
        "locks": {text: text},
        "isolation": {text: {"held": {text: [text]}, "missing": {text: text}}},
        text: {text: [text, {text: text}], "samples": {text: [{"row": 3, "value": text}]}},
    }
    return Published(
        report=Report(
            stage=stage,
            checks=(check, replace(check, id=f"{text}1"), passed),
            summary=text,
            metrics=metrics,
            details=details,
            outputs={text: text},
            inputs=(InputDigest(name=text, path=text, sha256=text, rows=3),),
            candidate=model,
            production=model,
            measured={text: 3.0},
            plan=(text,),
        ),
        source=Source(git_sha=text, modified=(text,)),
        options={text: text, "x": {text: [text]}},
        run={"started_at": text, "seconds": 1.5, "directory": text},
        version=text,
    )


def of(*published: Published, absent: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the page of some reports."""
    return page(
        Run(entries=[Entry(file=f"{one.report.stage}.json", published=one) for one in published], absent=absent)
    )


@cache
def everything(text: str) -> Element:
    """Return the page of a run of every stage whose free texts are all this one."""
    return parse(of(*(full(text, stage) for stage in STAGES)))


@pytest.fixture(scope="module")
def plain() -> Element:
    """Return the page on which every text is harmless."""
    return everything(PLAIN)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile__same_elements(text: str, plain: Element) -> None:
    """A text from data, wherever in a report it stands, adds no element and no attribute to the page."""
    found = everything(text)

    assert found.shape(pictures=False) == plain.shape(pictures=False)
    allowed = {(tag, name) for tag, names in plain.shape() for name in names}
    drawn = {(tag, name) for tag, names in found.shape() for name in names}
    assert {tag for tag, _ in found.shape()} == {tag for tag, _ in plain.shape()}
    assert drawn <= allowed | {("text", "transform"), ("g", "transform")}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile__attributes_hold_no_data(text: str) -> None:
    """Links lead within the page, nothing has a style or a handler, and colours are the page's own."""
    for element in [one for root in [everything(text)] for one in root.all(*{tag for tag, _ in root.shape()})]:
        for name, value in element.attributes.items():
            assert not name.startswith("on") and name not in ("style", "src", "srcset", "xlink:href"), name
            assert name != "href" or re.fullmatch(r"#(stages|stage-\d+)", value or "")
            assert name not in ("fill", "stroke") or re.fullmatch(r"none|transparent|var\(--[a-z]+\)", value or "")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile__shown_as_written(text: str) -> None:
    """A reader sees a hostile text as it was written, but for control characters, which are shown escaped."""
    shown = everything(text).text

    assert text in shown or any(ord(character) < 32 or ord(character) > 0x2000 for character in text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", shown)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage__renders(stage: str, real: Path, real_page: Path) -> None:
    """The report of every stage has its section, named after it, with its verdict."""
    report = json.loads((real / f"{stage}.json").read_text())
    heads = [head.text for head in parse(real_page.read_text()).all("h2")]

    assert any(head.startswith(stage) and report["status"] in head for head in heads)


@pytest.mark.parametrize("stage", [*SECTIONS, "a-new-stage"])
@pytest.mark.parametrize("status", [Status.PASSED, Status.FAILED, Status.INCONCLUSIVE, Status.ERROR])
def test_every_status(stage: str, status: Status) -> None:
    """Each verdict stands in words in the page's title and beside the stage; a stage without a section is shown too."""
    check = Check(
        id="x", status=status, message="What happened.", advice=None if status is Status.PASSED else "Do this."
    )
    published = Published(
        report=Report(stage=stage, checks=(check,), summary="What happened."), source=Source(git_sha=None)
    )
    root = parse(of(published))

    assert root.all("title")[0].text == f"cd4ml: {status}"
    assert root.all("h2")[0].text.startswith(stage) and str(status) in root.all("h2")[0].text
    assert ("Do this." in root.all("nav")[0].text) is (status is not Status.PASSED)


def test_verdict__leads_to_what_decides() -> None:
    """Beside the verdict stand links to the stages that decide it, and to no others; the time is as people read it."""
    failed = Check(id="x", status=Status.FAILED, message="Bad.")
    found = [
        Published(
            report=Report(stage=stage, checks=(replace(failed, status=status),)),
            source=Source(git_sha=None),
            run={"started_at": "2026-11-26T19:39:11Z"},
        )
        for stage, status in (("check-code", Status.PASSED), ("audit-fairness", Status.FAILED))
    ]
    root = parse(of(*found))
    first = root.all("header")[0].all("p")[0]

    assert first.all("strong")[0].text == "This change is blocked."
    assert [(link.text, link.attributes["href"]) for link in first.all("a")] == [("audit-fairness", "#stage-2")]
    assert "2026-11-26\u00a019:39\u00a0UTC" in root.all("header")[0].text


def test_skipped_and_not_run() -> None:
    """A stage that is not configured, one that did not come to run and one whose report is gone are told apart."""
    skipped = Published(report=Report.skipped("check-code"), source=Source(git_sha=None))
    root = parse(of(skipped, absent=(("build-image", "not-run"), ("evaluate-model", "missing"))))
    lines = [line.text for line in root.all("nav")[0].all("li")]

    assert "skipped" in lines[0] and "did not run" in lines[1] and "not in the folder" in lines[2]
    assert root.all("title")[0].text == "cd4ml: error"


@pytest.mark.parametrize(("rule", "status"), [("on-failed", Status.FAILED), ("on-inconclusive", Status.INCONCLUSIVE)])
def test_warned(rule: str, status: Status) -> None:
    """A verdict that only warns is shown as what it is, and the page does not say that the change is blocked."""
    check = Check(id="x", status=status, message="Odd.")
    report = Report(stage="check-code", checks=(check,))
    root = parse(of(Published(report=report, source=Source(git_sha=None), options={rule: "warn"})))

    assert "only warns" in root.all("h2")[0].text
    assert "with a warning" in root.all("header")[0].text and "blocked" not in root.all("header")[0].text


def test_commits_differ() -> None:
    """Reports of different commits, of different candidates, and of changed files are said to be so."""
    first, second = full("a", "validate-data"), full("b", "audit-fairness")
    said = parse(of(first, second)).all("header")[0].text

    assert "different commits: a (validate-data); b (audit-fairness)" in said
    assert "different candidate models" in said and "Files differed" in said


def test_test_rows_differ() -> None:
    """A split that was checked on other rows than those that were scored is no evidence about them: that is said."""

    def about(stage: str, digest: str) -> Published:
        rows = InputDigest(name="test-data", path=f"{digest}.parquet", sha256=digest, rows=3)
        report = Report(stage=stage, checks=(Check(id="x", status=Status.PASSED, message="Fine."),), inputs=(rows,))
        return Published(report=report, source=Source(git_sha="a"))

    said = parse(of(about("check-split", "one"), about("score-model", "two"))).all("header")[0].text
    assert "different test rows: one (check-split); two (score-model)" in said
    same = parse(of(about("check-split", "one"), about("score-model", "one"))).all("header")[0].text
    assert "different test rows" not in same


def test_numbers_are_those_of_the_report(real: Path, real_page: Path) -> None:
    """Metrics, their intervals, groups' rates and ratios stand on the page as the reports give them."""
    rows = [[cell.text for cell in row.all("th", "td")] for row in parse(real_page.read_text()).all("tr")]
    evaluated = reading.read_file(real / "evaluate-model.json", "evaluate-model").report.metrics
    audited = reading.read_file(real / "audit-fairness.json", "audit-fairness").report.metrics

    for name, value in evaluated["candidate"].items():
        lower = number(evaluated["intervals"][name]["lower"])
        assert any(row[:2] == [name, number(value)] and row[2].startswith(lower) for row in rows), name
    for found in audited["features"].values():
        for group, rates in found["by_group"].items():
            ratio = number(found["ratios"][group]["ratio"])
            assert any(
                row[:3] == [group, number(rates["n"]), ratio] and row[5].startswith(number(rates["selection_rate"]))
                for row in rows
            ), group


def test_churn() -> None:
    """Decisions that change stand on the page in percent, the slice with the most broken rows first."""
    kind = {"rows": 12, "share": 0.0012, "interval": {"lower": 0.0007, "upper": 0.0021}}
    slices = [
        {"slice": {"region": name}, "rows": 50, **{key: {"rows": 1, "share": share} for key in ("changed", "breaks")}}
        for name, share in (("south", 0.02), ("north", 0.2))
    ]
    metrics = {"churn": {"rows": 10_000, **dict.fromkeys(("changed", "fixes", "breaks"), kind), "slices": slices}}
    checks = (Check(id="x", status=Status.PASSED, message="x"),)
    report = Report(stage="evaluate-model", checks=checks, metrics=metrics)
    root = parse(of(Published(report=report, source=Source(git_sha=None))))
    rows = [[cell.text for cell in row.all("th", "td")] for row in root.all("tr")]

    assert sum(row[1:] == ["12", "0.12", "0.07 to 0.21"] for row in rows) == 3
    assert [row[0] for row in rows if row[0].startswith("region=")] == ["region=north", "region=south"]
    assert ["region=north", "50", "20.00", "", "20.00"] in rows


def test_behaviour() -> None:
    """Each behaviour test stands with its rows, share, interval and production's share, a direction with its curve."""
    rate = {"n": 400, "count": 2, "rate": 0.005, "interval": {"lower": 0.001, "upper": 0.018}, "production": 0.02}
    grid = {"column": "income", "grid": [10, 20, 90], "partial_dependence": [0.1, 0.4, 0.9]}
    ends = {"lower": [0.05, 0.3, 0.8], "upper": [0.2, 0.5, 1.0]}
    tests = {"direction:income": {**rate, **grid, **ends}, "invariance:sex:another-value": rate}
    metrics = {"rows": 900, "behaviour": {"rows": 500, "of": 900, "tests": tests | {"known-answers:k": {"n": 2}}}}
    report = Report(stage="score-model", checks=(Check(id="x", status=Status.PASSED, message="x"),), metrics=metrics)
    root = parse(of(Published(report=report, source=Source(git_sha=None))))
    rows = [[cell.text for cell in row.all("th", "td")] for row in root.all("tr")]

    for name in ("direction: income", "invariance: sex, another-value"):
        assert [name, "2 of 400: 0.50 % (0.10 to 1.80 %)", "2.00 %"] in rows
    (drawn,) = [figure for figure in root.all("figure") if "Score along income" in figure.text]
    assert len(drawn.all("path")) >= 3 and "mean score" in drawn.text


def test_proxies_sweep_and_pairs() -> None:
    """What gives a group away, the curve of the thresholds and pairs that got worse stand on the page of an audit."""
    spread = {"lower": 0.7, "upper": 0.9}
    swept = [{"threshold": at / 10, "ratio": 1 - at / 20, "status": "passed", "group": "f"} for at in range(1, 10)]
    pair = {
        "lower": "f",
        "higher": "m",
        "n": 50,
        "candidate": 0.7,
        "production": 0.9,
        "interval": {"lower": -0.3, "upper": -0.1},
    }
    rates = {group: {"n": 50, "selection_rate": 0.5} for group in ("f", "m")}
    told = {
        "limit": 0.5,
        "gates": True,
        "not_measured": {"id": "x"},
        "features": [{"feature": "job", "value": 0.8, "interval": spread}],
    }
    metrics = {
        "features": {"sex": {"by_group": rates, "pairs": {"compared": 1, "worse": [pair]}}},
        "proxies": {"sex": told},
        "threshold_sweep": {
            "sex": {"present": 0.5, "holds_from": 0.3, "holds_to": 0.6, "minimum_ratio": 0.8, "points": swept}
        },
    }
    checks = (Check(id="x", status=Status.PASSED, message="x"),)
    report = Report(stage="audit-fairness", checks=checks, metrics=metrics)
    root = parse(of(Published(report=report, source=Source(git_sha=None))))
    rows = [[cell.text for cell in row.all("th", "td")] for row in root.all("tr")]
    labels = [str(drawn.attributes["aria-label"]) for drawn in root.all("svg") if "aria-label" in drawn.attributes]

    assert ["f to m", "50", "0.9000", "0.7000", "-0.3000 to -0.1000"] in rows
    assert any("How much features tell of sex" in label and "the limit, 0.5" in label for label in labels)
    assert any(
        "The verdict at the present threshold, 0.5000, holds from 0.3000 to 0.6000." in label for label in labels
    )


def test_one_file(real_page: Path) -> None:
    """The page names no other file and no address that a browser would ask for, and forbids all but its own style."""
    text = real_page.read_text()
    root = parse(text)
    policy = next(meta for meta in root.all("meta") if "http-equiv" in meta.attributes).attributes["content"] or ""

    assert not re.search(r"""\s(src|action)=|href="[^#]|url\(|@import|<(script|link|iframe)""", text, re.I)
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert len(root.all("style")) == 1 and root.all("html")[0].attributes["lang"] == "en"


def test_structure_for_readers(real_page: Path) -> None:
    """Headings follow in order, every table has a caption and headers that say what they head, every picture a name."""
    root = parse(real_page.read_text())
    levels = [int(head.tag[1]) for head in root.all("h1", "h2", "h3", "h4")]

    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    for table in root.all("table"):
        assert table.all("caption")[0].text
        assert all(head.attributes.get("scope") in ("col", "row") for head in table.all("th"))
    assert root.all("svg") and all(len(svg.attributes.get("aria-label") or "") > 3 for svg in root.all("svg"))
    names = [one.attributes["id"] for one in root.all("section", "h2", "main") if "id" in one.attributes]
    assert len(names) == len(set(names))


def test_large__stays_small() -> None:
    """A thousand checks of each kind are cut and counted, and the page stays within a megabyte."""
    failed = [Check(id=f"rule:{i}", status=Status.FAILED, message="x" * 300, advice=f"Fix {i}.") for i in range(1000)]
    passed = [Check(id=f"fine:{i}", status=Status.PASSED, message="y" * 300) for i in range(1000)]
    report = Report(stage="validate-data", checks=(*failed, *passed), summary="Much.")
    text = of(Published(report=report, source=Source(git_sha=None)))

    assert len(text.encode()) < 1_000_000
    assert "… and 680 more checks in the JSON report." in text and "… and 900 more checks in the JSON report." in text


def test_many_groups__stays_small() -> None:
    """A hundred features of a hundred groups each, and a hundred slices, stay within a megabyte for each stage."""
    rates = {"n": 5, "selection_rate": 0.5, "true_positive_rate": 0.5, "precision": 0.5}
    features = {f"f{i}": {"by_group": {f"g{j}": rates for j in range(100)}, "corrected_psi": 0.1} for i in range(100)}
    values = {"candidate": {f"m{i}": 0.5 for i in range(20)}, "production": {f"m{i}": 0.5 for i in range(20)}}
    slices = [{"slice": {"a": str(i)}, "rows": 5, **values} for i in range(100)]
    for stage, metrics in (
        ("audit-fairness", {"features": features}),
        ("evaluate-model", {**values, "slices": slices}),
    ):
        report = Report(stage=stage, checks=(Check(id="x", status=Status.PASSED, message="x"),), metrics=metrics)

        assert len(of(Published(report=report, source=Source(git_sha=None))).encode()) < 1_000_000, stage


KEYS: Final = st.sampled_from(
    "rows features by_group ratios ratio lower upper candidate production intervals comparisons difference slices "
    "slice slice_search worst curves roc pr calibration false_positive_rate true_positive_rate recall precision labels "
    "counts confusion_matrix distributions reference current scan findings by_severity ignores samples row value "
    "selection_rate rate_intervals differences interval changes minimum_ratio corrected_psi base digest image size "
    "ks x y churn changed fixes breaks share".split()
)
SCALARS: Final = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
ANYTHING: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=40
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([*SECTIONS, "other"]),
    st.dictionaries(KEYS, ANYTHING, max_size=8),
    st.dictionaries(KEYS, ANYTHING, max_size=8),
)
def test_any_shape(stage: str, metrics: dict[str, Any], details: dict[str, Any]) -> None:
    """Whatever a report's free parts hold, a page comes out that is well formed."""
    check = Check(id="x", status=Status.PASSED, message="x")
    report = Report(stage=stage, checks=(check,), metrics=metrics, details=details)

    assert parse(of(Published(report=report, source=Source(git_sha=None)))).all("h2")
