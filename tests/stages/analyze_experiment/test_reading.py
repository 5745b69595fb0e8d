"""When an experiment may be read, and what that costs."""

from __future__ import annotations

import pytest

from tests.stages.analyze_experiment.conftest import Analyze, by_id, units

SEQUENTIAL = ("--reading", "sequential", "--planned-units")


def test_fixed__waits_for_its_end(analyze: Analyze) -> None:
    """Before the planned end a fixed reading says nothing of metrics, however good they look; at the end it does."""
    early = analyze(units(lift=0.1), "--planned-units", "8000")

    assert (early.code, by_id(early)["planned-units"]["reason"]) == (4, "before-planned-size")
    assert "effects" not in early.report["metrics"]
    assert analyze(units(lift=0.1), "--planned-units", "6000").code == 0


def test_sequential__methods_agree_where_they_must(analyze: Analyze) -> None:
    """The same rows: the narrowest interval is that of one reading, then declared looks, then any time."""
    table, widths = units(lift=0.02), []
    for arguments in ((), (*SEQUENTIAL, "6000", "--looks", "30"), (*SEQUENTIAL, "6000")):
        found = by_id(analyze(table, *arguments))["effect:converted:new"]["interval"]
        widths.append(found["upper"] - found["lower"])

    assert widths[0] < widths[1] < widths[2] < 1.6 * widths[0]


@pytest.mark.parametrize("arguments", [(), ("--looks", "10"), ("--looks", "10", "--spending", "pocock")])
def test_sequential__stops_early(analyze: Analyze, arguments: tuple[str, ...]) -> None:
    """A large effect is shown long before the planned end."""
    run = analyze(units(lift=0.1), *SEQUENTIAL, "20000", *arguments)

    assert run.code == 0
    assert run.report["outputs"]["winner"] == "new"


def test_sequential__needs_more_evidence_early(analyze: Analyze) -> None:
    """An effect that one fixed test would just show is not shown at the first of ten looks."""
    table = units(lift=0.025)

    assert analyze(table).code == 0
    assert analyze(table, *SEQUENTIAL, "60000", "--looks", "10").code == 4
    assert analyze(table, *SEQUENTIAL, "60000").code == 4


def test_looks__before_the_first(analyze: Analyze) -> None:
    """Before the first declared look nothing is read."""
    run = analyze(units(lift=0.1), *SEQUENTIAL, "60100", "--looks", "10")

    assert (run.code, by_id(run)["planned-units"]["reason"]) == (4, "before-first-look")


def test_looks__late_end(analyze: Analyze) -> None:
    """A few more units than were planned are the last look; once there are a tenth more, nothing is read."""
    late = analyze(units(lift=0.1), *SEQUENTIAL, "5500", "--looks", "3")
    too_late = analyze(units(lift=0.1), *SEQUENTIAL, "5000", "--looks", "3")

    assert late.code == 0
    assert (too_late.code, by_id(too_late)["planned-units"]["reason"]) == (4, "after-last-look")
    assert "effects" not in too_late.report["metrics"]


def test_looks__between_two_is_the_last_one_again(analyze: Analyze) -> None:
    """The boundary between two looks is that of the last one that was due, not a laxer one of its own."""
    table, reaches = units(lift=0.02), []
    for planned in ("10000", "12000"):  # 60 % and 50 % of the units
        found = by_id(analyze(table, *SEQUENTIAL, planned, "--looks", "2"))["effect:converted:new"]["interval"]
        reaches.append(found["upper"] - found["lower"])

    assert reaches[0] == pytest.approx(reaches[1])


def test_few_units__decide_nothing(analyze: Analyze) -> None:
    """Below the minimum nothing is read."""
    run = analyze(units(60, 60, lift=0.5))

    assert (run.code, by_id(run)["minimum-units"]["reason"]) == (4, "too-few-units")
