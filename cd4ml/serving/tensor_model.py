"""A model with a signature of tensors, asked through MLflow: the same file in scoring and in serving.

It runs in the model's own environment, so it imports the standard library, numpy, pandas and light modules of cd4ml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from cd4ml.serving.runtimes.tensors import Tensors, answers_of, in_pieces
from cd4ml.serving.signature import LONGEST, ModelError, RowsError, Tensor

# What a model raises on values that it cannot handle; anything else is a defect of the model or of its environment.
REFUSALS: Final = (ValueError, TypeError, LookupError, ArithmeticError)
_MOST_CLASSES: Final = 100
_LARGEST_LENGTH: Final = 1 << 20


class TensorModel:
    """A loaded model; what it is asked for tables is what Model is.

    Attributes:
        tensors: what it takes; in a table a column of lists each.
        classes: that its output gives the probabilities of, as the model's metadata names them.
        raw: see Model.
    """

    columns: Sequence[Any] = ()

    def __init__(self, loaded: Any, raw: Any, *, positive: Any, classes: Sequence[Any]) -> None:
        self._loaded, self.raw = loaded, raw
        self.tensors = _tensors(loaded.metadata)
        self.classes, self.positive_label = classes, positive
        self.output = self._named_output()

    def predict(self, frame: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any] | None]:
        """See Model."""
        found = self._answers(self.prepare(frame), len(frame))
        return pd.Series(found.y_pred), None if found.y_score is None else pd.Series(found.y_score)

    def prepare(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return the tensors of a table, in whose columns each row has a list.

        Raises:
            RowsError: a column is missing, or its lists are not of the tensor's shape and type.
        """
        problems: dict[str, str] = {}
        found: dict[str, Any] = {}
        for tensor in self.tensors:
            if tensor.name not in frame:
                problems[tensor.name] = "is missing"
                continue
            try:
                found[tensor.name] = _array(frame[tensor.name].tolist(), tensor)
            except (ValueError, TypeError, OverflowError) as error:
                problems[tensor.name] = str(error)[:200]
        if problems:
            raise RowsError(problems)
        return found

    def probabilities(self, arrays: Mapping[str, Any]) -> list[list[float]] | None:
        """See Model."""
        return self._answers(arrays, len(next(iter(arrays.values())))).probabilities if self.classes else None

    def class_scores(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        """See Model."""
        if not self.classes or self.positive_label is not None or len(self.classes) > _MOST_CLASSES:
            return None
        names = [f"y_score_{label}" for label in self.classes]
        return pd.DataFrame(self.probabilities(self.prepare(frame)), columns=names)

    def runtime(self) -> Tensors:
        """Return what serves it on the native road."""
        return Tensors(
            self.ask,
            name="native",
            tensors=self.tensors,
            output=self.output,
            classes=self.classes,
            positive_label=self.positive_label,
            refusals=REFUSALS,
            nested=self._nested_output(),
        )

    def ask(self, arrays: Mapping[str, Any]) -> Any:
        """Return the model's output for tensors.

        Raises:
            ModelError: it gives several outputs.
        """
        found = _one(self._loaded.predict(dict(arrays)))
        return np.asarray(found)

    def _answers(self, arrays: Mapping[str, Any], rows: int) -> Any:
        """Return what the model says of tensors, as many rows at once as where it is served."""

        def ask(first: int, last: int) -> Any:
            return self.ask({name: values[first:last] for name, values in arrays.items()})

        return answers_of(in_pieces(ask, arrays, rows), rows, self.classes, self.positive_label, probabilities=True)

    def _named_output(self) -> str:
        """Return what the output is called."""
        schema = self._loaded.metadata.get_output_schema()
        names = schema.input_names() if schema is not None and schema.has_input_names() else []
        return str(names[0]) if names else "output"

    def _nested_output(self) -> bool:
        """Whether the signature says that the output has a list for each row, not a number."""
        schema = self._loaded.metadata.get_output_schema()
        return schema is not None and schema.is_tensor_spec() and len(schema.inputs[0].shape) > 1


def classes_of(metadata: Any) -> Sequence[Any]:
    """Return the classes that the model was saved with: `save_model(…, metadata={"classes": […]})`.

    Raises:
        ModelError: they are not a list of different labels.
    """
    found = (metadata.metadata or {}).get("classes", [])
    if not isinstance(found, list) or not all(isinstance(label, str | int | bool) for label in found):
        raise ModelError("the `classes` in the model's metadata must be a list of texts or whole numbers")
    if len(set(map(str, found))) < len(found) or len(found) == 1:
        raise ModelError("the `classes` in the model's metadata must be at least two different labels")
    return found


def _tensors(metadata: Any) -> Sequence[Tensor]:
    """Return the tensors of a signature.

    Raises:
        ModelError: one has no name, or cannot be served.
    """
    longest = (metadata.metadata or {}).get("maximum_length", LONGEST)
    if type(longest) is not int or not 0 < longest <= _LARGEST_LENGTH:
        raise ModelError(f"the `maximum_length` in the model's metadata must be from 1 to {_LARGEST_LENGTH}")
    found = []
    for entry in metadata.get_input_schema().inputs:
        if not entry.name:
            raise ModelError("the model's signature does not name its tensors: infer_signature({'name': array}) does")
        name, shape = str(entry.name), [int(length) for length in entry.shape]
        found.append(Tensor(name=name, type=np.dtype(entry.type).name, shape=shape, longest=longest))
    for tensor in found:
        if problem := tensor.problem():
            raise ModelError(problem)
    return tuple(found)


def _one(found: Any) -> Any:
    """Return the one output of a model.

    Raises:
        ModelError: it has several.
    """
    if isinstance(found, pd.DataFrame):
        return found.to_numpy()
    if not isinstance(found, dict):
        return found
    if len(found) != 1:
        names = ", ".join(map(str, found))[:200]
        raise ModelError(f"the model gives several outputs, and only one can be served: {names}")
    return next(iter(found.values()))


def _array(values: Sequence[Any], tensor: Tensor) -> Any:
    """Return lists as a tensor.

    Raises:
        ValueError, TypeError, OverflowError: they are not of its shape and type.
    """
    found = np.array([_nested(value) for value in values])
    wanted = tuple(tensor.shape)
    fits = len(found.shape) == len(wanted) and all(
        length in (-1, here) for length, here in zip(wanted, found.shape, strict=True)
    )
    if not fits:
        shown = [len(values), *found.shape[1:]]
        raise ValueError(f"its lists have the shape {shown}, not {list(wanted)}")
    if max(found.shape[1:], default=0) > tensor.longest:
        raise ValueError(f"a list is longer than {tensor.longest}")
    kind = np.dtype(tensor.type)
    with np.errstate(over="ignore"):
        exact = found.astype(kind)
    same = found.dtype.kind in {"b": "b", "i": "iu", "u": "iu"}.get(kind.kind, "iuf")
    if not same or (kind.kind in "iu" and not (exact == found).all()) or not np.isfinite(exact).all():
        raise ValueError(f"its values are not all of the type {tensor.type}")
    return exact


def _nested(value: Any) -> Any:
    """Return a cell of a table as lists: Parquet gives arrays of arrays."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [_nested(inner) for inner in value] if isinstance(value, list) and _deep(value) else value


def _deep(values: list[Any]) -> bool:
    """Whether a list holds more than values."""
    return bool(values) and (isinstance(values[0], list) or hasattr(values[0], "tolist"))
