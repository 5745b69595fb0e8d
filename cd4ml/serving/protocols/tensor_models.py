"""The protocols for a model that takes tensors.

`/predict` has a row as an object with nested lists for each tensor, the Open Inference Protocol the tensors themselves,
and MLflow's scoring protocol `inputs` or `instances`. Missing values are none: NaN, null and ragged lists are refused.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.protocols import (
    Answer,
    Body,
    Dialect,
    Question,
    arrays,
    open_inference,
    outputs,
    scoring,
    table,
    tensors,
)
from cd4ml.serving.protocols.predict import Predict
from cd4ml.serving.protocols.tensors import Attachment, misfit, parameters_of
from cd4ml.serving.reading import exact
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.runtimes.tensors import Tensors
from cd4ml.serving.signature import Tensor

_Y_PRED: Final = outputs.Y_PRED


class TensorPredict(Predict):
    """`POST /predict`: `{"rows": [{"pixels": [[…], …]}, …]}`, answered as for columns."""

    def __init__(self, runtime: Runtime, model: Mapping[str, str | None], maximum_rows: int) -> None:
        super().__init__(runtime, model, maximum_rows)
        self._tensors, self._maximum_rows = runtime.tensors, maximum_rows
        self._read = self._batch

    def _batch(self, body: bytes) -> Batch:
        """Return the rows of a request."""
        document = exact.document(body, nan_is_missing=True)
        if not isinstance(document, dict) or document.keys() != {"rows"} or not isinstance(document["rows"], list):
            raise misfit("", 'the body must be an object with the one key "rows", a list of objects')
        rows = document["rows"]
        table.count(len(rows), self._maximum_rows, "rows")
        names = {one.name for one in self._tensors}
        for at, row in enumerate(rows):
            if not isinstance(row, dict) or row.keys() != names:
                raise misfit(f"rows[{at}]", f"must be an object with: {', '.join(sorted(names))}")
        return Batch(columns={one.name: _column(rows, one) for one in self._tensors}, rows=len(rows))


class TensorScoring:
    """MLflow's scoring protocol."""

    name: str = scoring.NAME
    media_types: Collection[str] = frozenset({"application/json"})

    def __init__(self, runtime: Tensors, maximum_rows: int) -> None:
        self._tensors, self._maximum_rows = runtime.tensors, maximum_rows
        self._runtime, self._output, self._classes = runtime, runtime.output, bool(runtime.classes)

    def read(self, body: Body) -> Question:
        """See Dialect."""
        document = exact.document(body.content, nan_is_missing=True)
        keys = [key for key in ("inputs", "instances") if isinstance(document, dict) and key in document]
        if len(keys) != 1 or not document.keys() <= {*keys, "params"} or document.get("params"):
            raise misfit("", "the body must be an object with `inputs` or `instances`: the model takes tensors")
        (key,) = keys
        return Question(self._batch(document[key], key), self._classes)

    def write(self, _question: Question, answers: Answers, _exchange: Exchange) -> Answer:
        """See Dialect."""
        values = answers.probabilities if self._classes else answers.y_pred
        if self._runtime.nested and not self._classes:
            values = [[value] for value in answers.y_pred]
        return Answer(json.dumps({"predictions": {self._output: values}}, allow_nan=False).encode())

    def _batch(self, given: Any, key: str) -> Batch:
        """Return the tensors: by name, as a list of objects by name, or the only one itself."""
        if isinstance(given, dict):
            known = {one.name: one for one in self._tensors}
            odd = next((name for name in given if name not in known), None)
            if odd is not None:
                raise misfit(key, f"has an unknown tensor; the model takes: {', '.join(known)}")
            found = {
                name: arrays.of_rows(values, known[name], f"{key}.{name}", self._maximum_rows)
                for name, values in given.items()
            }
            return arrays.batch(found, self._tensors, key)
        if isinstance(given, list) and given and isinstance(given[0], dict):
            table.count(len(given), self._maximum_rows, key)
            names = {one.name for one in self._tensors}
            for at, row in enumerate(given):
                if not isinstance(row, dict) or row.keys() != names:
                    raise misfit(f"{key}[{at}]", f"must be an object with: {', '.join(sorted(names))}")
            return Batch(columns={one.name: _column(given, one, key) for one in self._tensors}, rows=len(given))
        if len(self._tensors) != 1:
            raise misfit(key, f"must name the tensors: {', '.join(one.name for one in self._tensors)}")
        (tensor,) = self._tensors
        return arrays.batch({tensor.name: arrays.of_rows(given, tensor, key, self._maximum_rows)}, self._tensors, key)


