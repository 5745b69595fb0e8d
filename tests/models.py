"""Small real models, saved by MLflow, for the tests that serve, package or score one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cd4ml.errors import OptionsError
from cd4ml.model_files import code_of


def people(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Return a table with whole numbers, doubles with gaps, texts and the label `approve`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "income": rng.normal(3.0, 1.0, rows),
            "city": rng.choice(["Oslo", "Bergen", "Tromsø"], rows),
        }
    )
    frame["approve"] = ((frame.age / 80 + frame.income + (frame.city == "Oslo")) > 3.7).astype(int)
    frame.loc[rng.random(rows) < 0.1, "income"] = np.nan
    return frame


def classifier(frame: pd.DataFrame) -> Any:
    """Return a fitted pipeline that imputes, encodes and classifies."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        (OneHotEncoder(handle_unknown="error"), ["city"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame[["age", "income", "city"]], frame["approve"])


def regressor(frame: pd.DataFrame) -> Any:
    """Return the same pipeline, fitted to predict incomes where they are known."""
    from sklearn.base import clone
    from sklearn.linear_model import LinearRegression

    known = frame[frame["income"].notna()]
    steps = clone(classifier(frame)).set_params(logisticregression=LinearRegression())
    return steps.fit(known[["age", "income", "city"]], known["income"])


def brings_code(folder: Path) -> bool:
    """Whether loading a model runs code of its own, which a test that wrote the code has to allow."""
    try:
        return bool(code_of(folder))
    except OptionsError:
        return False


REQUIREMENTS = ["mlflow==3.17.2", "scikit-learn==1.9.1", "pandas==3.1.1", "numpy==2.4.6", "cloudpickle==3.1.3"]


def save(estimator: Any, folder: Path, frame: pd.DataFrame | None, *, example: bool = False, **arguments: Any) -> Path:
    """Save an estimator as an MLflow model with the signature of the frame (without one if there is no frame)."""
    import mlflow.sklearn
    from mlflow.models import infer_signature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments.setdefault("serialization_format", "cloudpickle")
        arguments.setdefault("pip_requirements", REQUIREMENTS)
        if frame is not None:
            arguments["signature"] = infer_signature(frame, estimator.predict(frame.head(5)))
            arguments["input_example"] = frame.dropna().head(2) if example else None
        mlflow.sklearn.save_model(estimator, str(folder), **arguments)
    return folder
