"""Charts of the step summary: what they show is what the report says, and labels from data stay labels."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cd4ml.render.charts import chart
from cd4ml.render.markdown import markdown
from cd4ml.report import Bound, Check, Report, Status
from tests.conftest import ROOT
from tests.render.test_render import HOSTILE


def block(text: str) -> list[str]:
    """Return the lines of the only code block of a text."""
    (found,) = [token for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text) if token.type == "fence"]
    return found.content.splitlines()


def audit(groups: dict[str, float], *, intervals: bool = True) -> Report:
    """Make the report of an audit of one feature."""
    by_group = {group: {"n": 100, "selection_rate": rate} for group, rate in groups.items()}
    feature = {"decides": True, "minimum_ratio": 0.8, "demographic_parity_ratio": 0.7, "by_group": by_group}
    spread = {group: {"selection_rate": [rate - 0.1, rate + 0.1]} for group, rate in groups.items()}
    return Report(
        stage="audit-fairness",
        checks=(Check(id="x", status=Status.PASSED, message=""),),
        metrics={"features": {"race": feature}},
        details={"rate_intervals": {"race": spread}} if intervals else {},
    )


def test_selection_rates__lowest_first_with_intervals() -> None:
    """Each group's rate is a point in the middle of its interval, and the line says the numbers."""
    scale, low, high = block(chart(audit({"white": 0.7, "black": 0.4})))

    assert scale.split() == ["0.3000", "0.8000"]
    assert low.startswith("black ├") and low.endswith("┤                        40.0 % of 100 (30.0 to 50.0 %)")
    assert high.startswith("white ") and high.endswith("●───────┤ 70.0 % of 100 (60.0 to 80.0 %)")
    assert low.index("●") < high.index("●")


def test_metrics__candidate_beside_production() -> None:
    """Both models stand on one scale; metrics that are no shares have another one, and are left out."""
    interval = {"lower": 0.88, "upper": 0.92}
    report = Report(
        stage="evaluate-model",
        checks=(Check(id="minimum:accuracy", status=Status.PASSED, message="", metric="accuracy"),),
        metrics={
            "candidate": {"rmse": 12.0, "accuracy": 0.9},
            "production": {"rmse": 13.0, "accuracy": 0.95},
            "intervals": {"accuracy": interval},
        },
    )
    _, ours, theirs = block(chart(report))

    assert ours.startswith("accuracy     ├") and ours.endswith("0.9000 (0.8800 to 0.9200)")
    assert theirs.startswith("  production ") and theirs.endswith("◆ 0.9500")
    assert "rmse" not in chart(report)


def test_drift__against_the_limit() -> None:
    """A feature beyond its limit fills the line and ends in an arrow; one within stays below."""
    checks = [
        Check(id=f"drift:{name}", status=Status.PASSED, message="", value=value, limit=0.25)
        for name, value in (("a", 0.05), ("b", 4.5))
    ]
    far, near = block(chart(Report(stage="detect-drift", checks=checks)))

    assert far.startswith("b " + "█" * 39 + "▶ 4.5000 (limit 0.2500)")
    assert near.startswith("a " + "█" * 8 + " ") and near.endswith("0.0500 (limit 0.2500)")


def test_split__against_the_limit() -> None:
    """Findings of check-split stand against their limits, the furthest beyond first; what has none is left out."""
    checks = [
        Check(id="overlap", status=Status.PASSED, message="", value=0.005, limit=0.01, bound=Bound.AT_MOST),
        Check(id="feature-power:fee", status=Status.FAILED, message="", value=1.0, limit=0.5, bound=Bound.AT_MOST),
        Check(id="class-rows", status=Status.PASSED, message="", value=80, limit=50, bound=Bound.AT_LEAST),
    ]
    far, near = block(chart(Report(stage="check-split", checks=checks)))

    assert far.startswith("feature-power:fee " + "█" * 39 + "▶ 1.0000 (limit 0.5000)")
    assert near.startswith("overlap           " + "█" * 20 + " ") and near.endswith("0.0050 (limit 0.0100)")


