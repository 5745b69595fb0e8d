"""Tensors of the Open Inference Protocol: a name, a shape, a datatype, and values in JSON or in bytes behind it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Problem, Refused

# The datatype of values that came as texts of JSON: each is of a type of its own.
JSON: Final = "JSON"
_MOST_DIMENSIONS: Final = 8
_MOST_SIZE: Final = 2**40


@dataclass(frozen=True, slots=True)
class Datatype:
    """How values of one type are written.

    Attributes:
        kind: "integer", "number", "boolean" or "text".
        code: their letter in Python's `struct`, "" for texts, whose bytes begin with their length.
        least, most: of numbers.
    """

    kind: str
    code: str = ""
    least: float = -math.inf
    most: float = math.inf

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return struct.calcsize(f"<{self.code}")


def _integers(code: str, bits: int, *, signed: bool) -> Datatype:
    """Return a datatype of whole numbers."""
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return Datatype("integer", code, least, most)


DATATYPES: Final[Mapping[str, Datatype]] = {
    "BOOL": Datatype("boolean", "?"),
    "UINT8": _integers("B", 8, signed=False),
    "UINT16": _integers("H", 16, signed=False),
    "UINT32": _integers("I", 32, signed=False),
    "UINT64": _integers("Q", 64, signed=False),
    "INT8": _integers("b", 8, signed=True),
    "INT16": _integers("h", 16, signed=True),
    "INT32": _integers("i", 32, signed=True),
    "INT64": _integers("q", 64, signed=True),
    "FP16": Datatype("number", "e", -65504.0, 65504.0),
    "FP32": Datatype("number", "f", -3.4028234663852886e38, 3.4028234663852886e38),
    "FP64": Datatype("number", "d"),
    "BYTES": Datatype("text"),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Values in row-major order; None where one is missing. The datatype may be JSON."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    values: list[Any]


class Attachment:
    """The bytes behind a request's JSON, from which its tensors take theirs in turn."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, size: int, path: str) -> bytes:
        """Return the next bytes."""
        found = self._content[self._at : self._at + size]
        if len(found) != size:
            raise misfit(path, "is more than there are bytes behind the JSON document")
        self._at += size
        return found

    def end(self) -> None:
        """Refuse bytes that belong to no tensor."""
        if self._at != len(self._content):
            raise misfit("inputs", "leave bytes behind the JSON document that belong to no tensor")


def misfit(path: str, problem: str) -> Refused:
    """Return the refusal of a tensor."""
    found = Problem(path=path, problem=problem)
    return Refused(422, "tensors-do-not-fit", "A tensor is not what it says, or not what the model takes.", [found])


def read(given: Any, path: str, attachment: Attachment) -> Tensor:
    """Return a tensor of a request.

    Raises:
        Refused: its parts are missing, or contradict each other.
    """
    if not isinstance(given, dict):
        raise misfit(path, "must be an object")
    name, datatype = given.get("name"), given.get("datatype")
    if not isinstance(name, str) or not name:
        raise misfit(f"{path}.name", "must be a text")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise misfit(f"{path}.datatype", f"must be one of {', '.join(DATATYPES)}")
    shape = shape_of(given.get("shape"), f"{path}.shape")
    parameters = parameters_of(given, path)
    values = _values(given, path, datatype, shape, parameters, attachment)
    return _decoded(Tensor(name, shape, datatype, values), parameters.get("content_type"), path)


