"""Loan applications split in two, and check-split on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run
from tests.generated.test_generated import problems

Split = Callable[..., Run]
TARGET = "approved"


def applications(rows: int, seed: int, **columns: Any) -> pl.DataFrame:
    """Return loan applications; columns that are given replace those that are drawn."""
    rng = np.random.default_rng(seed)
    drawn = {
        "income": rng.normal(50.0, 10.0, rows),
        "debt": rng.gamma(2.0, 5.0, rows),
        "age": rng.integers(18, 80, rows),
        "city": rng.choice(["North", "South", "West"], rows),
        "member": rng.random(rows) < 0.3,
        TARGET: rng.integers(0, 2, rows),
    }
    return pl.DataFrame({**drawn, **columns})


def by_id(run: Run) -> dict[str, dict[str, Any]]:
    """Return the checks of a report by their ids."""
    return {check["id"]: check for check in run.report["checks"]}


@pytest.fixture
def split(cd4ml: Callable[..., Run], tmp_path: Path) -> Split:
    """Run check-split on two tables; every report must meet the published schema."""

    def run(train: pl.DataFrame, test: pl.DataFrame, *arguments: str) -> Run:
        train.write_parquet(tmp_path / "train.parquet")
        test.write_parquet(tmp_path / "test.parquet")
        tables = ("--train-data", "train.parquet", "--test-data", "test.parquet")
        found = cd4ml("check-split", *tables, "--target", TARGET, *arguments)
        assert problems("report.v1.schema.json", found.report) == []
        return found

    return run
