"""A complete project in which every stage is configured and no mistake can be seen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

CONFIG: Final = """\
check-code:
  paths: [src]
  tools: [black, flake8]

validate-data:
  data: [data/train.csv, data/test.csv]
  schema: schema.yaml

score-model:
  candidate: models/candidate
  production: models/production
  test-data: data/test.csv
  target: approve
  keep: [race, sex]

evaluate-model:
  predictions: predictions.parquet
  minimum: {accuracy: 0.8}
  slices: [race]

audit-fairness:
  predictions: predictions.parquet
  sensitive-features: [race, sex]

build-image:
  model: models/candidate
  image: ghcr.io/owner/credit
  test-data: data/test.csv
  predictions: predictions.parquet
  ignore-file: accepted.yaml

deploy-model:
  repository: https://git.example/owner/gitops.git
  manifest: credit/values.yaml
"""
_SCHEMA: Final = """\
schema_type: dataframe
columns:
  age: {dtype: int64, checks: {greater_than_or_equal_to: 18}}
"""
_ACCEPTED: Final = """\
ignore:
  - id: CVE-2024-1
    reason: not reachable
    expires: 2999-01-01
"""
_COLUMNS: Final = ("age", "income")
_PREDICTIONS: Final = "row_id,y_true,y_pred,y_score,production_y_pred,production_y_score,race,sex"


def mlmodel(*, signed: bool = True) -> str:
    """Return the text of a model's MLmodel."""
    inputs = json.dumps([{"type": "double", "name": name, "required": True} for name in _COLUMNS])
    signature = f"signature:\n  inputs: '{inputs}'\n  outputs: null\n  params: null\n" if signed else ""
    flavors = "flavors:\n  python_function: {loader_module: mlflow.sklearn, model_path: model.skops}\n"
    return f"{flavors}{signature}"


def make_model(folder: Path) -> None:
    """Write what says how a model is loaded; nothing here loads one."""
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(mlmodel())
    (folder / "requirements.txt").write_text("mlflow==3.17.2\nscikit-learn==1.9.1\n")
    (folder / "python_env.yaml").write_text("python: 3.11.7\n")


def make_project(folder: Path) -> Path:
    """Make the project in a folder."""
    for name in ("src", "data", "bin"):
        (folder / name).mkdir(parents=True)
    (folder / "src" / "train.py").write_text("SEED = 1\n")
    for name in ("train", "test"):
        rows = "\n".join(f"{20 + row},{row}.5,{'ab'[row % 2]},{'fm'[row % 2]},{row % 2}" for row in range(40))
        (folder / "data" / f"{name}.csv").write_text(f"age,income,race,sex,approve\n{rows}\n")
    for name in ("candidate", "production"):
        make_model(folder / "models" / name)
    (folder / "schema.yaml").write_text(_SCHEMA)
    (folder / "accepted.yaml").write_text(_ACCEPTED)
    (folder / "cd4ml.yaml").write_text(CONFIG)
    # A machine that has what build-image asks for; whether they work is for the stage to find out.
    for name in ("docker", "trivy"):
        (folder / "bin" / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / "bin" / name).chmod(0o755)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def user_predictions(folder: Path, columns: str = _PREDICTIONS) -> None:
    """Let the predictions be the user's own: a CSV file, and no score-model."""
    row = ",".join("0" for _ in columns.split(","))
    (folder / "predictions.csv").write_text(f"{columns}\n{row}\n")
    text = (folder / "cd4ml.yaml").read_text().replace("predictions.parquet", "predictions.csv")
    start, end = text.index("score-model:"), text.index("evaluate-model:")
    (folder / "cd4ml.yaml").write_text(text[:start] + text[end:])
