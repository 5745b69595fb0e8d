"""Limits in reports: each says which way it points, and no verdict contradicts it."""

from __future__ import annotations

from typing import Any

import pytest

from cd4ml.report import Bound
from tests.conftest import ROOT
from tests.reports import FINE, document, kept, sound


@pytest.mark.parametrize(
    ("bound", "within", "beyond"),
    [
        (Bound.AT_LEAST, 0.5, 0.4),
        (Bound.AT_MOST, 0.5, 0.6),
        (Bound.BELOW, 0.4, 0.5),
        (Bound.EQUAL, 0.5, 0.6),
        (Bound.MAGNITUDE, -0.5, -0.6),
        (Bound.DECREASE, 0.5, 0.4),
        (Bound.INCREASE, 1.5, 1.6),
        (Bound.CHANGE, 1.5, 1.6),
    ],
)
def test_bound__both_sides(bound: Bound, within: float, beyond: float) -> None:
    """Each direction has a side that keeps to the limit and one that does not, and the tests' guard tells them."""
    one: dict[str, Any] = {"limit": 0.5, "baseline": 1.0, "bound": str(bound)}

    assert kept({**one, "value": within}) and not kept({**one, "value": beyond})
    for value, status in ((within, "failed"), (beyond, "passed")):
        with pytest.raises(AssertionError):
            sound(document("s", checks=[{**FINE, **one, "value": value, "status": status}]))


def test_bound__must_be_there() -> None:
    """A number with a limit and no direction is found in whatever test makes the report."""
    with pytest.raises(AssertionError):
        sound(document("s", checks=[{**FINE, "limit": 0.5, "value": 0.4}]))


def test_bound__documented() -> None:
    """Every direction stands on the page about the report."""
    page = (ROOT / "docs" / "report-json.md").read_text()

    assert [bound for bound in Bound if f"| `{bound}` |" not in page] == []
