"""Loading an MLflow model and predicting with it: the same file in scoring and in serving.

It runs in the model's own environment, so it imports the standard library, pandas, light modules of cd4ml alone;
MLflow is imported when a model is loaded. `mlflow-skinny` is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import pandas as pd

from cd4ml.errors import OptionsError
from cd4ml.model_files import code_of
from cd4ml.serving.columns import plain, prepare
from cd4ml.serving.signature import TYPES, Column, ModelError, RowsError
from cd4ml.serving.tensor_model import TensorModel, classes_of

__all__ = ["Column", "Model", "ModelError", "RowsError", "load"]

# `y_pred` and, where the model gives one along with it, `y_score`.
Answer = tuple["pd.Series[Any]", "pd.Series[Any] | None"]

# More classes than this are names; a column for each would be larger than the rows.
_MOST_CLASSES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model.

    Attributes:
        columns: the input columns in the model's order; empty if the model does not name them.
        example: rows that were saved with the model, if there are any.
        classes: class labels, in the order of the probabilities; empty for anything but a classifier.
        positive_label: the class whose probability is `y_score`, None if there is no such score.
        raw: the library's own object inside the MLflow model, None if there is none.
    """

    columns: Sequence[Column]
    example: pd.DataFrame | None
    classes: Sequence[Any]
    positive_label: Any
    raw: Any = field(repr=False)
    _transform: Callable[[pd.DataFrame], Any] = field(repr=False)
    _predict: Callable[[Any, int], Answer] = field(repr=False)
    _probabilities: Callable[[Any], Any] | None = field(repr=False)

    def predict(self, frame: pd.DataFrame) -> Answer:
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
        return self.ask(self.prepare(frame))

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the model's columns of the frame, in its order and of its types.

        Raises:
            RowsError: all columns that are missing or cannot be converted.
        """
        return prepare(frame, self.columns) if self.columns else frame.reset_index(drop=True)

    def ask(self, rows: pd.DataFrame) -> Answer:
        """Return what `predict` does, for rows that are prepared; a RowsError then comes from the model."""
        transformed = self._transform(rows)
        y_pred, y_score = self._predict(transformed, len(rows))
        if self._probabilities is not None and self.positive_label is not None:
            position = list(self.classes).index(self.positive_label)
            y_score = _series(pd.DataFrame(self._probabilities(transformed)).iloc[:, position], len(rows))
        return y_pred, y_score

    def probabilities(self, rows: pd.DataFrame) -> list[list[float]] | None:
        """Return the probability of each class for rows that are prepared, None if the model gives none."""
        if self._probabilities is None:
            return None
        found = pd.DataFrame(self._probabilities(self._transform(rows)))
        return cast("list[list[float]]", found.astype("float64").to_numpy().tolist())

    def class_scores(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        """Return the probability of each of several classes; None where `y_score` says all, or nothing can be said.

        Returns:
            Shape (n, K), columns `y_score_<class>`.

        Raises:
            RowsError, ModelError: as for `predict`.
        """
        if self._probabilities is None or self.positive_label is not None or len(self.classes) > _MOST_CLASSES:
            return None
        found = pd.DataFrame(self._probabilities(self._transform(self.prepare(frame))))
        names = [f"y_score_{_label_text(label)}" for label in self.classes]
        if found.shape != (len(frame), len(names)):
            raise ModelError(f"the model gave probabilities of shape {found.shape} for {len(names)} classes")
        return found.set_axis(names, axis=1)


def load(
    folder: Path | str,
    *,
    positive_label: str | None = None,
    allow_code: bool = False,
    allowed: Collection[str] = (),
) -> Model | TensorModel:
    """Load the MLflow model in a folder.

    Args:
        positive_label: class whose probability is the score, written as text. Default: the greater of two classes
            (`classes_[1]`, as scikit-learn orders them).
        allow_code: load it even if that runs code of its own.
        allowed: findings of `code_of` that are allowed in any case.

    Raises:
        ModelError: loading it would run code that is not allowed, MLflow cannot read the folder, its tensors cannot
            be served, or it does not know `positive_label`.
    """
    from mlflow import pyfunc
    from mlflow.exceptions import MlflowException

    if not (Path(folder) / "MLmodel").is_file():
        raise ModelError(f"{folder} is not an MLflow model: it has no file MLmodel")
    _refuse_code(Path(folder), allow_code, allowed)
    try:
        loaded = pyfunc.load_model(str(folder))
    except MlflowException as error:
        raise ModelError(f"MLflow cannot load the model: {error}") from error
    raw = _raw(loaded)
    schema = loaded.metadata.get_input_schema()
    if schema is not None and schema.is_tensor_spec():
        labels = classes_of(loaded.metadata)
        return TensorModel(loaded, raw, classes=labels, positive=_positive(labels, positive_label))
    native = _native(raw)
    columns, classes = _columns(loaded.metadata, native), _classes(native)
    if any(column.nullable for column in columns):
        _accept_gaps(loaded)

    def ask_mlflow(rows: pd.DataFrame) -> Any:
        """Ask through MLflow, whose own check of the columns may refuse the rows."""
        try:
            return loaded.predict(rows)
        except MlflowException as error:
            raise RowsError({"": str(error)}) from error

    transform, last = _once(native)

    def ask(transformed: Any, rows: int) -> Answer:
        """Ask the estimator itself where there is one."""
        return _columns_of(ask_mlflow(transformed) if last is None else last.predict(transformed), rows)

    return Model(
        columns=columns,
        example=_example(loaded.metadata, folder),
        classes=classes,
        positive_label=_positive(classes, positive_label),
        raw=raw,
        _transform=transform,
        _predict=ask,
        _probabilities=last.predict_proba if classes else None,
    )


def _accept_gaps(loaded: Any) -> None:
    """Let MLflow hand on whole numbers and booleans that are missing: its own check knows no such value.

    The rows were converted to the signature's types before; only the defaults of the model's parameters are kept.
    """
    from mlflow.models import ModelSignature

    parameters = loaded.metadata.get_params_schema()
    loaded.metadata.signature = ModelSignature(params=parameters) if parameters else None


def _refuse_code(folder: Path, allow_code: bool, allowed: Collection[str]) -> None:
    """Look at the files directly before MLflow loads them."""
    try:
        code = [finding for finding in code_of(folder) if finding not in allowed]
    except OptionsError as error:
        raise ModelError(str(error)) from error
    if code and not allow_code:
        raise ModelError(f"loading it would run code, which is not allowed: {'; '.join(code[:5])}")


def _raw(loaded: Any) -> Any:
    """Return the library's own object inside the MLflow model, None if there is none."""
    try:
        return loaded.get_raw_model()
    except NotImplementedError:
        return None


