"""Grids and the counting in them: where values fall, and what the counting costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cd4ml.data.profile.cells import NumberCells, count_and_fit
from cd4ml.data.profile.grids import Grid
from cd4ml.data.tables.columns import sample
from cd4ml.data.tables.opening import open_table
from tests.conftest import run_cd4ml


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64"])
def test_whole_numbers__fall_into_their_cells_whatever_their_type(kind: str) -> None:
    """Every type of number falls into the same cells, the ends of its range outside of them."""
    limits = np.iinfo(kind) if kind.startswith(("int", "uint")) else np.finfo(kind)
    values = np.array([0, 5, 9, 10, limits.max], dtype=kind)
    low = np.array([limits.min], dtype=kind)

    found = Grid.of_integers(5, 9).positions(np.concatenate([low, values]))

    assert found.tolist() == [0, 0, 1, 5, 6, 6]


def test_long_tails__are_laid_out_before_the_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few row groups show that a grid is too coarse, so that no value is counted twice."""
    prices = np.random.default_rng(3).lognormal(3, 2, 40_000)
    pq.write_table(pa.table({"price": prices}), tmp_path / "t.parquet", row_group_size=1000)
    source = open_table(tmp_path / "t.parquet").source()
    counted: list[int] = []
    positions = Grid.positions

    def noted(grid: Grid, values: Any, *work: Any) -> Any:
        counted.append(len(values))
        return positions(grid, values, *work)

    monkeypatch.setattr(Grid, "positions", noted)

    cells = count_and_fit(source, ["price"], [])["price"]

    assert isinstance(cells, NumberCells) and cells.fullest < 0.01 and cells.n == 40_000
    assert sum(size for size in counted if size == 1000) == 40_000


def test_cheap_sample__is_from_all_over_the_table_or_none(tmp_path: Path) -> None:
    """Sorted values are seen from low to high; where few row groups could be left out, nothing is read twice."""
    pq.write_table(pa.table({"x": np.arange(32_000)}), tmp_path / "many.parquet", row_group_size=1000)
    pq.write_table(pa.table({"x": np.arange(32_000)}), tmp_path / "few.parquet", row_group_size=4000)

    seen = sample(open_table(tmp_path / "many.parquet").source(), ["x"], cheap=True)["x"]

    assert len(seen) == 8_000 and seen.min() == 0 and seen.max() > 28_000
    assert sample(open_table(tmp_path / "few.parquet").source(), ["x"], cheap=True) == {}


def test_drift__needs_no_pandas(tmp_path: Path) -> None:
    """Two tables are compared without importing pandas, which takes as long as reading some million values."""
    rng = np.random.default_rng(5)
    for name in ("reference", "current"):
        table = {"age": rng.integers(0, 90, 500), "income": rng.normal(size=500), "city": rng.choice(["a", "b"], 500)}
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")

    run = run_cd4ml(
        *(tmp_path, "detect-drift", "--reference", "reference.parquet", "--current", "current.parquet"),
        env={"PYTHONPROFILEIMPORTTIME": "1"},
    )

    assert run.code == 0
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time")}
    assert "pyarrow" in imported and "pandas" not in imported
