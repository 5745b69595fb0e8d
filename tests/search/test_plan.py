"""A plan that was changed after it was written is not followed, and what is no plan is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.search import plan
from tests.search.planned import planned


def test_written__read_again(tmp_path: Path) -> None:
    """A plan is read as it was written, with the same digest, and its trials are spread evenly."""
    made = planned(trials=7, jobs=3)
    plan.write(made, tmp_path / "plan.json")

    found = plan.read(tmp_path / "plan.json")
    assert found == made and found.sha256 == made.sha256
    assert [found.trials_of(job) for job in range(3)] == [3, 2, 2] and found.seconds_of_job == 200.0


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"trials": "4"},
        {"trials": True},
        {"other": 1},
        {"space": [{"name": "x"}]},
        {"space": 3},
        {"code": None},
        {"seconds": 600},
    ],
)
def test_another_document__refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """A plan with a field of another type or version, with one too many, or written otherwise is refused."""
    path = tmp_path / "plan.json"
    document = {**json.loads(planned().text), **change}
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    if change == {"space": [{"name": "x"}]}:
        path.write_text(planned().text.replace(": 4,", ":  4,"))

    with pytest.raises(OptionsError, match="plan"):
        plan.read(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{" * 5000, "\x00"])
def test_no_plan__refused(tmp_path: Path, text: str) -> None:
    """A file that is no plan is refused in one sentence, and one that is not there is unavailable."""
    (tmp_path / "plan.json").write_text(text)

    with pytest.raises(OptionsError, match="not a plan of plan-search"):
        plan.read(tmp_path / "plan.json")
    with pytest.raises(UnavailableError):
        plan.read(tmp_path / "search.json")
