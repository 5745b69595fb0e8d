"""ONNX models as build-image makes them, converted in this process."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from cd4ml.digests import folder_sha256
from cd4ml.model_files.signature import inputs
from cd4ml.scoring.conversion import program
from cd4ml.scoring.conversion.run import Signature, _way
from tests import models

SHA256 = "a" * 64
Convert = Callable[..., Path]


def converted(estimator: Any, frame: pd.DataFrame, folder: Path) -> Path:
    """Convert a fitted estimator in the last way that works, and return the folder for the gateway."""
    model = models.save(estimator, folder / "mlflow", frame)
    made = folder / "made"
    made.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert program.main(str(model), "", "allow-code", str(made)) == 0
    said = json.loads((made / "answer.json").read_text())
    assert said["ways"], said["failed"]
    columns = [{"name": one.name, "type": one.type, "required": one.required} for one in inputs(model) or ()]
    given = Signature(sha256=SHA256, columns=columns)
    return _way(made, folder / "ways", said["ways"][-1], said, given).folder


def service_of(folder: Path) -> dict[str, Any]:
    """Return what service.json says of a converted model."""
    return {"runtime": "onnx", "sha256": SHA256, "onnx_sha256": folder_sha256(folder)}
