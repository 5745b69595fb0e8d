"""score-batch on Spark: the kernel of the local runner, and its numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tests import models
from tests.conftest import Run, run_cd4ml

ROWS = int(os.environ.get("CD4ML_ROWS", "2000"))


def scored(folder: Path, model: Path, runner: str, *more: str) -> Run:
    """Run score-batch in a process of its own."""
    settings = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(folder), "PATH": os.environ["PATH"]}
    arguments = ("--model", str(model), "--data", "rows.parquet", "--output", f"{runner}.parquet", "--runner", runner)
    return run_cd4ml(folder, "score-batch", *arguments, *more, env=settings)


def test_spark__the_same_table(saved: Path, tmp_path: Path) -> None:
    """Spark in local mode gives the local runner's table, value for value and in order, in parts of another size."""
    rows = models.people(ROWS, seed=9).assign(row_id=range(ROWS, 0, -1))
    rows.to_parquet(tmp_path / "rows.parquet", index=False, row_group_size=max(1, ROWS // 7))

    local = scored(tmp_path, saved / "good", "local", "--keep", "city")
    spark = scored(tmp_path, saved / "good", "spark", "--keep", "city", "--part-rows", str(max(1, ROWS // 11)))

    assert (local.code, spark.code) == (0, 0), spark.stderr
    assert spark.report["metrics"]["rows"] == ROWS and spark.report["metrics"]["parts"] > 10
    assert spark.report["details"]["isolation"] == local.report["details"]["isolation"]
    assert pq.read_table(tmp_path / "spark.parquet").equals(pq.read_table(tmp_path / "local.parquet"))
    assert {path.name for path in tmp_path.glob(".*.cd4ml")} == set()


def test_spark__a_part_that_is_refused(coded: Callable[..., Path], tmp_path: Path) -> None:
    """Rows that the model refuses on a worker stop the run: the report names them, nothing is published."""
    model = coded("assert rows['x'].max() < 150\nreturn np.zeros(len(rows))")
    pd.DataFrame({"x": range(200)}).to_parquet(tmp_path / "rows.parquet", index=False)

    run = scored(tmp_path, model, "spark", "--allow-code", "--part-rows", "50")

    (check,) = [check for check in run.report["checks"] if check["status"] != "passed"]
    assert (check["id"], check["reason"]) == ("model-scored:rows", "not-scored")
    assert "rows 150 to 199: the model's process ended" in check["message"]
    assert not (tmp_path / "spark.parquet").exists()
