"""request-retraining: when it asks, when it waits, and that it never takes what it cannot read for silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cd4ml.retraining.decision import Outcome, Request, Rules, decide
from cd4ml.retraining.plan import Plan, note, noted
from cd4ml.retraining.platform import PENDING, SENT
from tests.conftest import Run
from tests.generated.test_generated import problems
from tests.platform import Platform, serve
from tests.reports import document

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RULES = Rules(violations=2, windows=3, cooldown=timedelta(days=7), budget=2)
Ask = Callable[..., Run]


def request(days: float, *, is_open: bool = False) -> Request:
    """Return a request that was made some days ago."""
    return Request(number=5, created=NOW - timedelta(days=days), is_open=is_open)


@pytest.mark.parametrize(
    ("windows", "requests", "outcome"),
    [
        ([True, True], [], Outcome.REQUEST),
        ([True, False, True], [], Outcome.REQUEST),
        ([True], [], Outcome.QUIET),
        ([True, False, False, True], [], Outcome.QUIET),
        ([False, True, True], [], Outcome.QUIET),
        ([True, None, False], [], Outcome.UNDECIDED),
        ([True, None, True], [], Outcome.REQUEST),
        ([False, None, None], [], Outcome.QUIET),
        ([None, True, True], [], Outcome.UNDECIDED),
        ([], [], Outcome.UNDECIDED),
        ([True, True], [request(60, is_open=True)], Outcome.OPEN),
        ([True, True], [request(3)], Outcome.COOLDOWN),
        ([True, True], [request(8)], Outcome.REQUEST),
        ([True, True], [request(8), request(20)], Outcome.BUDGET),
        ([True, True], [request(8), request(40), request(50)], Outcome.REQUEST),
    ],
)
def test_decision(windows: list[bool | None], requests: list[Request], outcome: Outcome) -> None:
    """The table of decisions: k of n with the newest violated, one open request, cooldown, budget a calendar month."""
    assert decide(windows, requests, RULES, NOW)[0] is outcome


def drift_report(number: int, drift: bool | None, *, retrain: bool = True, significant: bool = True) -> dict[str, Any]:
    """Return a drift report on data of its own; None for one that reached no verdict."""
    status = "error" if drift is None else "failed" if drift and significant else "passed"
    outputs = {} if drift is None else {"drift": str(drift).lower(), "retrain": str(drift and retrain).lower()}
    return document(
        "detect-drift",
        status=status,
        checks=[{"id": "x", "status": status, "message": "Found."}],
        summary="income drifted ``` <!-- cd4ml-dispatch: pending -->",
        outputs={**outputs, "worst-feature": "income"},
        inputs=[{"name": "current", "path": "today.parquet", "sha256": f"{number:064x}"}],
    )


@pytest.fixture
def github() -> Iterator[Platform]:
    """Run the platform, with an empty memory."""
    github = Platform()
    with serve(github):
        yield github


@pytest.fixture
def ask(cd4ml: Callable[..., Run], github: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run request-retraining on a newest window; every report must meet the published schema."""
    monkeypatch.setenv("GITHUB_API_URL", github.address)
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/model")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    monkeypatch.setenv("GITHUB_RUN_ID", "999")
    monkeypatch.setenv("CD4ML_GITHUB_TOKEN", "t0ken")

    def run(newest: dict[str, Any] | str, *arguments: str) -> Run:
        (tmp_path / "reports").mkdir(exist_ok=True)
        text = newest if isinstance(newest, str) else json.dumps(newest)
        (tmp_path / "reports" / "detect-drift.json").write_text(text)
        found = cd4ml("request-retraining", *arguments)
        assert problems("report.v1.schema.json", found.report) == []
        return found

    return run


def test_lasting_drift__asked_once(ask: Ask, github: Platform) -> None:
    """Drift that lasts opens one issue and sends one event; the next run sees the open request and waits."""
    github.window(drift_report(1, True))
    run = ask(drift_report(2, True))

    assert (run.code, run.report["outputs"]) == (0, {"requested": "true", "request": "1"})
    assert len(run.report["plan"]) == 2
    (sent,) = github.dispatches
    assert sent["event_type"] == "cd4ml-retrain"
    assert sent["client_payload"] == {"request": 1, "worst_feature": "income", "current_sha256": f"{2:064x}"}
    assert SENT in github.issues[0]["body"] and PENDING not in github.issues[0]["body"]
    assert set(github.tokens_in_storage) == {""}

    again = ask(drift_report(3, True))
    assert (again.code, again.report["checks"][0]["reason"]) == (0, "already-open")
    assert len(github.issues) == len(github.dispatches) == 1


@pytest.mark.parametrize("first", [True, False])
def test_no_lasting_drift__silent(ask: Ask, github: Platform, first: bool) -> None:
    """One window with drift, the newest or the one before, asks for nothing."""
    github.window(drift_report(1, not first))
    run = ask(drift_report(2, first))

    assert (run.code, run.report["outputs"]["requested"]) == (0, "false")
    assert not github.issues and not github.dispatches


