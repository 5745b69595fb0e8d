"""score-batch on Spark and on Ray: the kernel of the local runner, and its numbers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.scoring.environment import model_environment
from tests import models
from tests.conftest import ROOT, Run, run_cd4ml

ROWS = int(os.environ.get("CD4ML_ROWS", "2000"))
ENGINES = pytest.mark.parametrize("engine", ["spark", "ray"])
Scored = Callable[..., Run]


@pytest.fixture(scope="module")
def with_ray() -> str:
    """Return the Python of an environment that has what score-batch needs, and Ray."""
    locks = (ROOT / "requirements" / f"{name}.txt" for name in ("core", "registry", "score-batch", "ray"))
    here = Context(directory=ROOT, environ=dict(os.environ), cache=cache_directory(os.environ))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return str(model_environment("".join(lock.read_text() for lock in locks), python_version=version, context=here))


@pytest.fixture
def scored(tmp_path: Path, request: pytest.FixtureRequest) -> Scored:
    """Run score-batch in a process of its own, with an engine or without."""

    def run(model: Path, runner: str, *more: str) -> Run:
        python = request.getfixturevalue("with_ray") if runner == "ray" else sys.executable
        settings = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(tmp_path), "PATH": os.environ["PATH"]}
        settings["RAY_worker_niceness"] = "0"  # Ray lets all else go first, which on a busy machine takes minutes
        named = ("--model", str(model), "--data", "rows.parquet", "--output", f"{runner}.parquet", "--runner", runner)
        return run_cd4ml(tmp_path, "score-batch", *named, *more, env=settings, python=python)

    return run


@ENGINES
def test_engine__the_same_table(engine: str, scored: Scored, saved: Path, tmp_path: Path) -> None:
    """An engine on this machine gives the local runner's table, value for value and in order, in other parts."""
    rows = models.people(ROWS, seed=9).assign(row_id=range(ROWS, 0, -1))
    rows.to_parquet(tmp_path / "rows.parquet", index=False, row_group_size=max(1, ROWS // 7))

    local = scored(saved / "good", "local", "--keep", "city")
    found = scored(saved / "good", engine, "--keep", "city", "--part-rows", str(max(1, ROWS // 11)))

    assert (local.code, found.code) == (0, 0), found.stderr
    assert found.report["metrics"]["rows"] == ROWS and found.report["metrics"]["parts"] > 10
    assert found.report["details"]["isolation"] == local.report["details"]["isolation"]
    assert pq.read_table(tmp_path / f"{engine}.parquet").equals(pq.read_table(tmp_path / "local.parquet"))
    assert {path.name for path in tmp_path.glob(".*.cd4ml")} == set()


@ENGINES
def test_engine__a_part_that_is_refused(
    engine: str, scored: Scored, coded: Callable[..., Path], tmp_path: Path
) -> None:
    """Rows that the model refuses on a worker stop the run: the report names them, nothing is published."""
    model = coded("assert rows['x'].max() < 150\nreturn np.zeros(len(rows))")
    pd.DataFrame({"x": range(200)}).to_parquet(tmp_path / "rows.parquet", index=False)

    run = scored(model, engine, "--allow-code", "--part-rows", "50")

    (check,) = [check for check in run.report["checks"] if check["status"] != "passed"]
    assert (check["id"], check["reason"]) == ("model-scored:rows", "not-scored")
    assert "rows 150 to 199: the model's process ended" in check["message"]
    assert not (tmp_path / f"{engine}.parquet").exists()