def _native(raw: Any) -> Any:
    """Return the object if it is an estimator to ask, else None."""
    # Only estimators that follow scikit-learn's protocol: other libraries' raw models take other inputs.
    return raw if hasattr(raw, "get_params") and hasattr(raw, "predict") else None


def _once(native: Any) -> tuple[Callable[[pd.DataFrame], Any], Any]:
    """Return what makes of rows what the last estimator takes, and that estimator.

    scikit-learn's pipeline would transform the rows once for the labels, and once more for the probabilities.
    """
    if native is None:
        return (lambda rows: rows), None
    kind = type(native)
    if (kind.__module__, kind.__name__) != ("sklearn.pipeline", "Pipeline") or len(native.steps) < 2:
        return plain, native
    before, last = native[:-1], native[-1]
    if not hasattr(last, "predict"):
        return plain, native
    return (lambda rows: before.transform(plain(rows))), last


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
    for same in (_label_text, _truth):
        for label in classes:
            if same(label) == same(wanted) is not None:
                return label
    known = ", ".join(_label_text(label) for label in list(classes)[:20])
    raise ModelError(f"the model has no class {wanted!r}; it knows: {known}")


def _label_text(label: Any) -> str:
    """Return a label as text, so that 1, 1.0, "1" and "1.0" are the same label; True is no 1."""
    if type(label).__name__ in ("bool", "bool_"):
        return str(label)
    try:
        as_number = float(label)
    except (TypeError, ValueError):
        return str(label)
    return str(int(as_number)) if as_number.is_integer() else str(as_number)


def _truth(label: Any) -> str | None:
    """Return the truth that a label stands for: the 1 of one table is the True of another; None for all else."""
    return {"true": "true", "1": "true", "false": "false", "0": "false"}.get(_label_text(label).lower())


def _columns(metadata: Any, native: Any) -> Sequence[Column]:
    """Return the model's input columns from its signature, else from the estimator."""
    schema = metadata.get_input_schema()
    if schema is None:
        return tuple(_named(name) for name in getattr(native, "feature_names_in_", ()))
    if not schema.has_input_names():
        raise ModelError("the model's signature does not name its columns")
    columns = []
    for entry in schema.to_dict():
        if entry["type"] not in TYPES:
            raise ModelError(f"column {entry['name']!r} has the type {entry['type']}, which is not supported")
        columns.append(_named(entry["name"], type=entry["type"], required=entry.get("required", True)))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise ModelError("two of the model's columns have the same name when written as text")
    return tuple(columns)


def _named(label: Any, **about: Any) -> Column:
    """Return a column whose name is a text, and its own name if that is none."""
    return Column(name=str(label), label=None if isinstance(label, str) else label, **about)


def _example(metadata: Any, folder: Path | str) -> pd.DataFrame | None:
    """Return the rows that were saved with the model."""
    if not metadata.saved_input_example_info:
        return None
    example = metadata.load_input_example(str(folder))
    return example if isinstance(example, pd.DataFrame) else None


def _columns_of(answer: Any, rows: int) -> Answer:
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
            "the model returns several columns, none of them named `y_pred` or `prediction`: "
            + ", ".join(sorted(names))
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
        raise ModelError(f"the model gives {len(shape)}-dimensional predictions; expected one value per row")
    if not hasattr(values, "__len__"):
        raise ModelError(f"the model gives a {type(values).__name__}; expected one value per row")
    if len(values) != rows:
        raise ModelError(f"the model gave {len(values)} predictions for {rows} rows")
    # A list may hold numbers of several kinds: none of them becomes another because of its neighbours.
    return pd.Series(values, dtype="object" if isinstance(values, list) else None).reset_index(drop=True)
