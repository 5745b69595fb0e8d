"""Models of XGBoost and LightGBM, as MLflow saves them in an environment that has them, are scored without a word."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.model_files import code_of
from cd4ml.scoring.environment import lock_requirements, model_environment, python_version
from tests import models
from tests.conftest import Run, clean_environment

REQUIREMENTS = [*models.REQUIREMENTS, "skops==0.16.0", "xgboost-cpu==3.2.0", "lightgbm==4.7.0"]
SAVE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import lightgbm, mlflow, pandas as pd, xgboost
from mlflow.models import infer_signature
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows = pd.read_parquet("rows.parquet")
x, y = rows[["age", "income"]], rows["approve"]
common = {"pip_requirements": json.loads(sys.argv[1]), "signature": infer_signature(x, y)}
boosted = xgboost.XGBClassifier(n_estimators=3).fit(x, y)
light = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y)
mlflow.xgboost.save_model(boosted, "xgboost", **common)
mlflow.xgboost.save_model(boosted, "xgboost-json", model_format="json", **common)
mlflow.lightgbm.save_model(light.booster_, "lightgbm", **common)
for format in ("skops", "cloudpickle", "pickle"):
    mlflow.lightgbm.save_model(light, f"lightgbm-{format}", serialization_format=format, **common)
    trusted = ["collections.OrderedDict", "collections.defaultdict", "numpy.dtype"]
    trusted += ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"]
    trusted += ["lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"]
    for name, model in (("xgboost", xgboost.XGBClassifier(n_estimators=3)), ("lightgbm", light)):
        pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), model).fit(x, y)
        more = {"serialization_format": format, "skops_trusted_types": trusted if format == "skops" else None}
        mlflow.sklearn.save_model(pipeline, f"{name}-in-a-pipeline-{format}", **more, **common)
"""
SAVED = [
    *("xgboost", "xgboost-json", "lightgbm"),
    *(f"lightgbm-{format}" for format in ("skops", "cloudpickle", "pickle")),
    *(
        f"{name}-in-a-pipeline-{format}"
        for name in ("xgboost", "lightgbm")
        for format in ("skops", "cloudpickle", "pickle")
    ),
]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of libraries that only their own environment has."""
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "requirements.txt").write_text("\n".join(REQUIREMENTS))
    context = Context(directory=folder, environ=dict(os.environ), cache=cache_directory(os.environ))
    version = python_version(folder)
    lock = lock_requirements(folder, extra=("pandas", "pyarrow"), python_version=version, context=context)
    python = model_environment(lock, python_version=version, context=context)
    models.people(150).dropna().to_parquet(folder / "rows.parquet")
    command = [str(python), "-c", SAVE, json.dumps(REQUIREMENTS)]
    subprocess.run(command, cwd=folder, env=clean_environment(), check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", SAVED)
def test_accepted_without_a_word(saved: Path, name: str) -> None:
    """Nothing in the model's files would run code of its own."""
    assert code_of(saved / name) == []


@pytest.mark.parametrize("name", ["xgboost", "lightgbm-skops", "xgboost-in-a-pipeline-cloudpickle"])
def test_scored(saved: Path, name: str, cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """score-model scores it, and its report says that no code of the model's own ran."""
    models.people(40, seed=5).dropna().to_parquet(tmp_path / "test.parquet")
    run = cd4ml(
        *("score-model", "--candidate", str(saved / name), "--bootstrap"),
        *("--test-data", "test.parquet", "--target", "approve"),
    )

    checks = {check["id"]: check for check in run.report["checks"]}
    assert run.code == 0 and checks["candidate-code"].get("reason") is None and "code" not in run.report["details"]
    assert set(pd.read_parquet(tmp_path / "predictions.parquet")["y_pred"]) <= {0, 1}


def test_code_paths_pass_if_they_are_allowed(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A pyfunc model with code_paths is scored under allow-code, and the report says what ran and who allowed it."""
    import warnings

    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "team_rules.py").write_text("LIMIT = 3.0\n")
    (tmp_path / "own.py").write_text(
        "from mlflow.models import set_model\nfrom mlflow.pyfunc import PythonModel\n\n\n"
        "class Own(PythonModel):\n    def predict(self, context, model_input, params=None):\n"
        "        import team_rules\n\n        return (model_input['income'] > team_rules.LIMIT).astype(int)\n\n\n"
        "set_model(Own())\n"
    )
    rows = models.people(40, seed=5).dropna()
    rows.to_parquet(tmp_path / "test.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            str(tmp_path / "model"),
            python_model=str(tmp_path / "own.py"),
            code_paths=[str(tmp_path / "team" / "team_rules.py")],
            pip_requirements=models.REQUIREMENTS,
        )
    options = ("--candidate", "model", "--bootstrap", "--test-data", "test.parquet", "--target", "approve")
    refused, run = cd4ml("score-model", *options), cd4ml("score-model", *options, "--allow-code")

    checks = {check["id"]: check for check in run.report["checks"]}
    assert (refused.code, run.code, checks["candidate-code"]["reason"]) == (1, 0, "code-allowed")
    assert any("code_paths" in finding for finding in run.report["details"]["code"]["candidate"])
    expected = (rows["income"] > 3.0).astype(int).tolist()
    assert pd.read_parquet(tmp_path / "predictions.parquet")["y_pred"].tolist() == expected
