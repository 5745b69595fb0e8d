"""Repositories of four makes, after public ones, before they know anything of cd4ml."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cd4ml.data.tables.places.dvc import md5
from tests import models
from tests.actions.act import commit

FEATURES = ["age", "income", "city"]
SKLEARN = """\
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

frame = pd.read_csv("Data/loans.csv")
X = frame.drop("approve", axis=1)
y = frame.approve.values
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=125)
model = RandomForestClassifier(n_estimators=10, random_state=125)
model.fit(X_train[["age", "income"]].fillna(0), y_train)
predicted = model.predict(X_test[["age", "income"]].fillna(0))
print("Accuracy:", accuracy_score(y_test, predicted))
table = X_test[["sex", "age"]].assign(y_true=y_test, y_pred=predicted)
table.to_csv("Results/predictions.csv", index=False)
"""
XGBOOST = """\
import os

import mlflow
import mlflow.sklearn
import pandas as pd
from xgboost import XGBClassifier

TARGET = "approve"
MODEL_NAME = "xgb_credit"
mlflow.set_tracking_uri(os.getenv("MLFLOW_TRACKING_URI", "ADDRESS"))
train = pd.read_csv("data/train.csv")
features = train.drop(columns=[TARGET, "sex"])
with mlflow.start_run():
    model = XGBClassifier(n_estimators=50).fit(features, train[TARGET])
    mlflow.sklearn.log_model(model, name="model", registered_model_name=MODEL_NAME)
"""
SERVE = """\
import mlflow.pyfunc

from train import MODEL_NAME

model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}@production")
"""
PACKAGE = '''\
"""Predict the number of bikes."""


def clipped(value: float) -> float:
    """Return a count that is not negative."""
    return max(0.0, value)
'''
PACKAGE_TEST = '''\
"""Tests of the package."""

from bikes import clipped


def test_clipped() -> None:
    """A count is never negative."""
    assert clipped(-1.0) == 0.0
'''
PYPROJECT = """\
[project]
name = "bikes"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["pandas"]
[dependency-groups]
dev = ["pytest>=8", "ruff>=0.5"]
[tool.ruff]
line-length = 120
[tool.ruff.format]
quote-style = "double"
[tool.pytest.ini_options]
pythonpath = ["src"]
"""
STAGED = """\
import pandas as pd
from sklearn.linear_model import LogisticRegression

frame = pd.read_csv("data/processed/train.csv")
X = frame.drop("approve", axis=1)
y = frame["approve"]
LogisticRegression().fit(X[["age"]], y)
"""
PIPELINE = """\
stages:
  preprocess:
    cmd: python src/preprocess.py
    outs:
      - data/processed/train.csv
      - data/processed/test.csv
"""


def people(rows: int, seed: int) -> pd.DataFrame:
    """Return people, two kinds of them alike in everything that decides."""
    frame = models.people(rows, seed=seed)
    frame["sex"] = ["female" if row % 2 else "male" for row in range(rows)]
    return frame


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write texts to files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def sklearn_and_csv(folder: Path) -> Path:
    """A script, a CSV, a formatter in the Makefile, results beside the code; no tests and no registry."""
    write(
        folder,
        {
            "train.py": SKLEARN,
            "requirements.txt": "pandas\nscikit-learn\nblack\n",
            "Makefile": "format:\n\tblack *.py\n",
            ".github/workflows/ci.yml": "on: push\njobs: {}\n",
            ".gitignore": "__pycache__/\n",
        },
    )
    (folder / "Data").mkdir()
    (folder / "Results").mkdir()
    frame = people(900, seed=1)
    frame.to_csv(folder / "Data" / "loans.csv", index=False)
    tested = frame.iloc[600:]
    right = tested["approve"].where(tested.index % 10 != 0, 1 - tested["approve"])
    table = tested[["sex", "age"]].assign(y_true=tested["approve"], y_pred=right)
    table.to_csv(folder / "Results" / "predictions.csv", index=False)
    return commit(folder)


def xgboost_and_mlflow(folder: Path, address: str) -> Path:
    """XGBoost, a registry whose address stands in the code, split tables, a model that is served by its alias."""
    write(
        folder,
        {
            "train.py": XGBOOST.replace("ADDRESS", address),
            "serve.py": SERVE,
            "requirements.txt": "xgboost\nmlflow\n",
            ".github/workflows/ci.yml": 'steps:\n  - with:\n      python-version: "3.11"\n',
        },
    )
    (folder / "data").mkdir()
    people(900, seed=1).to_csv(folder / "data" / "train.csv", index=False)
    people(500, seed=2).to_csv(folder / "data" / "test.csv", index=False)
    return commit(folder)


def src_layout(folder: Path) -> Path:
    """A package in src with ruff and tests, and Parquet tables that are split by rows and by columns."""
    write(
        folder,
        {
            "src/bikes/__init__.py": PACKAGE,
            "tests/test_bikes.py": PACKAGE_TEST,
            "pyproject.toml": PYPROJECT,
            ".python-version": "3.11\n",
        },
    )
    (folder / "data").mkdir()
    for part, rows in (("train", 600), ("test", 200)):
        frame = people(rows, seed=rows)
        frame[["age", "income", "city"]].to_parquet(folder / "data" / f"inputs_{part}.parquet")
        frame[["approve"]].to_parquet(folder / "data" / f"targets_{part}.parquet")
    return commit(folder)


def dvc(folder: Path) -> Path:
    """Data that git ignores and DVC's lock file pins."""
    write(
        folder,
        {
            "src/train.py": STAGED,
            "src/requirements.txt": "pandas\nscikit-learn\n",
            "dvc.yaml": PIPELINE,
            ".dvc/config": "[core]\n    remote = store\n['remote \"store\"']\n    url = s3://bucket/store\n",
            "params.yaml": "train:\n  seed: 42\n",
            ".gitignore": "/data\n",
        },
    )
    commit(folder)
    (folder / "data" / "processed").mkdir(parents=True)
    outs = ""
    for part, rows in (("train", 600), ("test", 200)):
        path = folder / "data" / "processed" / f"{part}.csv"
        people(rows, seed=rows).to_csv(path, index=False)
        digest = md5(path, text=False)
        outs += f"    - path: data/processed/{part}.csv\n      hash: md5\n      md5: {digest}\n      size: 1\n"
    (folder / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  preprocess:\n    cmd: c\n    outs:\n{outs}")
    return folder
