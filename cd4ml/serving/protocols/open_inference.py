"""The Open Inference Protocol, version 2, as KServe, MLServer and Triton speak it over HTTP.

A request has one tensor for each column, of shape [n] or [n, 1], or a single one of shape [n, columns] whose columns
are in the model's order. Values may also stand in bytes behind the JSON document, as Triton's clients send them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from cd4ml.serving.exchange import Answers, Exchange
from cd4ml.serving.protocols import Answer, Body, Question, table, tensors
from cd4ml.serving.protocols.outputs import PROBABILITIES, Output, Outputs
from cd4ml.serving.protocols.tensors import DATATYPES, JSON, Attachment, Tensor, misfit
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.signature import FLOATS, INTEGERS, Column

NAME: Final = "v2"
EXTENSION: Final = "binary_tensor_data"
_HEADER: Final = b"inference-header-content-length"
# Datatypes in which values of a column may be sent: whole numbers of a matrix of numbers come as these.
_NUMBERS: Final = frozenset(name for name, one in DATATYPES.items() if one.kind in ("integer", "number"))
_DECLARED: Final[Mapping[str | None, str]] = {
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "boolean": "BOOL",
}


@dataclass(frozen=True, slots=True)
class _About:
    """What of a request its answer needs."""

    id: str | None
    outputs: Sequence[Output]


class OpenInference:
    """See the module."""

    name: str = NAME
    # Triton's client names none, or that of bytes.
    media_types: Collection[str] = frozenset({"application/json", "application/octet-stream", ""})

    def __init__(self, runtime: Runtime, model: Mapping[str, str | None], maximum_rows: int) -> None:
        self._columns, self._model, self._maximum_rows = runtime.columns, dict(model), maximum_rows
        self._outputs = Outputs(runtime)

    def read(self, body: Body) -> Question:
        """See Dialect."""
        document, attachment = parts(body)
        if not isinstance(document, dict):
            raise misfit("", "the body must be an object with `inputs`")
        given = document.get("inputs")
        if not isinstance(given, list) or not given:
            raise misfit("inputs", "must be a list of at least one tensor")
        if len(given) > max(1000, 2 * len(self._columns)):
            raise misfit("inputs", "has more tensors than the model has columns")
        found = [tensors.read(one, f"inputs[{index}]", attachment) for index, one in enumerate(given)]
        attachment.end()
        about = _About(request_id(document), self._outputs.asked(document))
        values, rows = self._values(found)
        asked = any(output.what == PROBABILITIES for output in about.outputs)
        return Question(table.batch(values, rows, self._columns), asked, about)

    def write(self, question: Question, answers: Answers, exchange: Exchange) -> Answer:
        """See Dialect."""
        about: _About = question.about
        behind: list[bytes] = []
        outputs = self._outputs.written(about.outputs, answers, behind)
        return answer(self._model, about.id, exchange, outputs, behind)

    def _values(self, found: Sequence[Tensor]) -> tuple[dict[str, list[Any]], int]:
        """Return the values by column, and how many rows there are."""
        first = found[0]
        names = {column.name for column in self._columns}
        column = first.shape[-1] == 1 and (first.name in names or not names)
        if len(found) == 1 and len(first.shape) == 2 and not column:
            return self._matrix(first)
        rows = table.count(first.shape[0], self._maximum_rows, "inputs[0].shape")
        values: dict[str, list[Any]] = {}
        for index, tensor in enumerate(found):
            self._check(tensor, f"inputs[{index}]", rows, values)
            values[tensor.name] = tensor.values
        return values, rows

    def _check(self, tensor: Tensor, path: str, rows: int, others: Collection[str]) -> None:
        """Refuse a tensor that is not one column."""
        column = next((column for column in self._columns if column.name == tensor.name), None)
        if tensor.name in others:
            raise misfit(f"{path}.name", "is given twice")
        if column is None and self._columns:
            raise misfit(f"{path}.name", f"is none of the model's columns, which are: {table.names(self._columns)}")
        if tensor.shape not in ((rows,), (rows, 1)):
            raise misfit(f"{path}.shape", "must be [n] or [n, 1], with the n of the first tensor")
        if column is not None:
            _check_datatype(tensor, path, column)

    def _matrix(self, tensor: Tensor) -> tuple[dict[str, list[Any]], int]:
        """Return the values of a tensor whose columns are in the model's order."""
        rows = table.count(tensor.shape[0], self._maximum_rows, "inputs[0].shape")
        if not self._columns:
            raise misfit("inputs[0].shape", "must be [n] or [n, 1]: the model does not name its columns")
        if tensor.shape[1] != len(self._columns):
            known = f"{len(self._columns)} columns: {table.names(self._columns)}"
            raise misfit("inputs[0].shape", f"must be [n, {len(self._columns)}], since the model takes {known}")
        for column in self._columns:
            _check_datatype(tensor, "inputs[0]", column)
        width = len(self._columns)
        return {column.name: tensor.values[at::width] for at, column in enumerate(self._columns)}, rows


