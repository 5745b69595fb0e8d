"""The text on a terminal: a verdict in a line, each sentence once, and nothing from data is more than text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.errors import OptionsError
from cd4ml.render.columns import columns, cut, padded
from cd4ml.render.look import Look
from cd4ml.render.overview import Row, text
from cd4ml.render.terminal import facts, found, passed, terminal, verdict
from cd4ml.report import Check, Location, Report, Status, error_report
from tests.render.test_render import HOSTILE

COLOURED = Look(colour=True)
ESCAPE = re.compile(r"\x1b\[\d+m")


def check(id: str, status: Status = Status.PASSED, message: str = "", **beside: object) -> Check:
    """Make a check."""
    return Check(id=id, status=status, message=message, **beside)  # type: ignore[arg-type]


def hostile(text: str, count: int = 1) -> Report:
    """Make a report all of whose texts come from data."""
    one = check(text, Status.FAILED, text, advice=text, location=Location(path=text))
    return Report(stage="validate-data", checks=(one,) * count, summary=text, metrics={"rows": {text: 3}})


@pytest.mark.parametrize("look", [Look(), COLOURED, Look(verbose=True), Look(width=60), Look(unicode=False)])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text__neither_lines_nor_commands_nor_escape_codes(text: str, look: Look) -> None:
    """A hostile text adds no commands and no escape codes to the log, and, where nothing is wrapped, no lines."""
    shown = terminal(hostile(text), look=look)

    assert "::" not in shown and "##[" not in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", ESCAPE.sub("", shown) if look.colour else shown)
    if look.width is None:
        assert len(shown.splitlines()) == len(terminal(hostile("x"), look=look).splitlines())


def test_verdict__one_line_with_what_it_rests_on() -> None:
    """The first line has a mark, the stage, the verdict in a word, and what was looked at."""
    rows = {"train.parquet": 1193, "test.parquet": 796}
    report = Report(stage="validate-data", checks=[check(f"finite:c{n}") for n in range(396)], metrics={"rows": rows})

    assert terminal(report, seconds=4.81).splitlines() == [
        "✔ validate-data  passed  396 checks · 2 files · 1,989 rows · 4.8 s",
        "  ✔ passed: finite 396",
    ]


def test_blocking__said_once_by_kind_with_its_advice() -> None:
    """What did not pass is told once, after its kind and before its advice; the summary adds only what is new."""
    late = check("drift:b", Status.INCONCLUSIVE, "b has too few rows.", advice="Look.")
    bad = check("drift:a", Status.FAILED, "a has drifted.", advice="Look.")
    report = Report(
        stage="detect-drift",
        checks=[bad, check("missing:a"), late, check("drift:c")],
        summary="a has drifted. And 1 more. Columns d, e are not compared.",
    )

    assert terminal(report).splitlines() == [
        "✘ detect-drift  failed  2 of 4 checks",
        "  drift: 1 failed, 1 inconclusive, of 3",
        "  ✘ a has drifted.",
        "  ? b has too few rows.",
        "    → Look.",
        "  Columns d, e are not compared.",
        "  ✔ passed: missing · drift",
    ]


def test_error__no_second_line_for_its_id() -> None:
    """A run that reached no verdict says why, once, and what to do; its id says nothing to people."""
    report = error_report("validate-data", OptionsError("data.csv: no such file", advice="Write it."))

    assert terminal(report).splitlines() == [
        "! validate-data  error",
        "  ! data.csv: no such file",
        "    → Write it.",
    ]


def test_verbose__every_check_with_its_message() -> None:
    """With `verbose` each check that passed has a line; without, their number, and what is remarkable of them."""
    told = check("missing-values:a", message="a holds n/a.", reason="undeclared-missing-values")
    report = Report(stage="x", checks=[check("minimum:f1", message="f1 is 0.9."), told], summary="Fine.")

    assert passed(report).splitlines() == ["  ✔ a holds n/a.", "  ✔ passed: minimum · missing-values"]
    assert passed(report, look=Look(verbose=True)).splitlines() == [
        "  ✔ minimum:f1: is 0.9.",
        "  ✔ missing-values:a: holds n/a.",
    ]


@pytest.mark.parametrize(
    ("name", "message", "shown"),
    [
        ("minimum:f1", "f1 0.9 (at least 0.8).", "minimum:f1: 0.9 (at least 0.8)."),
        ("disparate-impact:race=a", "race=a: 0.9 of b's rate.", "disparate-impact:race=a: 0.9 of b's rate."),
        ("present:a", "`a` is there.", "present:a: is there."),
        ("black", "black: all 2 files formatted.", "black: all 2 files formatted."),
        ("minimum:f1", "f1-weighted is 0.9.", "minimum:f1: f1-weighted is 0.9."),
        ("strict", "No other columns.", "strict: No other columns."),
        ("rows", "", "rows"),
    ],
)
def test_verbose__a_name_stands_once(name: str, message: str, shown: str) -> None:
    """Where a message begins with the name that the check's id ends with, the name is not said twice."""
    report = Report(stage="x", checks=[check(name, message=message)], summary="Fine.")

    assert passed(report, look=Look(verbose=True)) == f"  ✔ {shown}\n"


