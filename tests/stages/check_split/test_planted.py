"""No check of check-split passes with a value beyond its limit, on planted tables and on clean ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks.planted import PROBLEMS
from cd4ml.checks.split.beyond_chance import BY_CHANCE
from tests.stages.check_split.conftest import Split, TARGET, by_id

ROWS = 200


def broken(check: dict[str, Any]) -> bool:
    """Return whether a value lies beyond its limit."""
    value, limit, bound = check.get("value"), check.get("limit"), check.get("bound")
    if limit is None or value is None:
        return False
    if bound == "equal":
        return bool(value != limit)
    assert bound in ("at-most", "at-least")
    return bool(value > limit if bound == "at-most" else value < limit)


def by_chance(check: dict[str, Any]) -> bool:
    """Return whether rows that repeat each other explain a share, as its reason and its interval say."""
    return check["reason"] in (BY_CHANCE, "little-information") and check["interval"]["lower"] <= 0 < check["value"]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("planted", [True, False], ids=["planted", "control"])
def test_passed__within_its_limit(split: Split, problem: str, planted: bool) -> None:
    """What passes lies within its limit, or is a share of equal rows that chance is shown to make."""
    made = PROBLEMS[problem](ROWS, np.random.default_rng(7), planted=planted)
    tables = [table.rename({made.target: TARGET}) for table in (made.train, made.test) if made.target != TARGET]
    declared = [word for name, value in made.declared.items() for word in (f"--{name}", value)]

    run = split(*(tables or (made.train, made.test)), *declared)

    beyond = [check for check in by_id(run).values() if check["status"] == "passed" and broken(check)]
    assert [check["id"] for check in beyond if not by_chance(check)] == []


def test_new_class__is_open_and_with_a_time_fails(split: Split) -> None:
    """One row of a class that training never had leaves the verdict open; in a later time it fails."""
    days = pl.Series("day", np.arange(500).astype("datetime64[D]"))
    draw = np.random.default_rng(1)
    labels = [*draw.choice(["no", "yes"], 499), "maybe"]
    rows = pl.DataFrame({"x": draw.normal(size=500), TARGET: labels}).with_columns(days)

    drawn, later = (split(rows[:400], rows[400:], *option) for option in (("--exclude", "day"), ("--time", "day")))

    assert drawn.code == 4 and by_id(drawn)["unseen-class:maybe"]["status"] == "inconclusive"
    assert later.code == 1 and by_id(later)["unseen-class:maybe"]["status"] == "failed"
