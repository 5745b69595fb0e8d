"""Models of XGBoost and LightGBM are converted and proven like all others, and the check says why one is not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from cd4ml.checks.image.runtime import native_check
from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.model_files.signature import Input
from cd4ml.report import Status
from cd4ml.scoring import returned
from cd4ml.scoring.conversion import ask
from cd4ml.scoring.conversion.run import Conversion, Signature, _answers, _converters, _way
from cd4ml.stages.build_image.conversion import Road, _compared, _tables, _Unproven
from cd4ml.stages.build_image.options import Options
from cd4ml.inputs.runtime import Runtime
from cd4ml.stages.proof import Tables
from tests import models
from tests.conftest import ROOT, clean_environment

REQUIREMENTS = [*models.REQUIREMENTS, "xgboost-cpu==3.2.0", "lightgbm==4.7.0"]
# In the models' own environment: they are made, saved by MLflow and converted by the program that the stage starts.
MAKE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import lightgbm, mlflow.lightgbm, mlflow.xgboost, pandas, xgboost
from mlflow.models import infer_signature
from cd4ml.scoring.conversion import program

x = pandas.read_parquet("train.parquet")
chosen = (x.a.fillna(1) + x.b > 0.3) | (x.c == 2)
several, number = chosen + (x.b > 1).astype(int), x.a.fillna(3) * 2 + x.b + (x.c == 3) * 4
few = {"n_estimators": 8, "max_depth": 3}
boosted = {**few, "enable_categorical": True, "feature_types": ["q", "q", "c", "q"]}
light = {**few, "verbose": -1, "min_child_samples": 5}
early = xgboost.XGBRegressor(n_estimators=60, max_depth=3, learning_rate=1.0, early_stopping_rounds=2)
halves = x[:150], x[150:], number[:150], number[150:]
made = {
    "xgboost-classifier": xgboost.XGBClassifier(**few).fit(x, chosen.astype(int)),
    "xgboost-classes": xgboost.XGBClassifier(**few).fit(x, several),
    "xgboost-regressor": xgboost.XGBRegressor(**few).fit(x, number),
    "xgboost-categorical": xgboost.XGBRegressor(**boosted).fit(x, number),
    "xgboost-early-stopping": early.fit(halves[0], halves[2], eval_set=[halves[1::2]], verbose=False),
    "lightgbm-classifier": lightgbm.LGBMClassifier(**light).fit(x, chosen),
    "lightgbm-classes": lightgbm.LGBMClassifier(**light).fit(x, several),
    "lightgbm-regressor": lightgbm.LGBMRegressor(**light).fit(x, number),
    "lightgbm-categorical": lightgbm.LGBMRegressor(**light).fit(x, number, categorical_feature=[2]),
    "lightgbm-close-numbers": lightgbm.LGBMClassifier(**light).fit(x, x.d % 8 > 3),
    "lightgbm-booster": lightgbm.LGBMRegressor(**light).fit(x, number).booster_,
}
assert made["xgboost-early-stopping"].best_iteration < 59
for name, model in made.items():
    kind = mlflow.xgboost if name.startswith("xgboost") else mlflow.lightgbm
    more = {} if name.startswith("xgboost") or name.endswith("booster") else {"serialization_format": "cloudpickle"}
    signature = infer_signature(x, model.predict(x))
    kind.save_model(model, name, pip_requirements=json.loads(sys.argv[1]), signature=signature, **more)
for name in made:
    pairs = [path for at in range(int(sys.argv[2])) for path in (f"rows-{at}.parquet", f"{name}-{at}.parquet")]
    program.main(name, "", "allow-code", f"made-{name}", *pairs)
"""
EQUAL = [
    *("xgboost-classifier", "xgboost-classes", "xgboost-regressor", "xgboost-categorical", "xgboost-early-stopping"),
    *("lightgbm-classifier", "lightgbm-classes", "lightgbm-regressor", "lightgbm-categorical"),
]
NATIVE = {
    "lightgbm-close-numbers": ("not-equal", "y_pred of "),
    "lightgbm-booster": ("not-convertible", "it holds no estimator that a converter knows"),
}


