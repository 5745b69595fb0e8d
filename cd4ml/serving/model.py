"""Loading an MLflow model and predicting with it: the same file in scoring and in serving.

It runs in the model's own environment, so it imports the standard library and pandas alone; MLflow is imported when a
model is loaded. `mlflow-skinny` is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import pandas as pd

_INTEGERS: Final[dict[str, Any]] = {"integer": "int32", "long": "int64"}
_FLOATS: Final[dict[str, Any]] = {"float": "float32", "double": "float64"}
# More classes than this are names; a column for each would be larger than the rows.
_MOST_CLASSES: Final = 100
_TYPES: Final = (*_INTEGERS, *_FLOATS, "boolean", "string", "datetime")


class ModelError(Exception):
    """The folder holds no model that can be loaded or asked for a column of predictions."""


class RowsError(ValueError):
    """The rows are not what the model takes. `problems` maps a column (or "" for all) to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" if name else text for name, text in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that the model takes; `type` is MLflow's name, or None if the model does not say."""

    name: str
    type: str | None = None
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model.

    Attributes:
        columns: the input columns in the model's order; empty if the model does not name them.
        example: rows that were saved with the model, if there are any.
        classes: class labels, in the order of the probabilities; empty for anything but a classifier.
        positive_label: the class whose probability is `y_score`, None if there is no such score.
    """

    columns: Sequence[Column]
    example: pd.DataFrame | None
    classes: Sequence[Any]
    positive_label: Any
    _predict: Callable[[pd.DataFrame], Any] = field(repr=False)
    _probabilities: Callable[[pd.DataFrame], Any] | None = field(repr=False)

    def predict(self, frame: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any] | None]:
        """Return `y_pred` and `y_score` for the rows, in their order.

        Args:
            frame: at least the model's columns; others are ignored. If the model does not name its columns, it
                gets the frame as it is.

        Returns:
            `y_pred`: labels or numbers as the model gives them. `y_score`: probability of `positive_label`, None for
            regressors and for classifiers of more than two classes without a chosen label.

        Raises:
            RowsError: a column is missing, or its values are not of the model's type.
            ModelError: the model did not give one prediction for each row.
        """
        rows = self.prepare(frame)
        answer = self._predict(rows)
        y_pred, y_score = _columns_of(answer, len(rows))
        if self._probabilities is not None and self.positive_label is not None:
            position = list(self.classes).index(self.positive_label)
            y_score = _series(pd.DataFrame(self._probabilities(rows)).iloc[:, position], len(rows))
        return y_pred, y_score

    def class_scores(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        """Return the probability of each of several classes; None where `y_score` says all, or nothing can be said.

        Returns:
            Shape (n, K), columns `y_score_<class>`.

        Raises:
            RowsError, ModelError: as for `predict`.
        """
        if self._probabilities is None or self.positive_label is not None or len(self.classes) > _MOST_CLASSES:
            return None
        found = pd.DataFrame(self._probabilities(self.prepare(frame)))
        names = [f"y_score_{_label_text(label)}" for label in self.classes]
        if found.shape != (len(frame), len(names)):
            raise ModelError(f"the model gave probabilities of shape {found.shape} for {len(names)} classes")
        return found.set_axis(names, axis=1)

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the model's columns of the frame, in its order and of its types.

        Raises:
            RowsError: all columns that are missing or cannot be converted.
        """
        if not self.columns:
            return frame.reset_index(drop=True)
        problems: dict[str, str] = {}
        prepared: dict[str, Any] = {}
        for column in self.columns:
            try:
                prepared[column.name] = _column(frame, column)
            except _Unfit as error:
                problems[column.name] = str(error)
        if problems:
            raise RowsError(problems)
        wanted = [column.name for column in self.columns if prepared[column.name] is not None]
        return pd.DataFrame({name: prepared[name] for name in wanted})


class _Unfit(Exception):
    """The values of a column do not fit the model's type."""