def answer(
    model: Mapping[str, str | None],
    given_id: str | None,
    exchange: Exchange,
    outputs: Sequence[Mapping[str, Any]],
    behind: Sequence[bytes],
) -> Answer:
    """Return the answer with these outputs, and the bytes behind it."""
    document = {
        "model_name": model["name"],
        **({} if model["version"] is None else {"model_version": model["version"]}),
        "id": exchange.request_id if given_id is None else given_id,
        "parameters": {"sha256": model["sha256"]},
        "outputs": outputs,
    }
    head = json.dumps(document, allow_nan=False).encode()
    if not behind:
        return Answer(head)
    return Answer(head + b"".join(behind), b"application/octet-stream", [(_HEADER, b"%d" % len(head))])


def paths(model: Mapping[str, str | None]) -> Sequence[str]:
    """Return the paths of the model: without its version, and with it if it has one."""
    path = f"/v2/models/{model['name']}"
    return [path] if model["version"] is None else [path, f"{path}/versions/{model['version']}"]


def inputs_of(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the columns as the model's metadata has them."""
    return [{"name": column.name, "datatype": datatype_of(column), "shape": [-1]} for column in runtime.columns]


def metadata(
    runtime: Runtime,
    model: Mapping[str, str | None],
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the description of the model."""
    return {
        "name": model["name"],
        "versions": [] if model["version"] is None else [model["version"]],
        "platform": f"cd4ml_{runtime.name}",
        "inputs": inputs,
        "outputs": outputs,
        "parameters": {"sha256": model["sha256"]},
    }


def refusal(refused: Refused) -> bytes:
    """Return the JSON document of a refusal: `error` is a text, which clients show."""
    first = "".join(f" {problem.path}: {problem.problem}" for problem in refused.problems[:1])
    problems = [asdict(problem) for problem in refused.problems]
    content = {"error": refused.message + first, "code": refused.code, "problems": problems, "more": refused.more}
    return json.dumps(content).encode()


def datatype_of(column: Column) -> str:
    """Return the datatype in which a column is described."""
    return _DECLARED.get(column.type, "BYTES")


def parts(body: Body, *, nan_is_missing: bool = False) -> tuple[Any, Attachment]:
    """Return the JSON document of a body (see `exact.document`), and the bytes behind it."""
    length = None
    for name, value in body.headers:
        if name == _HEADER:
            length = value
    if length is None:
        return exact.document(body.content, nan_is_missing=nan_is_missing), Attachment(b"")
    if not length.isdigit() or len(length) > 12 or int(length) > len(body.content):
        message = "The header Inference-Header-Content-Length must be the length of the JSON document."
        raise Refused(422, "not-json", message)
    head, behind = body.content[: int(length)], body.content[int(length) :]
    return exact.document(head, nan_is_missing=nan_is_missing), Attachment(behind)


def request_id(document: Mapping[str, Any]) -> str | None:
    """Return the id that the answer repeats."""
    found = document.get("id")
    if found is not None and not isinstance(found, str):
        raise misfit("id", "must be a text")
    return found


def _check_datatype(tensor: Tensor, path: str, column: Column) -> None:
    """Refuse values of a datatype that the column does not take."""
    if column.type is None or tensor.datatype == JSON:
        return
    if column.type in INTEGERS or column.type in FLOATS:
        allowed: Collection[str] = _NUMBERS
    else:
        allowed = (datatype_of(column),)
    if tensor.datatype not in allowed:
        known = "a datatype of numbers" if allowed is _NUMBERS else datatype_of(column)
        raise misfit(f"{path}.datatype", f"must be {known} for the column {column.name}")