def test_many__counted() -> None:
    """Of a thousand checks that did not pass fifty are shown, and the others are counted."""
    shown = found(Report(stage="x", checks=[check(f"k:{n}", Status.FAILED, f"m{n}.") for n in range(1000)]))

    assert "  … and 950 more checks in the report" in shown.splitlines() and "k: 1,000 of 1,000 failed" in shown


def test_place__before_the_message() -> None:
    """A finding in a file begins with its place, as editors read it."""
    at = check("flake8:a", Status.FAILED, "F401 unused", location=Location(path="a.py", line=3))

    assert "  ✘ a.py:3: F401 unused" in found(Report(stage="x", checks=[at, at])).splitlines()


@pytest.mark.parametrize("status", [*Status, "not-run"])
def test_colour__never_alone(status: str) -> None:
    """Without its colours a verdict says the same: a mark and a word stand beside them."""
    coloured = verdict("x", status, ["1 check"], look=COLOURED)

    assert ESCAPE.search(coloured) and ESCAPE.sub("", coloured) == verdict("x", status, ["1 check"])
    assert status.replace("-", " ") in verdict("x", status, [])
    assert all(int(code) in (0, 1, *range(30, 38), *range(90, 98)) for code in re.findall(r"\x1b\[(\d+)m", coloured))


@pytest.mark.parametrize("status", [*Status, "not-run"])
def test_ascii__own_words_have_no_other_characters(status: str) -> None:
    """Where only ASCII can be shown, marks and separators are ASCII."""
    assert verdict("x", status, ["1 check", "2 rows"], 0.5, look=Look(unicode=False)).isascii()


def test_warned__never_looks_like_passed() -> None:
    """A verdict that only warns says both."""
    shown = verdict("x", Status.FAILED, [], warned=True)

    assert shown == "✘ x  failed (only warns)\n"


def test_wrapped__within_the_width() -> None:
    """On a terminal long sentences are wrapped and indented."""
    report = Report(stage="x", checks=[check("k", Status.FAILED, "word " * 60, advice="other " * 60)])

    assert max(map(len, found(report, look=Look(width=60)).splitlines())) <= 60


def test_facts__an_error_counts_no_checks() -> None:
    """A run that could not look does not say how many checks it made; rows of a metric are counted."""
    assert facts(error_report("x", OptionsError("y"))) == []
    assert facts(Report(stage="x", checks=[check("a")], metrics={"rows": 796})) == ["1 check", "796 rows"]
    assert facts(Report(stage="x", checks=[check("a")], metrics={"files": 6, "rows": None})) == ["1 check", "6 files"]


def test_overview__all_stages_and_the_total() -> None:
    """The end of a run has a line a stage, why one did not run, what is not configured, and the verdict on all."""
    rows = [
        Row(stage="check-code", status="skipped", seconds=0.0),
        Row(stage="validate-data", status="passed", seconds=4.8, told=["396 checks"]),
        Row(stage="audit-fairness", status="failed", seconds=1.2, told=["1 of 9 checks"]),
        Row(stage="build-image", status="not-run", seconds=0.0, told=["audit-fairness did not pass"]),
    ]

    assert text(rows, Status.FAILED).splitlines() == [
        "",
        "✔ validate-data   passed        396 checks · 4.8 s",
        "✘ audit-fairness  failed        1 of 9 checks · 1.2 s",
        "○ build-image     not run       audit-fairness did not pass",
        "– skipped: check-code",
        "✘ cd4ml           failed        2 stages · 6.0 s",
    ]
    assert text(rows, Status.FAILED, total_only=True).splitlines() == [
        "○ build-image     not run       audit-fairness did not pass",
        "✘ cd4ml           failed        2 stages · 6.0 s",
    ]


@given(st.text(), st.integers(min_value=1, max_value=80))
def test_cut__never_wider(given_text: str, most: int) -> None:
    """A line that is written over and over never takes more columns than the terminal has."""
    assert columns(cut(given_text, most)) <= most
    assert columns(padded(given_text, most)) == most


def test_columns__wide_and_combining_letters() -> None:
    """East Asian letters take two columns, accents of their own none."""
    assert (columns("abc"), columns("漢字"), columns("e\u0301")) == (3, 4, 1)
