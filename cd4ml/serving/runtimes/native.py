"""The native road: the model's own library, through MLflow and pandas."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from cd4ml.serving import answers
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.model import Model, load
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import Runtime, trying
from cd4ml.serving.signature import FLOATS, INTEGERS, Column, RowsError, Tensor
from cd4ml.serving.tensor_model import REFUSALS, TensorModel

_LOG: Final = logging.getLogger("uvicorn.error")
_DTYPES: Final[dict[str, Any]] = {**INTEGERS, **FLOATS, "boolean": "bool", "string": "object"}
_BLANK: Final[dict[str | None, Any]] = {"boolean": False, "string": "", "datetime": "2000-01-01T00:00:00"}


class Native:
    """A model that its own library asks; always in a thread, since nobody knows how long it takes."""

    name: str = "native"
    inline_rows: int = 0
    tensors: Sequence[Tensor] = ()

    def __init__(self, model: Model) -> None:
        self._model = model
        self._direct = bool(model.columns) and all(_is_direct(column) for column in model.columns)
        self.columns: Sequence[Column] = model.columns
        self.classes: Sequence[Any] = model.classes
        self.positive_label: Any = model.positive_label

    @staticmethod
    def load(folder: Path, *, positive_label: str | None, allow_code: bool, allowed: Collection[str] = ()) -> Runtime:
        """Load the model in a folder.

        Raises:
            ModelError: see `model.load`.
        """
        return served(load(folder, positive_label=positive_label, allow_code=allow_code, allowed=allowed))

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        try:
            prepared = (
                frame(batch, self.columns) if self._direct else self._model.prepare(_untyped(batch, self.columns))
            )
        except RowsError as error:
            raise _unfit(error) from None
        try:
            found = answers.of(self._model.ask(prepared))
            found.probabilities = self._model.probabilities(prepared) if probabilities else None
        except REFUSALS as error:
            # A feature that its code looks up in vain raises the same as a category that it has not seen.
            _LOG.warning("the model refuses a request", exc_info=error)
            raise trying.refusal(partial(self._handles, prepared), 0, len(prepared)) from None
        missing = answers.gaps(found)
        if missing:
            what = "the model returns no label or no finite number for it"
            problems = [Problem(path=f"rows[{index}]", problem=what) for index in missing]
            raise Refused(422, "no-prediction", "The model has no prediction for a row.", problems)
        return found

    def warm_up(self) -> str:
        """Predict once, and return on what: the rows saved with the model, or a blank row made from its columns.

        A blank row may hold values that the model rightly refuses (a category "" that it never saw); its code has run
        all the same, so that counts. The model's own rows must be answered.
        """
        model = self._model
        if model.example is not None and len(model.example):
            answers.of(model.predict(model.example.head(1)))
            return "example"
        if not model.columns or any(column.type is None for column in model.columns):
            return "no-example"
        try:
            answer = model.predict(
                pd.DataFrame({column.name: [_BLANK.get(column.type, 0)] for column in model.columns})
            )
        except REFUSALS:
            return "refused-blank-row"
        answers.of(answer)
        return "blank-row"

    def _handles(self, prepared: pd.DataFrame, first: int, last: int) -> bool:
        """Whether the model predicts for these rows."""
        try:
            self._model.ask(prepared.iloc[first:last].reset_index(drop=True))
        except REFUSALS:
            return False
        return True


def served(model: Model | TensorModel) -> Runtime:
    """Return what serves a loaded model."""
    return model.runtime() if isinstance(model, TensorModel) else Native(model)


def _is_direct(column: Column) -> bool:
    """Whether values of a batch, which its reader has checked, are the column's own but for their width."""
    return column.type in _DTYPES and not column.nullable


def frame(batch: Batch, columns: Sequence[Column]) -> pd.DataFrame:
    """Return what `columns.prepare` makes of such a batch, without looking at each value again."""
    made: dict[Any, Any] = {}
    for column in columns:
        values = batch.columns[column.name]
        label = column.name if column.label is None else column.label
        if column.type == "string":
            made[label] = pd.Series([math.nan if value is None else value for value in values], dtype="object")
        elif column.type == "float":  # a double first, as a table has it
            made[label] = np.array(values, dtype="float64").astype("float32")
        else:
            made[label] = np.array(values, dtype=_DTYPES[str(column.type)])
    return pd.DataFrame(made)


def _untyped(batch: Batch, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the batch as pandas has it; no value is changed by what stands in the other rows."""
    types = {column.name: column.type for column in columns}
    return pd.DataFrame({name: _series(values, types.get(name)) for name, values in batch.columns.items()})


def _series(values: list[Any], type_: str | None) -> pd.Series[Any]:
    """Return one column."""
    if type_ is None:
        return pd.Series(values)
    return pd.Series(values, dtype="float64" if type_ in FLOATS else "object")


def _unfit(error: RowsError) -> Refused:
    """Return the refusal of rows that could not be converted, with the place of each value that does not fit."""
    problems = []
    for name, text in error.problems.items():
        places = [f"rows[{index}].{name}" for index in error.rows.get(name, ())]
        problems += [Problem(path=path, problem=text) for path in places or [name or "rows"]]
    return Refused(422, "rows-do-not-fit", "The rows do not fit the model's columns.", problems)
