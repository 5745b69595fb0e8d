"""Predictions tables to judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run

Evaluate = Callable[..., Run]


def table(*counts: int, production: tuple[int, int, int, int] | None = (40, 10, 10, 40)) -> pd.DataFrame:
    """Return binary predictions with tp, fn, fp, tn of the candidate, and of production on the same rows."""
    tp, fn, fp, tn = counts
    frame = pd.DataFrame(
        {"y_true": [1] * (tp + fn) + [0] * (fp + tn), "y_pred": [1] * tp + [0] * fn + [1] * fp + [0] * tn}
    )
    if production:
        tp, fn, fp, tn = production
        # Shifted by one row within each class, so that equal counts are not equal rows.
        positive, negative = [0] * fn + [1] * tp, [0] * tn + [1] * fp
        frame["production_y_pred"] = positive + negative
    return frame


@pytest.fixture
def evaluate(cd4ml: Callable[..., Run], tmp_path: Path) -> Evaluate:
    """Write a predictions table and evaluate it."""

    def run(frame: pd.DataFrame, *arguments: str) -> Run:
        frame.to_parquet(tmp_path / "predictions.parquet", index=False)
        return cd4ml("evaluate-model", "--predictions", "predictions.parquet", *arguments)

    return run
