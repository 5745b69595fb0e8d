"""What the gateway is doing: loading, ready or failed. Loading verifies the model and calls it once."""

from __future__ import annotations

import json
import logging
import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cd4ml.digests import folder_sha256
from cd4ml.errors import Cd4mlError
from cd4ml.model_files import PYTHON_MODEL
from cd4ml.serving import answers
from cd4ml.serving.model import Column, Model, ModelError, load

_LOG: Final = logging.getLogger("uvicorn.error")
# Beside this code in the image: SERVICE_FILE, which a pod may set, cannot allow what the build did not.
_BUILT: Final = Path(__file__).resolve().parents[2] / "service.json"
# What a model raises on values that it cannot handle; anything else is a defect of the model or of its environment.
REFUSALS: Final = (ValueError, TypeError, LookupError, ArithmeticError)
_BLANK: Final[dict[str | None, Any]] = {"boolean": False, "string": "", "datetime": "2000-01-01T00:00:00"}


class Phase(StrEnum):
    """How far the gateway is."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Service:
    """Which model this image serves, as `service.json` says.

    Attributes:
        sha256: digest of the model's folder; the gateway does not become ready with any other.
        positive_label: class whose probability is the score, as text; None for the model's own order.
    """

    name: str
    version: str | None
    sha256: str
    positive_label: str | None = None

    @classmethod
    def read(cls, path: Path) -> Service:
        """Read the file that `build-image` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{key: values.get(key) for key in ("name", "version", "sha256", "positive_label")})

    @property
    def model(self) -> Mapping[str, str | None]:
        """What every answer says about the model."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(kw_only=True)
class State:
    """The model once it is loaded, and how the loading went.

    Attributes:
        python_models: whether MLflow's own switch lets it load models of its class PythonModel. In an image it counts
            for nothing: there the build decided.
    """

    folder: Path
    service: Service
    python_models: bool = False
    phase: Phase = Phase.LOADING
    reason: str = "the model is being loaded"
    warm_up: str = ""
    model: Model | None = field(default=None, repr=False)

    def load(self) -> None:
        """Verify the model, load it and call it once; afterwards the gateway is ready or has failed."""
        try:
            self._verify()
            model = load(
                self.folder,
                positive_label=self.service.positive_label,
                allow_code=self._code_allowed(),
                # Where no image was built, nobody has decided: MLflow's own switch does, for its own class of models.
                allowed=(PYTHON_MODEL,) if self.python_models and not _BUILT.exists() else (),
            )
            self.warm_up = warm_up(model)
        except (
            ModelError,
            Cd4mlError,
            OSError,
            ImportError,
            AttributeError,
            pickle.UnpicklingError,
            *REFUSALS,
        ) as error:
            self.phase, self.reason = Phase.FAILED, type(error).__name__
            _LOG.error("the model cannot be served: %s: %s", type(error).__name__, error)
        else:
            self.model, self.phase, self.reason = model, Phase.READY, ""
            _LOG.info("ready: model %s %s", self.service.name, self.service.sha256)
        finally:
            if self.phase is Phase.LOADING:  # the model's code may raise anything, and end the thread with it
                self.phase, self.reason = Phase.FAILED, "the model's code failed while it was loaded"

    def _verify(self) -> None:
        """Refuse a model other than the one that the gates looked at."""
        found = folder_sha256(self.folder)
        if found != self.service.sha256:
            raise ModelError(f"the model's files have the digest {found}, not {self.service.sha256}")

    def _code_allowed(self) -> bool:
        """Whether the image was built to run code of this very model."""
        try:
            built = json.loads(_BUILT.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        return (
            isinstance(built, dict) and built.get("allow_code") is True and built.get("sha256") == self.service.sha256
        )

    def version(self) -> dict[str, Any]:
        """Return what runs here, and which columns it takes."""
        columns = self.model.columns if self.model else ()
        return {
            "model": dict(self.service.model),
            "columns": [column.name for column in columns],
            "optional_columns": [column.name for column in columns if not column.required],
            "python": platform.python_version(),
        }


def warm_up(model: Model) -> str:
    """Predict once, and return on what: the rows saved with the model, or a blank row made from its columns.

    A blank row may hold values that the model rightly refuses (a category "" that it never saw); its code has run all
    the same, so that counts. The model's own rows must be answered.
    """
    if model.example is not None and len(model.example):
        answers.pairs(model.predict(model.example.head(1)))
        return "example"
    if not model.columns or any(column.type is None for column in model.columns):
        return "no-example"
    try:
        answer = model.predict(blank(model.columns))
    except REFUSALS:
        return "refused-blank-row"
    answers.pairs(answer)
    return "blank-row"


def blank(columns: Any) -> pd.DataFrame:
    """Return one row of zeros and empty texts."""
    named: list[Column] = list(columns)
    return pd.DataFrame({column.name: [_BLANK.get(column.type, 0)] for column in named})
