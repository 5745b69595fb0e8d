"""Ids of checks: stable, readable, and never the same for two things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.report import Check, Report, Status
from cd4ml.report.ids import check_id, group_id, numbered, parts_of, rule_of, slice_id, table_id, table_of
from tests.conftest import ROOT

# Everything that separates, what looks like an escaped one, and what ends a line.
NAME = st.text(alphabet=":@=&/%23ABCDEF #,\n\t\x7fé", min_size=1, max_size=8)
SLICE = st.dictionaries(NAME, NAME, min_size=1, max_size=2)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (check_id("minimum", "accuracy"), "minimum:accuracy"),
        (slice_id("minimum:accuracy", {"region": "north", "sex": "F"}), "minimum:accuracy:region=north&sex=F"),
        (group_id("disparate-impact", "sex & race", "F & Black"), "disparate-impact:sex & race=F & Black"),
        (group_id("disparate-impact", "income", "<=50K"), "disparate-impact:income=<=50K"),
        (table_id("not-nullable:age", "data/a.csv"), "not-nullable:age@data/a.csv"),
        (check_id("not-nullable", "Fat %"), "not-nullable:Fat %"),
        (check_id("not-nullable", "a:b@c"), "not-nullable:a%3Ab%40c"),
        (check_id("not-nullable", "a%3Ab"), "not-nullable:a%253Ab"),
        (check_id("not-nullable", "two\nlines"), "not-nullable:two%0Alines"),
    ],
)
def test_id__as_people_read_it(made: str, expected: str) -> None:
    """Ordinary names stand in an id as they are; what separates in one is escaped."""
    assert made == expected


@given(st.lists(NAME, min_size=1, max_size=3), NAME)
def test_id__gives_its_names_back(names: list[str], table: str) -> None:
    """Rule, parts and table come back from an id, whatever stands in them."""
    one = check_id(*names)

    assert (rule_of(one), parts_of(one), table_of(one)) == (names[0], names[1:], None)
    assert (parts_of(table_id(one, table)), table_of(table_id(one, table))) == (names[1:], table)
    assert one.isprintable()


@given(st.lists(st.tuples(st.lists(NAME, min_size=1, max_size=3), st.none() | NAME), max_size=12))
def test_ids__of_columns_and_tables_cannot_collide(found: list[tuple[list[str], str | None]]) -> None:
    """Two ids are equal only where rule, column and table are."""
    made = {check_id(*names) if table is None else table_id(check_id(*names), table) for names, table in found}

    assert len(made) == len({(*names, None, table) for names, table in found})


@given(st.lists(st.tuples(NAME, st.none() | NAME), max_size=12))
def test_ids__of_groups_cannot_collide(found: list[tuple[str, str | None]]) -> None:
    """Two ids are equal only where feature and group are."""
    assert len({group_id("rule", feature, group) for feature, group in found}) == len(set(found))


@given(st.lists(st.tuples(NAME, SLICE), max_size=12))
def test_ids__of_slices_cannot_collide(found: list[tuple[str, dict[str, str]]]) -> None:
    """Two ids are equal only where the metric and every column and value are."""
    made = {slice_id(check_id("minimum", metric), values) for metric, values in found}

    assert len(made) == len({(metric, tuple(values.items())) for metric, values in found})


@given(st.lists(st.lists(NAME, min_size=1, max_size=2), max_size=12))
def test_numbered__all_different(found: list[list[str]]) -> None:
    """Findings of one rule and name are numbered, and no number makes the id of another name."""
    made = numbered(check_id("rule", *names) for names in (one[:1] for one in found))

    assert len(set(made)) == len(found)


@pytest.mark.parametrize(
    ("id", "rule", "kind"),
    [
        ("minimum:accuracy", "minimum", "minimum"),
        ("flake8/F401:a.py:0123456789", "flake8/F401", "flake8"),
        ("minimum-rows@data/a.csv", "minimum-rows", "minimum-rows"),
        ("image", "image", "image"),
    ],
)
def test_rule_and_kind(id: str, rule: str, kind: str) -> None:
    """A check's rule is what its id begins with; of a tool's, the kind is the tool."""
    check = Check(id=id, status=Status.PASSED, message="Fine.")

    assert (check.rule, check.kind) == (rule, kind)


def test_twice__refused() -> None:
    """Two checks of a report with one id are a defect, and are named."""
    one = Check(id="minimum:accuracy", status=Status.PASSED, message="Fine.")

    Report(stage="s", checks=[one]).require_unique_ids()
    with pytest.raises(ValueError, match="minimum:accuracy occurs 2 times"):
        Report(stage="s", checks=[one, one]).require_unique_ids()


def test_twice_in_a_run__is_a_defect(cd4ml: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that gives an id twice passes nothing: the run ends as a defect does, with a report that says so."""
    from cd4ml.commands import stage

    class Twice:
        """A stage that repeats itself."""

        @staticmethod
        def run(*_: object) -> Report:
            """Return a report with two checks of one id."""
            one = Check(id="x", status=Status.PASSED, message="Fine.")
            return Report(stage="check-code", checks=[one, one])

    monkeypatch.setattr(stage, "load", lambda _: Twice)

    run = cd4ml("check-code")

    assert (run.code, run.report["status"]) == (70, "error")
    assert "the check x occurs 2 times" in run.report["summary"]


def test_form__documented() -> None:
    """The page about the report shows ids as they are made."""
    page = (ROOT / "docs" / "report-json.md").read_text()

    for id in (
        slice_id(check_id("minimum", "accuracy"), {"region": "north"}),
        group_id("disparate-impact", "sex", "F"),
        table_id(check_id("not-nullable", "age"), "data/train.csv"),
        check_id("present", "a:b"),
    ):
        assert f"`{id}`" in page