def load(folder: Path | str, *, positive_label: str | None = None) -> Model:
    """Load the MLflow model in a folder.

    Args:
        positive_label: class whose probability is the score, written as text. Default: the greater of two classes
            (`classes_[1]`, as scikit-learn orders them).

    Raises:
        ModelError: MLflow cannot read the folder, the model takes tensors, or it does not know `positive_label`.
    """
    from mlflow import pyfunc
    from mlflow.exceptions import MlflowException

    if not (Path(folder) / "MLmodel").is_file():
        raise ModelError(f"{folder} is not an MLflow model: it has no file MLmodel")
    try:
        loaded = pyfunc.load_model(str(folder))
    except MlflowException as error:
        raise ModelError(f"MLflow cannot load the model: {error}") from error
    native = _native(loaded)

    def ask_mlflow(rows: pd.DataFrame) -> Any:
        """Ask through MLflow, whose own check of the columns may refuse the rows."""
        try:
            return loaded.predict(rows)
        except MlflowException as error:
            raise RowsError({"": str(error)}) from error

    classes = _classes(native)
    label = _positive(classes, positive_label)
    return Model(
        columns=_columns(loaded.metadata, native),
        example=_example(loaded.metadata, folder),
        classes=classes,
        positive_label=label,
        _predict=ask_mlflow if native is None else native.predict,
        _probabilities=native.predict_proba if classes else None,
    )


def _native(loaded: Any) -> Any:
    """Return the library's own estimator inside the MLflow model, None if there is none to ask."""
    try:
        native = loaded.get_raw_model()
    except NotImplementedError:
        return None
    # Only estimators that follow scikit-learn's protocol: other libraries' raw models take other inputs.
    follows = hasattr(native, "get_params") and hasattr(native, "predict")
    return native if follows else None


def _classes(native: Any) -> Sequence[Any]:
    """Return the class labels of a classifier that gives probabilities."""
    if not hasattr(native, "predict_proba"):
        return ()
    classes = getattr(native, "classes_", ())
    listed = classes.tolist() if hasattr(classes, "tolist") else list(classes)
    # A classifier of several targets has one list of classes for each: there is no single score.
    return () if any(isinstance(label, list) for label in listed) else listed


def _positive(classes: Sequence[Any], wanted: str | None) -> Any:
    """Return the label whose probability is the score."""
    if wanted is None or not classes:
        return classes[1] if len(classes) == 2 else None
    for label in classes:
        if _label_text(label) == _label_text(wanted):
            return label
    known = ", ".join(_label_text(label) for label in list(classes)[:20])
    raise ModelError(f"the model has no class {wanted!r}; it knows: {known}")


def _label_text(label: Any) -> str:
    """Return a label as text, so that 1, 1.0, "1" and "1.0" are the same label."""
    try:
        as_number = float(label)
    except (TypeError, ValueError):
        return str(label)
    return str(int(as_number)) if as_number.is_integer() else str(as_number)


def _columns(metadata: Any, native: Any) -> Sequence[Column]:
    """Return the model's input columns from its signature, else from the estimator."""
    schema = metadata.get_input_schema()
    if schema is None:
        return tuple(Column(name=str(name)) for name in getattr(native, "feature_names_in_", ()))
    if schema.is_tensor_spec():
        raise ModelError("the model's signature is of tensors; only tables of named columns are supported")
    if not schema.has_input_names():
        raise ModelError("the model's signature does not name its columns")
    columns = []
    for entry in schema.to_dict():
        if entry["type"] not in _TYPES:
            raise ModelError(f"column {entry['name']!r} is of the type {entry['type']}, which is not supported")
        columns.append(Column(name=entry["name"], type=entry["type"], required=entry.get("required", True)))
    return tuple(columns)


def _example(metadata: Any, folder: Path | str) -> pd.DataFrame | None:
    """Return the rows that were saved with the model."""
    if not metadata.saved_input_example_info:
        return None
    example = metadata.load_input_example(str(folder))
    return example if isinstance(example, pd.DataFrame) else None


def _column(frame: pd.DataFrame, column: Column) -> pd.Series[Any] | None:
    """Return one column of the frame as the model's type; None if it is optional and missing."""
    if column.name not in frame.columns:
        if column.required:
            raise _Unfit("is missing")
        return None
    values: Any = frame[column.name]
    if isinstance(values, pd.DataFrame):
        raise _Unfit("is given more than once")
    values = values.reset_index(drop=True)
    if column.type is None:
        return cast("pd.Series[Any]", values)
    return _convert(values, column.type)