def parameters_of(given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the parameters of a request or of a part of it, {} if there are none."""
    parameters = given.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise misfit(f"{path}.parameters" if path else "parameters", "must be an object")
    return parameters


def shape_of(given: Any, path: str) -> tuple[int, ...]:
    """Return the lengths of a tensor's dimensions."""
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_DIMENSIONS:
        raise misfit(path, f"must be a list of 1 to {_MOST_DIMENSIONS} whole numbers")
    if not all(type(length) is int and 0 <= length < _MOST_SIZE for length in given):
        raise misfit(path, f"must have whole numbers from 0 to {_MOST_SIZE - 1}")
    return tuple(given)


def _values(
    given: Mapping[str, Any],
    path: str,
    datatype: str,
    shape: tuple[int, ...],
    parameters: Mapping[str, Any],
    attachment: Attachment,
) -> list[Any]:
    """Return as many values of the datatype as the shape says."""
    size = parameters.get("binary_data_size")
    if "shared_memory_region" in parameters:
        raise misfit(f"{path}.parameters.shared_memory_region", "is not supported: send the data itself")
    if size is None:
        return _from_json(given.get("data"), f"{path}.data", datatype, shape)
    place = f"{path}.parameters.binary_data_size"
    if type(size) is not int or size < 0:
        raise misfit(place, "must be a whole number from 0 on")
    if given.get("data") is not None:
        raise misfit(f"{path}.data", "must not be given beside binary_data_size")
    content, length = attachment.take(size, place), math.prod(shape)
    if datatype == "BYTES":
        return _texts(content, length, place)
    kind = DATATYPES[datatype]
    if size != length * kind.size:
        raise misfit(place, "must be the number of values that the shape gives, times the datatype's size")
    if datatype == "BOOL" and content.strip(b"\0\1"):
        raise misfit(place, "has bytes that are neither 0 nor 1")
    values = list(struct.unpack(f"<{length}{kind.code}", content))
    return _finite(values, path) if kind.kind == "number" else values


def _texts(content: bytes, length: int, path: str) -> list[Any]:
    """Return the texts of a tensor of bytes: each after its length."""
    found: list[Any] = []
    at = 0
    while at < len(content) and len(found) <= length:
        if at + 4 > len(content):
            raise misfit(path, "ends within the length of a text")
        (size,) = struct.unpack_from("<I", content, at)
        piece = content[at + 4 : at + 4 + size]
        if len(piece) != size:
            raise misfit(path, "ends within a text")
        found.append(_text(piece, path))
        at += 4 + size
    if len(found) != length:
        raise misfit(path, "must hold as many texts as the shape says")
    return found


def _text(piece: bytes, path: str) -> str:
    """Return bytes as text."""
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        raise misfit(path, "has bytes that are not UTF-8; columns take texts") from None


def _finite(values: list[Any], path: str) -> list[Any]:
    """Return numbers with None for NaN, as which a missing number is sent in bytes."""
    for index, value in enumerate(values):
        if not math.isfinite(value):
            if not math.isnan(value):
                raise Refused(
                    422,
                    "not-finite",
                    "A number is infinite.",
                    [Problem(path=f"{path}.data[{index}]", problem="is infinite")],
                )
            values[index] = None
    return values


def _from_json(data: Any, path: str, datatype: str, shape: tuple[int, ...]) -> list[Any]:
    """Return the values of a list, whether nested as the shape says or flat in the same order."""
    if not isinstance(data, list):
        raise misfit(path, "must be a list")
    nested = bool(data) and isinstance(data[0], list)
    values = _flat(data, shape, path) if nested else data
    if len(values) != math.prod(shape):
        raise misfit(path, "must have as many values as the shape says")
    fits = _FITS[DATATYPES[datatype].kind]
    for index, value in enumerate(values):
        if value is not None and not fits(value, DATATYPES[datatype]):
            raise misfit(f"{path}[{index}]", f"is no value of the datatype {datatype}")
    return values


def _flat(data: list[Any], shape: tuple[int, ...], path: str) -> list[Any]:
    """Return the values of lists within lists that have exactly the lengths of the shape."""
    values: Sequence[Any] = [data]
    for length in shape:
        if not all(isinstance(inner, list) and len(inner) == length for inner in values):
            raise misfit(path, "must be nested as the shape says, or flat")
        values = [value for inner in values for value in inner]
    return list(values)


_FITS: Final[Mapping[str, Callable[[Any, Datatype], bool]]] = {
    "boolean": lambda value, _datatype: isinstance(value, bool),
    "text": lambda value, _datatype: isinstance(value, str),
    "integer": lambda value, datatype: type(value) is int and datatype.least <= value <= datatype.most,
    "number": lambda value, datatype: type(value) in (int, float) and datatype.least <= value <= datatype.most,
}


def _decoded(tensor: Tensor, content_type: Any, path: str) -> Tensor:
    """Return the tensor as MLServer's content type of it has it read."""
    if content_type in (None, "np", "pd", "str", "datetime"):
        return tensor
    if content_type != "pd_json" or tensor.datatype != "BYTES":
        known = "np, pd, str, datetime, or pd_json for BYTES"
        raise misfit(f"{path}.parameters.content_type", f"must be one of {known}")
    values = [None if value is None else exact.document(value.encode(), nan_is_missing=True) for value in tensor.values]
    return Tensor(tensor.name, tensor.shape, JSON, values)


def to_bytes(values: Sequence[Any], datatype: str) -> bytes:
    """Return values as the bytes behind an answer's JSON."""
    if datatype == "BYTES":
        pieces = [value.encode("utf-8") for value in values]
        return b"".join(struct.pack("<I", len(piece)) + piece for piece in pieces)
    return struct.pack(f"<{len(values)}{DATATYPES[datatype].code}", *values)
