"""A model behind FastAPI, as tutorials show it."""

import os

import mlflow.sklearn
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

model = mlflow.sklearn.load_model(os.environ["MODEL"])
app = FastAPI()


class Row(BaseModel):
    """One row."""

    age: int
    income: float | None
    city: str


class Request(BaseModel):
    """Rows to predict for."""

    rows: list[Row]


@app.post("/predict")
def predict(request: Request) -> dict[str, list[float]]:
    """Return labels and probabilities."""
    frame = pd.DataFrame([row.model_dump() for row in request.rows])
    return {"y_pred": model.predict(frame).tolist(), "y_score": model.predict_proba(frame)[:, 1].tolist()}
