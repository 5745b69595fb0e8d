"""Pictures: whatever stands in a label or a number, something well formed is drawn in the page's own colours."""

from __future__ import annotations

import re
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cd4ml.render.html.pictures import picture
from cd4ml.render.html.plots import CANDIDATE, PRODUCTION, Mark, bars, curves, dependence, forest
from cd4ml.render.html.sections.check_split import section
from cd4ml.render.html.values import Bounds
from cd4ml.report import Check, Interval, Published, Report, Source, Status
from tests.render.html.parsed import parse

NUMBERS: Final = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
BOUNDS: Final = st.builds(lambda lower, upper: Bounds(lower=lower, upper=upper), NUMBERS, NUMBERS)
SERIES: Final = st.sampled_from([CANDIDATE, PRODUCTION])
MARKS: Final = st.lists(
    st.builds(
        lambda row, series, value, interval: Mark(row=row, series=series, value=value, interval=interval),
        st.text(max_size=60),
        SERIES,
        NUMBERS,
        st.none() | BOUNDS,
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MARKS, st.text(max_size=200), st.none() | NUMBERS)
def test_any_label_and_number(marks: list[Mark], title: str, line: float | None) -> None:
    """No text and no number keeps a picture from being drawn, and the page's parser reads it."""
    along = dependence([mark.value for mark in marks], marks, x=title, y=title)
    for specification in (forest(marks, x=title, line=line), bars(marks, x=title, y=title), along):
        drawn = parse(picture(title, title, specification))

        assert drawn.all("svg")[0].all("path", "line", "rect")
        assert all(len(text.text) <= 60 for text in drawn.all("text"))


def test_labels_beyond_the_first_plane() -> None:
    """A long label of emoji, which the library itself would cut in half, is drawn."""
    marks = [Mark(row="😀" * 40, series=CANDIDATE, value=0.5)]

    assert "😀" in parse(picture("x", "", forest(marks, x="x"))).text


def test_equal_labels__stay_apart() -> None:
    """Rows whose long names begin alike have a line each."""
    marks = [Mark(row="a" * 50 + end, series=CANDIDATE, value=0.5) for end in ("x", "y", "z")]
    labels = [text.text for text in parse(picture("x", "", forest(marks, x="x"))).all("text") if "aaa" in text.text]

    assert len(set(labels)) == 3


def test_colours_are_variables() -> None:
    """No colour is fixed, so a picture reads in light and dark; two series differ in more than their colour."""
    lines = {CANDIDATE: [(0.0, 0.0), (0.5, 0.8), (1.0, 1.0)], PRODUCTION: [(0.0, 0.0), (1.0, 1.0)]}
    drawn = picture("ROC", "", curves(lines, x="x", y="y", diagonal=True))

    assert not re.search(r"#[0-9a-f]{3,6}|rgb|white|black", drawn)
    assert "var(--candidate)" in drawn and "var(--production)" in drawn
    dashes = {
        path.attributes.get("stroke-dasharray") for path in parse(drawn).all("path") if "stroke" in path.attributes
    }
    assert len(dashes) >= 3


def test_check_split__draws_rows_and_columns() -> None:
    """Shares of test rows are drawn, and powers of columns, the strongest first, with the limit."""
    spread = Interval(lower=0.98, upper=1.0, confidence=0.95, method="x")
    checks = [
        Check(id="overlap", status=Status.FAILED, message="", value=0.2, limit=0.01),
        Check(id="feature-power:age", status=Status.PASSED, message="", value=0.6, limit=0.99),
        Check(id="feature-power:fee", status=Status.FAILED, message="", value=1.0, limit=0.99, interval=spread),
    ]
    report = Report(stage="check-split", checks=checks)
    shares, powers = parse(section(Published(report=report, source=Source(git_sha=None)))).all("figure")

    assert "Share of the test rows" in shares.text and "overlap" in shares.text
    assert "the limit, 0.99" in powers.text
    assert powers.text.index("feature-power: fee") < powers.text.index("feature-power: age")


def test_check_split__a_picture_for_each_limit() -> None:
    """A power that failed stands beyond the limit that it was held to, which is not that of the others."""
    checks = [
        Check(id="feature-power:fee", status=Status.PASSED, message="", value=0.9, limit=0.99),
        Check(id="identifier-power:row", status=Status.FAILED, message="", value=0.8, limit=0.65),
    ]
    report = Report(stage="check-split", checks=checks)

    of_values, of_identifiers = parse(section(Published(report=report, source=Source(git_sha=None)))).all("figure")

    assert "the limit, 0.99" in of_values.text and "identifier-power" not in of_values.text
    assert "the limit, 0.65" in of_identifiers.text and "identifier-power: row" in of_identifiers.text


def test_check_split__without_findings() -> None:
    """A report of no shares and no powers has no empty picture."""
    report = Report(stage="check-split", checks=[Check(id="overlap", status=Status.PASSED, message="", value=0.0)])

    assert not parse(section(Published(report=report, source=Source(git_sha=None)))).all("figure")
