"""Train a model, log it to MLflow and register it as a new version of `loan-approval`.

MLFLOW_TRACKING_URI says where the registry is.
"""

from __future__ import annotations

import argparse

import mlflow
import pandas as pd
from loan_approval.data import TARGET
from loan_approval.models import MODELS, requirements
from mlflow.models import infer_signature

NAME = "loan-approval"


def train(kind: str, alias: str) -> str:
    """Train one kind of model, register it under the alias, and return the new version."""
    rows = pd.read_parquet("data/train.parquet")
    model, features = MODELS[kind](rows)
    mlflow.set_experiment(NAME)
    with mlflow.start_run(run_name=kind):
        mlflow.log_param("kind", kind)
        mlflow.log_metric("training_accuracy", model.score(rows[features], rows[TARGET]))
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(rows[features], model.predict(rows[features])),
            pip_requirements=requirements(),
            registered_model_name=NAME,
            skops_trusted_types=["numpy.dtype"],  # SimpleImputer keeps the type that it was fitted to
        )
    registered = str(logged.registered_model_version)
    mlflow.MlflowClient().set_registered_model_alias(NAME, alias, registered)
    return registered


def main() -> None:
    """Read the command line and train: `train.py plain`, or `train.py scorecard=champion plain=challenger`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="kind[=alias]", help=f"one of {', '.join(sorted(MODELS))}")
    for model in parser.parse_args().models:
        kind, _, alias = model.partition("=")
        number = train(kind, alias or "challenger")
        print(f"{NAME} version {number} is the {kind} model, alias {alias or 'challenger'}", flush=True)


if __name__ == "__main__":
    main()
