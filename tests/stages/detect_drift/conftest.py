"""Tables of customers, and detect-drift on two of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run
from tests.generated.test_generated import problems

Drift = Callable[..., Run]


def customers(rows: int = 2_000, seed: int = 1, **columns: Any) -> pd.DataFrame:
    """Return customers; columns that are given replace those that are drawn."""
    rng = np.random.default_rng(seed)
    drawn = {
        "age": rng.integers(18, 80, rows),
        "income": rng.normal(50.0, 10.0, rows),
        "city": rng.choice(["north", "south", "west"], rows),
        "member": rng.random(rows) < 0.3,
    }
    return pd.DataFrame({**drawn, **columns})


def by_id(run: Run) -> dict[str, dict[str, Any]]:
    """Return the checks of a report by their names."""
    return {check["id"]: check for check in run.report["checks"]}


@pytest.fixture
def drift(cd4ml: Callable[..., Run], tmp_path: Path) -> Drift:
    """Run detect-drift on two tables; every report must meet the published schema."""

    def run(reference: pd.DataFrame, current: pd.DataFrame, *arguments: str) -> Run:
        reference.to_parquet(tmp_path / "reference.parquet", index=False)
        current.to_parquet(tmp_path / "current.parquet", index=False)
        found = cd4ml("detect-drift", "--reference", "reference.parquet", "--current", "current.parquet", *arguments)
        assert problems("report.v1.schema.json", found.report) == []
        return found

    return run
