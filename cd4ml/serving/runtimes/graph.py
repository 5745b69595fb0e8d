"""What `signature.json` says of the ONNX model beside it: its columns or tensors, and what the outputs mean.

build-image writes it when a model was converted and proven equal. It imports the standard library alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.serving.signature import TYPES, Column, ModelError, Tensor

MODEL: Final = "model.onnx"
SIGNATURE: Final = "signature.json"
# Types of a graph's inputs, as signature.json names them, and numpy's names for them.
DTYPES: Final[Mapping[str, str]] = {
    "double": "float64",
    "float": "float32",
    "int64": "int64",
    "int32": "int32",
    "bool": "bool",
    "string": "object",
}
_LARGEST: Final = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Input:
    """An input of the graph: a matrix with a row for each row and these columns, all of one type.

    Attributes:
        flat: whether it is a list with a value for each row instead; of one column.
    """

    name: str
    columns: Sequence[str]
    type: str
    flat: bool = False


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What goes into the model and what comes out.

    Attributes:
        model_sha256: digest of the MLflow model that it was made from.
        label: the output with a label or number for each row.
        score: an output with a score for each row; None where there is none, or it is a column of `probabilities`.
        probabilities: the output with a column for each of `classes`; None for anything but a classifier.
    """

    model_sha256: str
    columns: Sequence[Column]
    inputs: Sequence[Input]
    label: str
    score: str | None = None
    probabilities: str | None = None
    classes: Sequence[Any] = ()
    positive_label: Any = None

    @property
    def takes(self) -> set[str]:
        """The names of its inputs."""
        return {entry.name for entry in self.inputs}

    @property
    def gives(self) -> set[str]:
        """The names of the outputs that count."""
        return {name for name in (self.label, self.score, self.probabilities) if name is not None}

    def problem(self) -> str | None:
        """Return what contradicts itself, None if nothing does."""
        names = [column.name for column in self.columns]
        taken = [name for entry in self.inputs for name in entry.columns]
        if not names or len(set(names)) < len(names) or sorted(taken) != sorted(names):
            return "the inputs do not take each column once"
        odd = [column.name for column in self.columns if column.type not in TYPES or column.type == "datetime"]
        if odd or any(entry.type not in DTYPES for entry in self.inputs):
            return f"a column or an input has a type that ONNX does not take here: {', '.join(odd[:5])}"
        if (self.probabilities is not None) != bool(self.classes):
            return "there are classes without probabilities, or probabilities without classes"
        if self.positive_label is not None and self.positive_label not in self.classes:
            return "the positive label is not one of the classes"
        return None


@dataclass(frozen=True, kw_only=True)
class TensorGraph:
    """What goes into a model that takes tensors, and what comes out.

    Attributes:
        model_sha256: digest of the MLflow model that it was made from.
        output: the probabilities of `classes`, or without these a number for each row.
    """

    model_sha256: str
    tensors: Sequence[Tensor]
    output: str
    classes: Sequence[Any] = ()
    positive_label: Any = None

    @property
    def takes(self) -> set[str]:
        """The names of its inputs."""
        return {one.name for one in self.tensors}

    @property
    def gives(self) -> set[str]:
        """The name of the output that counts."""
        return {self.output}

    def problem(self) -> str | None:
        """Return what contradicts itself, None if nothing does."""
        if not self.tensors or len({one.name for one in self.tensors}) < len(self.tensors):
            return "it names no tensors, or one twice"
        if self.positive_label is not None and self.positive_label not in self.classes:
            return "the positive label is not one of the classes"
        return next((problem for one in self.tensors if (problem := one.problem())), None)


def read(path: Path) -> Graph | TensorGraph:
    """Read signature.json.

    Raises:
        ModelError: it does not say all that is needed, or something that contradicts itself.
    """
    if path.stat().st_size > _LARGEST:
        raise ModelError(f"{path.name} is larger than {_LARGEST >> 20} MiB")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        graph = _of_tensors(values) if "tensors" in values else _of_columns(values)
        problem = graph.problem()
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path.name} cannot be read: {type(error).__name__}: {str(error)[:200]}") from error
    if problem:
        raise ModelError(f"{path.name}: {problem}")
    return graph


def _of_columns(values: Mapping[str, Any]) -> Graph:
    """Return the graph of a model that takes columns."""
    columns = tuple(Column(**column) for column in values["columns"])
    return Graph(**{**values, "columns": columns, "inputs": tuple(Input(**entry) for entry in values["inputs"])})


def _of_tensors(values: Mapping[str, Any]) -> TensorGraph:
    """Return the graph of a model that takes tensors."""
    return TensorGraph(**{**values, "tensors": tuple(Tensor(**one) for one in values["tensors"])})