def _rows(rows: int, seed: int) -> pd.DataFrame:
    """Return numbers with gaps, whole numbers that are categories, and some that single precision cannot part."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "c": rng.integers(0, 5, rows)})
    frame["d"] = 100_000_000 + np.arange(rows) % 8
    frame.loc[rng.random(rows) < 0.2, "a"] = np.nan
    return frame


COLUMNS = [Input(name=name, type=kind) for name, kind in zip("abcd", ("double", "double", "long", "long"), strict=True)]


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Road | _Unproven]:
    """The road of each model, or why it has none, by its name."""
    folder = tmp_path_factory.mktemp("boosted")
    _rows(300, 0).to_parquet(folder / "train.parquet")
    # Categories that no row of the training has are among the test rows.
    _rows(60, 1).assign(c=[-1, 0, 1, 2, 5, 100] * 10).to_parquet(folder / "test.parquet")
    options = Options(model="x", image="x", runtime=Runtime.AUTO, test_data=str(folder / "test.parquet"))
    tables = _tables(cast("Any", SimpleNamespace(options=options)), COLUMNS)
    for at, frame in enumerate(tables.frames):
        frame.to_parquet(folder / f"rows-{at}.parquet")
    (folder / "tables.json").write_text(json.dumps(tables.json))
    (folder / "requirements.txt").write_text("\n".join(REQUIREMENTS))
    for name in (*EQUAL, *NATIVE):
        (folder / f"made-{name}").mkdir()
    python = _converters(folder, Context(directory=folder, environ=os.environ, cache=cache_directory(os.environ)))
    command = [str(python), "-c", MAKE, json.dumps(REQUIREMENTS), str(len(tables.frames))]
    subprocess.run(
        command, cwd=folder, env=clean_environment(PYTHONPATH=str(ROOT)), check=True, stdout=subprocess.DEVNULL
    )
    return {name: _road(folder, name, tables) for name in (*EQUAL, *NATIVE)}


def _road(folder: Path, name: str, tables: Tables) -> Road | _Unproven:
    """Return what the stage makes of a model's conversions, asked by the program that asks them."""
    said = json.loads((folder / f"made-{name}" / "answer.json").read_text())
    columns = [{"name": column.name, "type": column.type, "required": True} for column in COLUMNS]
    given = Signature(sha256="a" * 64, columns=columns)
    ways = [_way(folder / f"made-{name}", folder / f"ways-{name}", way, said, given) for way in said["ways"]]
    if not ways:
        return _Unproven("not-convertible", "; ".join(said["failed"]))
    answers = [folder / f"{name}-{at}.json" for at in range(len(ways))]
    ask.main(
        str(folder / "tables.json"),
        *(str(path) for way, answer in zip(ways, answers, strict=True) for path in (way.folder, answer)),
    )
    sizes = [len(frame) for frame in tables.frames]
    predictions = returned.each([folder / f"{name}-{at}.parquet" for at in range(len(sizes))], sizes, None)
    found = Conversion(ways=ways, predictions=predictions)
    try:
        return _compared(tables, found, [_answers(path, len(sizes), None) for path in answers], "lock")
    except _Unproven as error:
        return error


@pytest.mark.parametrize("name", EQUAL)
def test_proven_equal(roads: dict[str, Road | _Unproven], name: str) -> None:
    """It is equal on every test row, with gaps and unseen categories, and where a column is missing altogether."""
    road = roads[name]
    assert isinstance(road, Road), road.obstacle.why
    assert (road.runtime, road.check.status, road.proof["rows"]) == (Runtime.ONNX, Status.PASSED, 60)
    # Three rows without `a`, and three without `b`.
    assert road.proof["derived_rows"] == 6


@pytest.mark.parametrize("name", NATIVE)
def test_native_and_why(roads: dict[str, Road | _Unproven], name: str) -> None:
    """What the converter does not know, or makes another model of, is left to its own library; the check says why."""
    road = roads[name]
    assert isinstance(road, _Unproven)
    check = native_check(road.obstacle, demanded=False)
    reason, says = NATIVE[name]
    assert (check.status, check.value, check.reason) == (Status.PASSED, "native", reason)
    assert says in check.message and native_check(road.obstacle, demanded=True).status is Status.FAILED