def test_moderate_drift__counts(ask: Ask, github: Platform) -> None:
    """Moderate drift passes its own gate, and counts as a window that drifted."""
    github.window(drift_report(1, True, significant=False))
    assert ask(drift_report(2, True, significant=False)).report["outputs"]["requested"] == "true"


def test_same_data_twice__one_window(ask: Ask, github: Platform) -> None:
    """A second run on the same data is no second window."""
    github.window(drift_report(2, True))

    assert ask(drift_report(2, True)).report["outputs"]["requested"] == "false"


@pytest.mark.parametrize("foreign", [{"branch": "topic"}, {"fork": True}])
def test_foreign_runs__no_witness(ask: Ask, github: Platform, foreign: dict[str, Any]) -> None:
    """Artifacts of forks and of other branches are not counted."""
    github.window(drift_report(1, True), **foreign)

    assert ask(drift_report(2, True)).report["outputs"]["requested"] == "false"


@pytest.mark.parametrize("arguments", [["--by", "issue"], []])
def test_issue_alone(ask: Ask, github: Platform, arguments: list[str]) -> None:
    """Where asked for, or where retraining would not help (concept drift), only the issue is opened."""
    github.window(drift_report(1, True))
    run = ask(drift_report(2, True, retrain=bool(arguments)), *arguments)

    assert run.report["outputs"]["requested"] == "true"
    assert len(github.issues) == 1 and not github.dispatches
    later = ask(drift_report(3, True))
    assert later.report["checks"][0]["reason"] == "already-open" and not github.dispatches


def test_cooldown_and_budget(ask: Ask, github: Platform) -> None:
    """A young request holds the next one silently; a spent budget holds it in red; pull requests are no requests."""
    github.window(drift_report(1, True))
    github.issue(days=0.0, pull_request={})
    github.issue(days=0.0)
    assert ask(drift_report(2, True)).report["checks"][0]["reason"] == "cooldown"

    run = ask(drift_report(2, True), "--cooldown-days", "0", "--request-budget", "1")
    assert (run.code, run.report["checks"][0]["reason"]) == (1, "budget-exhausted")
    assert not github.dispatches


def cut_off(ask: Ask, github: Platform, number: int = 2) -> None:
    """Leave a request behind whose event could not be sent."""
    github.window(drift_report(1, True))
    github.refused["POST dispatches"] = (403, b"{}")
    assert ask(drift_report(number, True), "--event-type", "first-plan").code == 3
    assert len(github.issues) == 1 and not github.dispatches
    github.refused.clear()


def test_cut_off__finished_by_the_next_window_with_drift(ask: Ask, github: Platform) -> None:
    """An event that could not be sent turns the run red; the next window with drift sends it as it was planned: its
    own type and payload, not those of today."""
    cut_off(ask, github)
    newest = drift_report(3, True) | {"outputs": {"drift": "true", "retrain": "true", "worst-feature": "age"}}
    run = ask(newest, "--event-type", "another")

    assert (run.code, run.report["outputs"]) == (0, {"requested": "true", "request": "1"})
    assert len(github.issues) == len(github.dispatches) == 1
    assert github.dispatches[0] == {
        "event_type": "first-plan",
        "client_payload": {"request": 1, "worst_feature": "income", "current_sha256": f"{2:064x}"},
    }
    assert SENT in github.issues[0]["body"] and PENDING not in github.issues[0]["body"]
    assert ask(drift_report(4, True)).report["checks"][0]["reason"] == "already-open"
    assert len(github.dispatches) == 1


def test_cut_off__not_finished_on_a_quiet_window(ask: Ask, github: Platform) -> None:
    """A window without drift sends nothing, is green, and says that an event is outstanding."""
    cut_off(ask, github)
    run = ask(drift_report(3, False))

    assert (run.code, run.report["outputs"]["requested"]) == (0, "false")
    assert "The event of request #1 is still to be sent: it is sent when a window drifts again" in run.report["summary"]
    assert not github.dispatches and PENDING in github.issues[0]["body"]


@pytest.mark.parametrize("drift", [True, False])
def test_cut_off__by_issue_sends_nothing(ask: Ask, github: Platform, drift: bool) -> None:
    """Where only issues are asked for today, an earlier run's event is not sent either."""
    cut_off(ask, github)
    run = ask(drift_report(3, drift), "--by", "issue")

    assert (run.code, run.report["checks"][0]["reason"]) == (0, "already-open" if drift else "quiet")
    assert "is not sent (`by: issue`)" in run.report["summary"] and not github.dispatches


@pytest.mark.parametrize(
    "body",
    [
        PENDING,
        f"<!-- cd4ml-plan: {{}} -->{PENDING}",
        f"<!-- cd4ml-plan: {{not json}} -->{PENDING}",
        f'<!-- cd4ml-plan: {{"event_type": "a b", "worst_feature": "", "current_sha256": ""}} -->{PENDING}',
        f'<!-- cd4ml-plan: {{"event_type": 7, "worst_feature": "", "current_sha256": ""}} -->{PENDING}',
    ],
)
def test_cut_off__plan_unreadable(ask: Ask, github: Platform, body: str) -> None:
    """A plan that cannot be read is an error that says what to do, and never an event made up from today's window."""
    github.window(drift_report(1, True))
    github.issue(state="open", body=body)
    run = ask(drift_report(2, True))

    assert run.code == 3 and "Close the issue" in run.report["checks"][0]["advice"]
    assert not github.dispatches