@dataclass(frozen=True, slots=True)
class _About:
    """What of a request its answer needs: its id, and each output's name and whether it goes behind the document."""

    id: str | None
    outputs: Sequence[tuple[str, bool]]


class TensorInference:
    """The Open Inference Protocol, version 2: the output by its own name, and `y_pred` where there are classes."""

    name: str = open_inference.NAME
    media_types: Collection[str] = open_inference.OpenInference.media_types

    def __init__(self, runtime: Tensors, model: Mapping[str, str | None], maximum_rows: int) -> None:
        self._tensors, self._model, self._maximum_rows = runtime.tensors, dict(model), maximum_rows
        self._known = {one.name: one for one in runtime.tensors}
        self._outputs = [one["name"] for one in described(runtime)]
        self._runtime, self._output, self._classes = runtime, runtime.output, runtime.classes

    def read(self, body: Body) -> Question:
        """See Dialect."""
        document, attachment = open_inference.parts(body, nan_is_missing=True)
        given = document.get("inputs") if isinstance(document, dict) else None
        if not isinstance(given, list) or not 0 < len(given) <= len(self._known):
            raise misfit("inputs", f"must be a list of the model's tensors: {', '.join(self._known)}")
        found: dict[str, Any] = {}
        for index, one in enumerate(given):
            name, values = self._tensor(one, f"inputs[{index}]", attachment)
            if name in found:
                raise misfit(f"inputs[{index}].name", "is given twice")
            found[name] = values
        attachment.end()
        about = _About(open_inference.request_id(document), self._asked(document))
        asked = bool(self._classes) and any(name == self._output for name, _ in about.outputs)
        return Question(arrays.batch(found, self._tensors, "inputs"), asked, about)

    def write(self, question: Question, answers: Answers, exchange: Exchange) -> Answer:
        """See Dialect."""
        about: _About = question.about
        behind: list[bytes] = []
        written = [self._written(name, binary, answers, behind) for name, binary in about.outputs]
        return open_inference.answer(self._model, about.id, exchange, written, behind)

    def _tensor(self, given: Any, path: str, attachment: Attachment) -> tuple[str, Any]:
        """Return a tensor's name and values, its shape and datatype checked first."""
        name = given.get("name") if isinstance(given, dict) else None
        tensor = self._known.get(name) if isinstance(name, str) else None
        if tensor is None:
            raise misfit(f"{path}.name", f"must be one of: {', '.join(self._known)}")
        datatype = arrays.DATATYPES[tensor.type]
        if given.get("datatype") != datatype:
            raise misfit(f"{path}.datatype", f"must be {datatype}")
        shape = tensors.shape_of(given.get("shape"), f"{path}.shape")
        arrays.check_shape(shape, tensor, f"{path}.shape", self._maximum_rows)
        parameters = parameters_of(given, path)
        if "shared_memory_region" in parameters:
            raise misfit(f"{path}.parameters.shared_memory_region", "is not supported: send the data itself")
        size, data = parameters.get("binary_data_size"), given.get("data")
        if size is not None:
            return tensor.name, self._binary(size, data, shape, tensor, path, attachment)
        if isinstance(data, list) and data and isinstance(data[0], list):
            found = arrays.of_rows(data, tensor, f"{path}.data", self._maximum_rows)
            if found.shape != tuple(shape):
                raise misfit(f"{path}.data", "must be nested as the shape says, or flat")
            return tensor.name, found
        return tensor.name, arrays.of_flat(data, shape, tensor, f"{path}.data")

    def _binary(
        self, size: Any, data: Any, shape: Sequence[int], tensor: Tensor, path: str, attachment: Attachment
    ) -> Any:
        """Return the values that stand in bytes behind the document."""
        place = f"{path}.parameters.binary_data_size"
        if data is not None:
            raise misfit(f"{path}.data", "must not be given beside binary_data_size")
        if type(size) is not int or size != int(np.prod(shape, dtype=object)) * np.dtype(tensor.type).itemsize:
            raise misfit(place, "must be the number of values that the shape gives, times the datatype's size")
        return arrays.of_bytes(attachment.take(size, place), shape, tensor, f"{path}.data")

    def _asked(self, document: Mapping[str, Any]) -> Sequence[tuple[str, bool]]:
        """Return the outputs that a request asks for, and whether each in bytes; without a list of them, all."""
        binary = parameters_of(document, "").get("binary_data_output") is True
        given = document.get("outputs")
        if given in (None, []):
            return [(name, binary and name != _Y_PRED) for name in self._outputs]
        if not isinstance(given, list) or len(given) > len(self._outputs):
            raise misfit("outputs", f"must be a list of some of: {', '.join(self._outputs)}")
        return [self._one(one, f"outputs[{at}]", binary) for at, one in enumerate(given)]

    def _one(self, given: Any, path: str, binary: bool) -> tuple[str, bool]:
        """Return an output that is asked for."""
        name = given.get("name") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in self._outputs:
            raise outputs.unknown(path, f"must be an object whose name is one of: {', '.join(self._outputs)}")
        return name, outputs.in_bytes(given, path, binary)

    def _written(self, name: str, binary: bool, answers: Answers, behind: list[bytes]) -> dict[str, Any]:
        """Return one output as the answer has it; bytes are added to what is behind it."""
        rows = len(answers.y_pred)
        values: Sequence[Any]
        if name == self._output:
            datatype = "FP32" if self._classes else "FP64"
            shape = [rows, *described(self._runtime)[0]["shape"][1:]]
            values = [one for row in answers.probabilities or [] for one in row] if self._classes else answers.y_pred
        else:
            values, datatype = outputs.predicted(answers.y_pred, "BYTES")
            shape = [rows]
        return outputs.filled({"name": name, "shape": shape, "datatype": datatype}, values, behind if binary else None)


