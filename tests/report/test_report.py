"""Reports: the worst check decides, nothing looked at is an error, and the JSON is strict."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from cd4ml.commands.stage import exit_code
from cd4ml.inputs.vocabulary import OnInconclusive, RunOptions
from cd4ml.report import Check, Published, Report, Source, Status, headline, v1, worst


def check(status: Status = Status.PASSED, **values: object) -> Check:
    """Make a check."""
    return Check(**{"id": "a-check", "status": status, "message": "Something.", **values})  # type: ignore[arg-type]


def published(report: Report, **beside: Any) -> Published:
    """Return a report as it is published outside a repository."""
    return Published(report=report, source=Source(git_sha=None), **beside)


def test_status__zero_checks_is_an_error() -> None:
    """A stage that looked at nothing has not passed."""
    assert Report(stage="validate-data", checks=()).status is Status.ERROR


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "inconclusive"], "inconclusive"),
        (["inconclusive", "failed"], "failed"),
        (["failed", "error", "passed"], "error"),
        (["skipped", "passed"], "passed"),
    ],
)
def test_worst__order(statuses: list[str], expected: str) -> None:
    """error > failed > inconclusive > passed."""
    assert worst(Status(status) for status in statuses) == expected


def test_headline__is_the_check_that_decides() -> None:
    """The sentence that stands for a report is that of its worst check, however late it comes."""
    checks = [
        check(),
        check(Status.INCONCLUSIVE, message="Too few."),
        check(Status.FAILED, message="Too low."),
        check(Status.FAILED, message="Too high."),
    ]

    assert headline(checks) == "Too low. And 2 more."
    assert headline([*checks, check(Status.ERROR, message="No value.")]) == "No value. And 3 more."
    assert headline(checks[:2]) == "Too few." and headline(checks[:1]) == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_check__no_number_cannot_pass(value: float) -> None:
    """A careless comparison with not-a-number cannot produce a passing check."""
    with pytest.raises(ValueError, match="cannot pass"):
        check(value=value)


def test_document__strict_json() -> None:
    """Not-a-number becomes null, fields that do not apply are absent, and the text is strict JSON."""
    report = Report(
        stage="evaluate-model",
        checks=(check(Status.ERROR, value=math.nan, n=3),),
        metrics={"auc": math.nan, "nested": {"x": [math.inf, 1.5]}},
    )

    text = v1.text(v1.document(published(report, options={"task": "binary"})))
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))

    assert document["metrics"] == {"auc": None, "nested": {"x": [None, 1.5]}}
    assert set(document["checks"][0]) == {"id", "status", "message", "n"}
    assert document["schema_version"] == "1"


def test_text__no_workflow_commands() -> None:
    """JSON on standard output carries no text that a runner takes for a command, and still says the same."""
    hostile = "x\n::set-output name=status::passed ##[add-mask]true"
    report = Report(stage="validate-data", checks=(check(Status.FAILED, message=hostile),))

    text = v1.text(v1.document(published(report)))

    assert "::" not in text and "##[" not in text
    assert json.loads(text)["checks"][0]["message"] == hostile


def test_skipped__is_not_passed() -> None:
    """A stage that is not configured says so, in its own word."""
    assert Report.skipped("audit-fairness").status is Status.SKIPPED


@pytest.mark.parametrize(
    ("checks", "mode", "code"),
    [
        ([("passed", None)], "fail", 0),
        ([("passed", None), ("failed", "below-minimum")], "fail", 1),
        ([("error", "bad-input"), ("failed", "below-minimum")], "fail", 2),
        ([("error", "bad-input"), ("error", "unavailable")], "fail", 2),
        ([("error", "unavailable"), ("failed", "below-minimum")], "fail", 3),
        ([("inconclusive", "too-few-rows"), ("passed", None)], "fail", 4),
        ([("inconclusive", "too-few-rows"), ("passed", None)], "warn", 0),
        ([("inconclusive", "too-few-rows"), ("failed", "below-minimum")], "warn", 1),
        ([], "warn", 2),
    ],
)
def test_exit_code(checks: list[tuple[str, str | None]], mode: str, code: int) -> None:
    """The exit code says whose turn it is: 3 only where nothing but what could not be reached stood in the way."""
    made = [check(Status(status), id=f"check-{n}", reason=reason) for n, (status, reason) in enumerate(checks)]

    assert exit_code(Report(stage="x", checks=made), RunOptions(on_inconclusive=OnInconclusive(mode))).code == code