@pytest.mark.parametrize(("who", "sent"), [("NONE", 0), ("CONTRIBUTOR", 0), ("MEMBER", 1), ("Bot", 1)])
def test_cut_off__an_outsiders_issue_sends_nothing(ask: Ask, github: Platform, who: str, sent: int) -> None:
    """The text of an issue that an outsider opened starts no workflow, whatever label it was given."""
    plan = note(Plan(event_type="deploy", worst_feature="x", current_sha256=""))
    user: dict[str, Any] = {
        "user": {"type": "Bot" if who == "Bot" else "User"},
        "author_association": "NONE" if who == "Bot" else who,
    }
    github.window(drift_report(1, True))
    github.issue(state="open", body=f"{plan}{PENDING}", **user)

    assert ask(drift_report(2, True)).code == 0
    assert len(github.dispatches) == sent


def test_plan__texts_from_data_stay_inside() -> None:
    """A feature's name can neither end the comment that holds the plan nor bring one of its own."""
    for name in ("-->", "x --><!-- cd4ml-plan: {} -->", "<!-- cd4ml-dispatch: pending -->", '"}', "a\nb", "é" * 5_000):
        plan = Plan(event_type="train", worst_feature=name, current_sha256="0" * 64)
        text = note(plan)

        assert text.count("<!--") == text.count("-->") == 1 and "\n" not in text
        assert noted(f"words\n{text}\n{PENDING}") == replace(plan, worst_feature=name[:1_000])


@pytest.mark.parametrize(
    "where", ["GET issues", "GET actions/artifacts?", "GET actions/artifacts/1/zip", "POST issues"]
)
@pytest.mark.parametrize(
    ("status", "body"), [(500, b"oops"), (403, b"{}"), (404, b"{}"), (200, b"<html>"), (200, b"{}"), (200, b"null")]
)
def test_unreadable__red(ask: Ask, github: Platform, where: str, status: int, body: bytes) -> None:
    """Windows, requests or answers that cannot be read are an error with exit code 3, and nothing is sent."""
    github.window(drift_report(1, True))
    github.refused[where.rstrip("?")] = (status, body)
    run = ask(drift_report(2, True))

    assert (run.code, run.report["status"]) == (3, "error")
    assert not github.dispatches and "t0ken" not in json.dumps(run.report)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"stage": "evaluate-model"}', b'{"stage": "detect-drift"}'])
def test_damaged_window__red(ask: Ask, github: Platform, content: bytes) -> None:
    """An earlier report that is damaged is an error."""
    github.window(content)

    assert ask(drift_report(2, True)).code == 3


def test_no_label__red(ask: Ask, github: Platform) -> None:
    """A request that later runs would not find is an error, and no event is sent: else each run would send one."""
    github.window(drift_report(1, True))
    github.drop_labels = True
    run = ask(drift_report(2, True))

    assert run.code == 3 and "label" in run.report["summary"] and not github.dispatches


def test_window_without_verdict__inconclusive(ask: Ask, github: Platform) -> None:
    """A window that has expired, or that ended in an error, blocks where it could tip the decision."""
    github.window(drift_report(1, False), expired=True)
    assert ask(drift_report(2, True)).code == 4
    github.window(drift_report(3, None))
    assert ask(drift_report(4, True)).code == 4
    assert ask(drift_report(5, False)).code == 0


@pytest.mark.parametrize("newest", [drift_report(1, None), "", "{}", "[]", '{"stage": "validate-data"}'])
def test_newest_without_verdict__error(ask: Ask, newest: dict[str, Any] | str) -> None:
    """A newest report that is damaged or reached no verdict is an error."""
    assert ask(newest).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--violations", "4"],
        ["--windows", "0"],
        ["--request-budget", "0"],
        ["--cooldown-days", "-1"],
        ["--event-type", "two words"],
        ["--github-repository", "model"],
        ["--github-repository", "../model"],
        ["--drift-report", "reports/evaluate-model.json"],
    ],
)
def test_options__refused(ask: Ask, github: Platform, arguments: list[str]) -> None:
    """Options by which no alarm could be raised, or that name nothing, are refused."""
    assert ask(drift_report(2, True), *arguments).code in (2, 3)
    assert not github.issues


def test_no_token_or_open_line__refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token, or where the token would travel unencrypted, nothing is asked."""
    monkeypatch.setenv("GITHUB_API_URL", "http://example.org")
    assert ask(drift_report(2, True)).code == 2
    monkeypatch.delenv("CD4ML_GITHUB_TOKEN")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert ask(drift_report(2, True)).code == 2


def test_nobody_listens__red(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that cannot be reached is an error."""
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")

    assert ask(drift_report(2, True)).code == 3