def dialect(protocol: str, runtime: Runtime, model: Mapping[str, str | None], maximum_rows: int) -> Dialect:
    """Return a protocol for a model."""
    assert isinstance(runtime, Tensors)
    if protocol == open_inference.NAME:
        return TensorInference(runtime, model, maximum_rows)
    if protocol == scoring.NAME:
        return TensorScoring(runtime, maximum_rows)
    return TensorPredict(runtime, model, maximum_rows)


def described(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the outputs as the model's metadata has them."""
    assert isinstance(runtime, Tensors)
    if not runtime.classes:
        return [{"name": runtime.output, "datatype": "FP64", "shape": [-1, 1] if runtime.nested else [-1]}]
    _, datatype = outputs.predicted(runtime.classes, "BYTES")
    chances = {"name": runtime.output, "datatype": "FP32", "shape": [-1, len(runtime.classes)]}
    return [chances, {"name": _Y_PRED, "datatype": datatype, "shape": [-1]}]


def metadata_inputs(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the tensors as the model's metadata has them."""
    return [
        {"name": one.name, "datatype": arrays.DATATYPES[one.type], "shape": list(one.shape)} for one in runtime.tensors
    ]


def _column(rows: Sequence[Mapping[str, Any]], tensor: Tensor, path: str = "rows") -> list[Any]:
    """Return a tensor's row of each of the rows."""
    found = [arrays.of_row(row[tensor.name], tensor, f"{path}[{at}].{tensor.name}") for at, row in enumerate(rows)]
    for at, values in enumerate(found):
        if values.shape != found[0].shape:
            raise misfit(f"{path}[{at}].{tensor.name}", "must have the lengths of the first row")
    return found
