"""A model behind BentoML."""

import os
from typing import Any

import bentoml
import mlflow.sklearn
import pandas as pd


@bentoml.service(workers=1)
class Loans:
    """The model's service."""

    def __init__(self) -> None:
        self.model = mlflow.sklearn.load_model(os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> dict[str, list[float]]:
        """Return labels and probabilities."""
        frame = pd.DataFrame(rows)
        return {"y_pred": self.model.predict(frame).tolist(), "y_score": self.model.predict_proba(frame)[:, 1].tolist()}
