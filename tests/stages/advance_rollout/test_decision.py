"""Which step is decided on: by verdict, weight and time, without a repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cd4ml.checks.delivery.steps import signed_report_check
from cd4ml.errors import OptionsError
from cd4ml.gitops.canary import Canary
from cd4ml.gitops.history import Commit
from cd4ml.report import Status
from cd4ml.stages import ANALYSIS
from cd4ml.stages.advance_rollout.analysis import Analysis, read_analysis
from cd4ml.stages.advance_rollout.decision import Action, Rules, decide
from cd4ml.stages.advance_rollout.options import Options
from cd4ml.stages.advance_rollout.rules import rules
from tests.reports import FINE, write

NOW = 1_000_000.0
MODEL = "c" * 64
DEPLOYED = Commit(sha="1" * 40, message=f"Cd4ml-Model: sha256:{MODEL}", time=int(NOW) - 7200)
STEP = Commit(sha="2" * 40, message="", time=int(NOW) - 1200)
CANARY = Canary(image="credit@sha256:" + "b" * 64, weight=5, deployed=DEPLOYED, last=STEP)
ANALYZED = Analysis(
    status=Status.PASSED,
    digest="sha256:1",
    made=NOW - 60,
    first=STEP.time,
    model=MODEL,
    summary="Because.",
    signed=signed_report_check(None, None),
)
RULES = Rules(steps=(1, 5, 10, 50, 100), minimum=10, maximum=60, age=30, rollback_on_timeout=False, resume=False)


@pytest.mark.parametrize(
    ("weight", "steps", "expected"),
    [
        (1, RULES.steps, (Action.ADVANCED, 5)),
        (5, RULES.steps, (Action.ADVANCED, 10)),
        (7, RULES.steps, (Action.ADVANCED, 10)),
        (50, RULES.steps, (Action.PROMOTED, 100)),
        (99, RULES.steps, (Action.PROMOTED, 100)),
        (100, RULES.steps, (Action.PROMOTED, 100)),
        (5, (5, 20), (Action.ADVANCED, 20)),
        (20, (5, 20), (Action.READY, 20)),
        (5, (100,), (Action.PROMOTED, 100)),
    ],
)
def test_passed__the_next_greater_step(weight: int, steps: tuple[int, ...], expected: tuple[Action, int]) -> None:
    """A passing report leads to the next greater weight; 100 is the promotion, and above the last step is a person."""
    found = decide(replace(CANARY, weight=weight), ANALYZED, replace(RULES, steps=steps), NOW, complete=True)

    assert (found.action, found.weight) == expected
    assert {check.status for check in found.checks} == {Status.PASSED}


@pytest.mark.parametrize("status", [Status.PASSED, Status.FAILED, Status.INCONCLUSIVE])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "d" * 64}, "other-model"),
        ({"model": None}, "unknown-model"),
        ({"made": NOW - 1860}, "stale"),
        ({"made": NOW + 301}, "stale"),
        ({"made": DEPLOYED.time - 1.0}, "stale"),
    ],
    ids=["foreign", "about nothing", "old", "future", "before the deployment"],
)
def test_report_that_does_not_count__refused(changes: dict[str, Any], reason: str, status: Status) -> None:
    """A report on another model, on none, or of another time leads to nothing, whatever it says."""
    analysis = replace(ANALYZED, status=status, **changes)
    goes_by = replace(RULES, age=1e6) if changes.get("made") == DEPLOYED.time - 1.0 else RULES

    found = decide(CANARY, analysis, goes_by, NOW, complete=True)

    assert (found.action, found.weight, found.acts) == (Action.HELD, 5, False)
    assert [(check.status, check.reason) for check in found.checks] == [(Status.FAILED, reason)]


@pytest.mark.parametrize(
    ("status", "made", "expected"),
    [
        (Status.PASSED, STEP.time + 599, (Action.WAITS, "too-early")),
        (Status.PASSED, STEP.time - 60, (Action.WAITS, "too-early")),
        (Status.PASSED, STEP.time + 600, (Action.ADVANCED, None)),
        (Status.FAILED, STEP.time + 1, (Action.ROLLED_BACK, None)),
        (Status.FAILED, STEP.time - 60, (Action.ROLLED_BACK, None)),
        (Status.INCONCLUSIVE, STEP.time + 600, (Action.WAITS, "undecided")),
    ],
)
def test_least_time__holds_back_what_passed(status: Status, made: float, expected: tuple[Action, str | None]) -> None:
    """A step must have lasted its time when it was analyzed; a failure counts at once, even of an earlier step."""
    found = decide(CANARY, replace(ANALYZED, status=status, made=made), RULES, NOW, complete=True)

    assert (found.action, found.checks[-1].reason) == expected


@pytest.mark.parametrize(
    "changes", [{"first": STEP.time - 1.0}, {"first": None}, {"made": STEP.time - 1.0}], ids=["old", "unknown", "made"]
)
def test_data_of_an_earlier_step__waits(changes: dict[str, Any]) -> None:
    """What passed on data from before the step, or was made before it, takes no step, without a least time either."""
    found = decide(CANARY, replace(ANALYZED, **changes), replace(RULES, minimum=0), NOW, complete=True)

    assert (found.action, found.checks[-1].reason) == (Action.WAITS, "data-of-an-earlier-step")


@pytest.mark.parametrize(
    ("window", "first"),
    [
        ({"since": "2026-11-27T10:00:00Z", "first": "2026-11-27T11:00:00+00:00"}, 1795773600.0),
        ({"since": None, "first": "2026-11-27T11:00:00+00:00"}, 1795777200.0),
        ({"since": None, "first": None}, None),
        ({"first": "2026-11-27T11:00:00"}, None),
        ([], None),
    ],
)
def test_window__read_from_the_report(tmp_path: Path, window: object, first: float | None) -> None:
    """Data count since the time that the analysis was told, else since their first event; without a zone, unknown."""
    run = {"started_at": "2026-11-27T12:00:00Z"}

    assert read_analysis(write(tmp_path, ANALYSIS, details={"window": window}, run=run)).first == first


@pytest.mark.parametrize(
    ("minutes", "rollback", "expected"),
    [
        (59, False, (Action.WAITS, Status.INCONCLUSIVE)),
        (61, False, (Action.HELD, Status.FAILED)),
        (61, True, (Action.ROLLED_BACK, Status.PASSED)),
    ],
)
def test_no_verdict_for_long(minutes: int, rollback: bool, expected: tuple[Action, Status]) -> None:
    """A step without a verdict waits, and after its longest time fails or is rolled back, as it was declared."""
    step = replace(CANARY, last=replace(STEP, time=int(NOW) - 60 * minutes))
    analysis = replace(ANALYZED, status=Status.INCONCLUSIVE)

    found = decide(step, analysis, replace(RULES, rollback_on_timeout=rollback), NOW, complete=True)

    assert (found.action, found.checks[-1].status) == expected
    assert f"has lasted {minutes} minutes without a verdict. Because." in found.why


def test_history_out_of_reach__inconclusive() -> None:
    """Where a shallow repository hides who made it a canary, nothing is done, not even with a failed report."""
    unknown = replace(CANARY, last=None, deployed=None, by_hand="no commit of cd4ml made it a canary")

    found = decide(unknown, replace(ANALYZED, status=Status.FAILED), RULES, NOW, complete=False)

    assert (found.action, found.checks[0].reason) == (Action.HELD, "incomplete-history")


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": ("10", "5")},
        {"steps": ("5", "5")},
        {"steps": ("0", "50")},
        {"steps": ("5", "101")},
        {"steps": ("5", "x")},
        {"steps": ("٥",)},
        {"steps": ()},
        {"minimum_minutes": -1.0},
        {"minimum_minutes": 20.0, "maximum_minutes": 10.0},
        {"minimum_minutes": float("nan")},
        {"maximum_minutes": float("nan")},
        {"report_minutes": 0.0},
        {"report_minutes": float("nan")},
    ],
)
def test_rules_that_cannot_be_meant__refused(changes: dict[str, Any]) -> None:
    """Steps that do not ascend within 1 and 100, and times in which no step could pass, are refused."""
    with pytest.raises(OptionsError):
        rules(Options(repository="r", manifest="m", **changes))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"schema_version": "1", "stage": "analyze-rollout", "status": "passed", "checks": []}',
        '{"schema_version": "1", "stage": "detect-drift", "status": "passed", "checks": []}',
    ],
    ids=["empty", "no report", "no checks", "another stage's"],
)
def test_report_that_cannot_be_read__refused(tmp_path: Path, text: str) -> None:
    """What is not a whole report of analyze-rollout is refused."""
    path = tmp_path / "report.json"
    path.write_text(text)

    with pytest.raises(OptionsError):
        read_analysis(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "error", "checks": [FINE | {"status": "error"}]}, "whether the canary may go on is unknown"),
        ({"status": "skipped", "checks": []}, "whether the canary may go on is unknown"),
        ({"run": {}}, "does not say when it was made"),
        ({"run": {"started_at": "yesterday"}}, "does not say when it was made"),
        ({"run": {"started_at": "2026-11-27T10:00:00"}}, "does not say when it was made"),
    ],
    ids=["error", "skipped", "no time", "no date", "no zone"],
)
def test_report_without_a_verdict__refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """An analysis without a verdict, or without the time at which it was made, decides nothing."""
    with pytest.raises(OptionsError, match=words):
        read_analysis(write(tmp_path, ANALYSIS, **changes))


def test_link__refused(tmp_path: Path) -> None:
    """A link is another run's report, or somebody else's."""
    link = tmp_path / "link.json"
    link.symlink_to(write(tmp_path, ANALYSIS))

    with pytest.raises(OptionsError, match="is a link"):
        read_analysis(link)
