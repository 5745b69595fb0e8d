"""The intervals of the groups' rates in the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest

from tests.conftest import Run


def test_rate_intervals__are_wilson(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The interval of each rate is that of its counts; a rate of no rows has none."""
    rows = [("a", 1, 1)] * 30 + [("a", 1, 0)] * 10 + [("a", 0, 1)] * 5 + [("a", 0, 0)] * 15 + [("b", 1, 1)] * 40
    pd.DataFrame(rows, columns=["sex", "y_true", "y_pred"]).to_parquet(tmp_path / "p.parquet", index=False)
    run = cd4ml(
        *("audit-fairness", "--predictions", "p.parquet", "--sensitive-features", "sex", "--positive-label", "1"),
        *("--minimum-ratio", "0.1"),
    )
    found = run.report["details"]["rate_intervals"]["sex"]

    for name, (hits, n) in {"selection_rate": (35, 60), "true_positive_rate": (30, 40), "precision": (30, 35)}.items():
        bounds = binomtest(hits, n).proportion_ci(method="wilson")
        assert found["a"][name] == pytest.approx([bounds.low, bounds.high], abs=1e-6), name
    assert "false_positive_rate" not in found["b"]