def test_score_model__behaviour() -> None:
    """Behaviour tests that found rows stand with share and interval, most rows first; the others are left out."""
    few = {"n": 500, "count": 2, "rate": 0.004, "interval": {"lower": 0.001, "upper": 0.0145}}
    many = {"n": 500, "count": 29, "rate": 0.058, "interval": {"lower": 0.04, "upper": 0.082}}
    none = {"n": 500, "count": 0, "rate": 0.0, "interval": {"lower": 0.0, "upper": 0.008}}
    tests = {"robustness:a:noise": few, "invariance:s:case": none, "robustness:b:missing": many}

    drawn = chart(Report(stage="score-model", checks=[], metrics={"behaviour": {"tests": tests}}))

    first, second = [line for line in block(drawn) if "robustness" in line]
    assert first.startswith("robustness:b:missing") and first.endswith("29 of 500 (5.80 %)") and "├" in first
    assert second.endswith("2 of 500 (0.40 %)") and "invariance" not in drawn


def test_rules_tools_vulnerabilities__counted() -> None:
    """Rules are shown by the rows that break them, tools by their findings, vulnerabilities by severity."""

    def bad(id: str, value: int, metric: str, n: int | None = None) -> Check:
        return Check(id=id, status=Status.FAILED, message="", metric=metric, value=value, n=n)

    rules = [bad("in_range:a", 29, "failing-rows", 600), bad("unique:b", 3, "failing-rows", 600)]
    tools = [bad("flake8", 44, "findings"), bad("mypy", 12, "findings"), bad("flake8:a.py", 1, "findings")]
    scan = {"scan": {"by_severity": {"HIGH": 2, "CRITICAL": 1}}}
    scanned = Report(stage="build-image", checks=[], details=scan)

    assert [line.split()[0] for line in block(chart(Report(stage="validate-data", checks=rules)))] == [
        "in_range:a",
        "unique:b",
    ]
    assert "29 of 600 rows (4.83 %)" in chart(Report(stage="validate-data", checks=rules))
    assert [line.split()[0] for line in block(chart(Report(stage="check-code", checks=tools)))] == ["flake8", "mypy"]
    assert [line.split()[0] for line in block(chart(scanned))] == ["CRITICAL", "HIGH"]


@pytest.mark.parametrize("text", [*HOSTILE, "```", "~~~\n# x", "a" * 300, "漢字" * 40, "<script>", "@org/team"])
def test_hostile_label__a_line_of_the_block(text: str) -> None:
    """A group of any name is a line of the block: it neither ends it nor adds lines, and nothing grows wide."""
    shown = chart(audit({text: 0.4, "other": 0.7}))
    tokens = [token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(shown)]

    assert tokens == ["paragraph_open", "inline", "paragraph_close", "fence"]
    assert len(block(shown)) == 3 and "::" not in shown and "##[" not in shown
    assert max(map(len, block(shown))) < 110 and not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", shown)


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"features": []},
        {"features": {"race": {"decides": True, "demographic_parity_ratio": "x", "by_group": {"a": 1}}}},
        {"candidate": {"accuracy": None}, "production": {"accuracy": "x"}, "rows": "many"},
        {"candidate": {"accuracy": float("nan")}, "production": {"accuracy": 0.5}},
    ],
)
@pytest.mark.parametrize("stage", ["evaluate-model", "audit-fairness", "detect-drift", "build-image", "deploy-model"])
def test_damaged_numbers__no_chart(stage: str, metrics: dict[str, Any]) -> None:
    """Where a report does not hold what is drawn, nothing is drawn."""
    assert chart(Report(stage=stage, checks=(), metrics=metrics, details={"scan": {"by_severity": "x"}})) == ""


@given(st.dictionaries(st.text(max_size=30), st.floats(min_value=0, max_value=1), min_size=2, max_size=40))
def test_any_groups__at_most_fifteen_lines(groups: dict[str, float]) -> None:
    """However many groups there are, and whatever they are called, the chart stays small."""
    shown = chart(audit(groups))

    assert len(block(shown)) <= 14


def test_summary__holds_the_chart() -> None:
    """The step summary of a stage shows its chart above what is folded away."""
    text = markdown(audit({"a": 0.4, "b": 0.7}))

    assert text.index("```text") < text.index("<details>")


def test_page__shows_a_chart() -> None:
    """The chart that the documentation shows is drawn from its numbers as it stands there."""
    page = (ROOT / "docs" / "terminal.md").read_text()
    spread = {"black": [0.412564, 0.555495], "white": [0.656283, 0.743868]}
    shown = audit({"black": 89 / 184, "white": 292 / 416})
    feature = shown.metrics["features"]["race"]
    feature["by_group"]["black"]["n"], feature["by_group"]["white"]["n"] = 184, 416
    intervals = {group: {"selection_rate": ends} for group, ends in spread.items()}
    drawn = chart(Report(**{**vars(shown), "details": {"rate_intervals": {"race": intervals}}}))

    assert "\n".join(block(drawn)) in page
