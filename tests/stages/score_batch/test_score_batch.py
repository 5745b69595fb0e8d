"""score-batch: every row once, published as a whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import joblib
import pandas as pd
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.data.predictions.table import read_predictions
from cd4ml.data.tables.opening import open_table
from cd4ml.digests import file_sha256, folder_sha256
from cd4ml.inputs.values import Layer, resolve
from cd4ml.stages.score_batch.options import Options
from cd4ml.stages.score_batch.run import run as score_batch
from tests import models
from tests.conftest import ROOT, Run, clean_environment
from tests.scoring.conftest import FEATURES

Cd4ml = Callable[..., Run]


def test_table__one_prediction_a_row(cd4ml: Cd4ml, saved: Path, tmp_path: Path) -> None:
    """Each row of a table has the model's own prediction beside it, in order, under the digests of model and data."""
    rows = models.people(1_050, seed=7)
    rows.to_parquet(tmp_path / "rows.parquet", index=False, row_group_size=130)

    run = cd4ml(
        *("score-batch", "--model", str(saved / "good"), "--data", "rows.parquet", "--output", "scores.parquet"),
        *("--keep", "city", "--part-rows", "200"),
    )

    assert (run.code, run.report["status"], run.report["metrics"]) == (
        *(0, "passed"),
        {"rows": 1_050, "parts": 6, "parts_resumed": 0},
    )
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    model = joblib.load(saved / "good" / "model.pkl")
    assert list(scores.columns) == ["row_id", "city", "y_pred", "y_score"]
    assert scores["row_id"].tolist() == list(range(1_050)) and scores["city"].tolist() == rows["city"].tolist()
    assert scores["y_pred"].tolist() == model.predict(rows[FEATURES]).tolist()
    assert scores["y_score"].tolist() == pytest.approx(model.predict_proba(rows[FEATURES])[:, 1], abs=1e-12)
    table = read_predictions(open_table(tmp_path / "scores.parquet"), labels=False)
    assert table.candidate and table.candidate.sha256 == folder_sha256(saved / "good")
    assert table.test_data and table.test_data.sha256 == file_sha256(tmp_path / "rows.parquet")
    about = json.loads(pq.read_schema(tmp_path / "scores.parquet").metadata[b"cd4ml.run"])
    assert (about["id"], about["rows"]) == (run.report["outputs"]["run"], 1_050)
    assert run.report["outputs"]["output-sha256"] == file_sha256(tmp_path / "scores.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {"rows.parquet", "scores.parquet", "reports"}


def test_killed__goes_on_where_it_ended(cd4ml: Cd4ml, saved: Path, tmp_path: Path) -> None:
    """A run over a warehouse's query that is killed leaves the old version; the next one scores what is missing."""
    people = models.people(3_000, seed=5)
    with duckdb.connect(str(tmp_path / "warehouse.ddb")) as warehouse:
        warehouse.execute("CREATE TABLE people AS SELECT row_number() OVER () AS row_id, * FROM people")
    write_deltalake(
        str(tmp_path / "scores"),
        pd.DataFrame({"y_pred": [0]}),
        commit_properties=CommitProperties(custom_metadata={"cd4ml.run": '{"id": "old"}'}),
    )
    arguments = (
        *("score-batch", "--model", str(saved / "good"), "--backend", "ibis://duckdb/warehouse.ddb"),
        *("--query", "SELECT row_id, age, income, city FROM people WHERE age >= 20 ORDER BY row_id"),
        *("--output", "scores", "--part-rows", "20"),
    )
    parts = tmp_path / ".scores.cd4ml" / "parts"
    first = subprocess.Popen(
        [sys.executable, "-m", "cd4ml", *arguments], cwd=tmp_path, env=clean_environment(PYTHONPATH=str(ROOT))
    )
    try:
        end = time.monotonic() + 240
        while time.monotonic() < end and first.poll() is None and not len(list(parts.glob("*"))) > 2:
            time.sleep(0.005)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    staged = len(list(parts.glob("*")))
    assert DeltaTable(str(tmp_path / "scores")).version() == 0 and staged > 2

    run = cd4ml(*arguments)

    wanted = people.assign(row_id=range(1, 3_001)).query("age >= 20")
    scores = DeltaTable(str(tmp_path / "scores"))
    found = scores.to_pandas().sort_values("row_id")
    assert run.code == 0 and scores.version() == 1
    assert run.report["metrics"]["parts_resumed"] == staged < run.report["metrics"]["parts"]
    assert found["row_id"].tolist() == wanted["row_id"].tolist()
    assert found["y_pred"].tolist() == joblib.load(saved / "good" / "model.pkl").predict(wanted[FEATURES]).tolist()
    (commit,) = scores.history(1)
    assert json.loads(commit["cd4ml.run"])["id"] == run.report["outputs"]["run"]
    assert not (tmp_path / ".scores.cd4ml").exists()


def test_refused_rows_and_changed_data__publish_nothing(
    cd4ml: Cd4ml, coded: Callable[..., Path], tmp_path: Path
) -> None:
    """Where the model refuses a part, or the table changes meanwhile, the old table stays; the report says which."""
    model = coded("assert rows['x'].max() < 150\nreturn np.zeros(len(rows))")
    pd.DataFrame({"x": range(200)}).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "scores.parquet").touch()

    def meanwhile(said: str) -> None:
        if said.startswith("Scoring"):
            with (tmp_path / "rows.csv").open("a") as stream:
                stream.write("200\n")

    given = {"model": str(model), "data": "rows.csv", "output": "scores.parquet", "part-rows": 100, "allow-code": True}
    options = resolve(Options, [Layer(origin="test", values=given)])
    report = score_batch(
        options,
        Context(directory=tmp_path, environ=dict(os.environ), cache=cache_directory(os.environ), progress=meanwhile),
    )

    found = {check.id: check for check in report.checks}
    assert {name: check.reason for name, check in found.items() if check.reason} == {
        **{"model-code": "code-allowed", "model-scored:rows": "not-scored", "data-unchanged": "data-changed"},
    }
    assert "rows 100 to 199: the model's process ended" in found["model-scored:rows"].message
    assert (tmp_path / "scores.parquet").stat().st_size == 0 and report.outputs["output"] == ""
    assert not (tmp_path / ".scores.parquet.cd4ml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "rows.csv", "--query", "SELECT 1"), "name one table, or one query"),
        (("--query", "SELECT 1"), "set backend to the warehouse"),
        (("--data", "rows.csv", "--keep", "y_pred,city,city"), "`city` is named more than once"),
        (("--data", "rows.csv", "--part-rows", "0"), "part-rows must be at least 1"),
        (("--data", "rows.parquet", "--output", "rows.parquet"), "output must lie elsewhere than data"),
        (("--data", "rows.csv", "--output", "rows.parquet"), "was not written by cd4ml; it is not overwritten"),
        (("--data", "rows.csv", "--output", "other"), "was not written by cd4ml; it is not overwritten"),
        (("--data", "rows.csv", "--output", "s3://bucket/scores"), "expected a file or folder of this machine"),
        (("--data", "rows.csv", "--output", "../scores.parquet"), "outside the workspace"),
        (("--data", "empty.csv"), "the table has no rows"),
        (("--data", "ages.csv"), "has no column `city`"),
        (("--data", "rows.csv", "--keep", "sex"), "has no column `sex`"),
    ],
)
def test_refusals(
    arguments: tuple[str, ...], said: str, cd4ml: Cd4ml, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What names no rows, lacks columns, or would replace what no run wrote is refused before a model runs."""
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    people = models.people(5)
    people.to_csv(tmp_path / "rows.csv", index=False)
    people.to_parquet(tmp_path / "rows.parquet", index=False)
    people.head(0).to_csv(tmp_path / "empty.csv", index=False)
    people[["age"]].to_csv(tmp_path / "ages.csv", index=False)
    write_deltalake(str(tmp_path / "other"), people)

    run = cd4ml("score-batch", "--model", str(saved / "good"), "--output", "scores.parquet", *arguments)

    assert run.code == 2 and said in run.report["checks"][0]["message"]
    assert not list(tmp_path.glob(".*.cd4ml"))