def _convert(values: pd.Series[Any], type_name: str) -> pd.Series[Any]:
    """Convert values to an MLflow type without guessing: text is never read as a number."""
    if type_name in _INTEGERS:
        return _integers(values, _INTEGERS[type_name])
    if type_name in _FLOATS:
        return _numbers(values).astype(_FLOATS[type_name])
    if type_name == "boolean":
        return _booleans(values)
    if type_name == "string":
        return _strings(values)
    return _datetimes(values)


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as float64; a missing value is NaN."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.astype("float64")
    present = values[values.notna()]
    if not all(_is_number(value) for value in present):
        raise _Unfit("must be a number")
    return values.astype("float64")


def _is_number(value: Any) -> bool:
    """Whether a value is a number and no boolean."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return False
    return isinstance(value, int | float) or hasattr(value, "__float__") and not isinstance(value, str)


def _integers(values: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    """Return whole numbers; none may be missing, because integers have no value for that."""
    if values.isna().any():
        raise _Unfit("must be a whole number, not missing")
    if pd.api.types.is_bool_dtype(values.dtype):
        raise _Unfit("must be a whole number")
    if not pd.api.types.is_integer_dtype(values.dtype):
        numbers = _numbers(values)
        if not all(math.isfinite(number) and number.is_integer() for number in numbers):
            raise _Unfit("must be a whole number")
    limit = 2 ** (31 if dtype == "int32" else 63)
    if not all(-limit <= int(value) < limit for value in values):
        raise _Unfit(f"is too large for {dtype}")
    return values.map(int).astype(dtype)


def _booleans(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return booleans; none may be missing."""
    if pd.api.types.is_bool_dtype(values.dtype) and not values.isna().any():
        return values.astype("bool")
    if not all(isinstance(value, bool) for value in values):
        raise _Unfit("must be true or false")
    return values.astype("bool")


def _strings(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts as Python objects; a missing value is NaN, which is what imputers look for by default."""
    present = values[values.notna()]
    if not all(isinstance(value, str) for value in present):
        raise _Unfit("must be a text")
    texts = values.astype("object")
    return texts.where(values.notna(), math.nan)


def _datetimes(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return times; texts must be ISO 8601."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    present = values[values.notna()]
    if not all(isinstance(value, str) or hasattr(value, "isoformat") for value in present):
        raise _Unfit("must be a time in ISO 8601")
    try:
        return pd.to_datetime(values, format="ISO8601").astype("datetime64[ns]")
    except (ValueError, TypeError, OverflowError) as error:
        raise _Unfit("must be a time in ISO 8601") from error


def _columns_of(answer: Any, rows: int) -> tuple[pd.Series[Any], pd.Series[Any] | None]:
    """Return predictions (and scores, if they came along) from whatever a model's `predict` gives."""
    if not isinstance(answer, pd.DataFrame):
        return _series(answer, rows), None
    names = {str(name): name for name in answer.columns}
    if len(names) == 1:
        return _series(answer.iloc[:, 0], rows), None
    predicted = next((names[name] for name in ("y_pred", "prediction") if name in names), None)
    scored = next((names[name] for name in ("y_score", "probability") if name in names), None)
    if predicted is None:
        raise ModelError(
            "the model gives several columns and none is called `y_pred` or `prediction`: " + ", ".join(sorted(names))
        )
    score = None if scored is None else _series(answer[scored], rows)
    return _series(answer[predicted], rows), score


def _series(values: Any, rows: int) -> pd.Series[Any]:
    """Return one value for each row.

    Raises:
        ModelError: there are more or fewer, or a row has several.
    """
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) == 2 and shape[1] == 1:
        values = values[:, 0]
    elif shape is not None and len(shape) != 1:
        raise ModelError(f"the model gives {len(shape)}-dimensional predictions; one value a row is expected")
    if len(values) != rows:
        raise ModelError(f"the model gave {len(values)} predictions for {rows} rows")
    return pd.Series(values).reset_index(drop=True)
