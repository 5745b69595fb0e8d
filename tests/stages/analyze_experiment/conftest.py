"""Tables of experiments, and analyze-experiment on one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run
from tests.generated.test_generated import problems

Analyze = Callable[..., Run]


def units(control: int = 3_000, new: int = 3_000, *, lift: float = 0.0, seed: int = 1, **columns: Any) -> pl.DataFrame:
    """Return units of two variants, with exact shares of converted ones; `lift` moves every metric of the new one."""
    rng = np.random.default_rng(seed)
    n = control + new
    variant = np.array(["control"] * control + ["new"] * new)
    treated = variant == "new"
    before = rng.normal(50.0, 10.0, n)
    converted = np.zeros(n, dtype=int)
    converted[: round(0.2 * control)] = 1
    converted[control : control + round((0.2 + lift) * new)] = 1
    views = rng.poisson(20.0, n) + 1
    drawn = {
        "user": np.arange(n),
        "variant": variant,
        "converted": converted,
        "revenue_before": before,
        "revenue": 0.9 * before + rng.normal(0.0, 3.0, n) + 10 * lift * treated,
        "views": views,
        "clicks": rng.binomial(views, np.where(treated, 0.1 + lift / 4, 0.1)),
        "latency": rng.gamma(4.0, 25.0, n) - 100 * lift * treated,
    }
    return pl.DataFrame({**drawn, **columns})


def by_id(run: Run) -> dict[str, dict[str, Any]]:
    """Return the checks of a report by their names."""
    return {check["id"]: check for check in run.report["checks"]}


@pytest.fixture
def analyze(cd4ml: Callable[..., Run], tmp_path: Path) -> Analyze:
    """Run analyze-experiment on a table; every report must meet the published schema."""

    def run(
        table: pl.DataFrame,
        *arguments: str,
        expected: str = "control=0.5,new=0.5",
        metrics: str = "converted=proportion",
    ) -> Run:
        table.write_parquet(tmp_path / "units.parquet")
        found = cd4ml(
            "analyze-experiment",
            *("--data", "units.parquet", "--variant", "variant", "--expected", expected, "--metrics", metrics),
            *arguments,
        )
        assert problems("report.v1.schema.json", found.report) == []
        return found

    return run
