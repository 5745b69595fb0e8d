"""What a retraining calls: `score` for each fold of each trial, and `train` once, with the selected parameters.

cd4ml runs both in the environment of requirements.txt, without network, where nothing but the training rows is there.
"""

from __future__ import annotations

from collections.abc import Mapping

import mlflow
import numpy as np
import pandas as pd
from fairlearn.metrics import demographic_parity_ratio
from loan_approval.data import TARGET
from loan_approval.models import requirements, weighted
from mlflow.models import infer_signature

# The ratio of selection rates that a model is to have on rows that it has not seen. The audit's limit is 0.80; the rest
# is room for chance, since a fold has few applications of minorities.
WANTED_RATIO = 0.9


def score(parameters: Mapping[str, float], train: pd.DataFrame, validation: pd.DataFrame) -> float:
    """Return the accuracy on the validation rows, less what the ratio of selection rates lacks."""
    model, features = weighted(train, **parameters)
    decisions = model.predict(validation[features])
    groups = np.where(validation["race"] == "white", "white", "minority")
    ratio = demographic_parity_ratio(validation[TARGET], decisions, sensitive_features=groups)
    return float(np.mean(decisions == validation[TARGET]) - max(0.0, WANTED_RATIO - ratio))


def train(parameters: Mapping[str, float], rows: pd.DataFrame, folder: str) -> None:
    """Train on all rows, and save the model."""
    model, features = weighted(rows, **parameters)
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(rows[features], model.predict(rows[features])),
        pip_requirements=requirements(),
        skops_trusted_types=["numpy.dtype"],  # SimpleImputer keeps the type that it was fitted to
    )
