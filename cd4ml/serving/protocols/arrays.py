"""Values of a request as a tensor of the model: shape, type and size are checked before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cd4ml.serving.exchange import Batch
from cd4ml.serving.protocols import table
from cd4ml.serving.protocols.tensors import misfit
from cd4ml.serving.signature import Tensor

# What the Open Inference Protocol calls numpy's types.
DATATYPES: Final[Mapping[str, str]] = {
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
    "bool": "BOOL",
}
# The types of JSON values that a tensor takes, by the letter of numpy's kind; whole numbers where it has none.
_WHOLE: Final[frozenset[type]] = frozenset({int})
_TYPES: Final[Mapping[str, frozenset[type]]] = {"b": frozenset({bool}), "f": frozenset({int, float})}


def of_rows(given: Any, tensor: Tensor, path: str, maximum_rows: int) -> Any:
    """Return nested lists, a list for each row, as an array.

    Raises:
        Refused: they are of another shape or type, ragged, or too large; `path` and the place in it say where.
    """
    if not isinstance(given, list):
        raise misfit(path, "must be a list with a list for each row")
    table.count(len(given), maximum_rows, path)
    values, shape = _flat(given, [len(given), *tensor.shape[1:]], tensor, path)
    return _array(values, shape, tensor, path)


def of_row(given: Any, tensor: Tensor, path: str) -> Any:
    """Return the nested lists of one row as an array; see `of_rows`."""
    values, shape = _flat(given, tensor.shape[1:], tensor, path)
    return _array(values, shape, tensor, path)


def of_flat(given: Any, shape: Sequence[int], tensor: Tensor, path: str) -> Any:
    """Return a list of values in row-major order as an array of a shape that is checked; see `of_rows`."""
    if not isinstance(given, list) or len(given) != math.prod(shape):
        raise misfit(path, f"must be a list of {math.prod(shape)} values, as the shape says, or nested as it says")
    return _array(given, shape, tensor, path, flat=True)


def of_bytes(content: bytes, shape: Sequence[int], tensor: Tensor, path: str) -> Any:
    """Return little-endian bytes of the right size as an array of a shape that is checked; see `of_rows`."""
    kind = np.dtype(tensor.type).newbyteorder("<")
    if kind.kind == "b" and content.strip(b"\0\1"):
        raise misfit(path, "has bytes that are neither 0 nor 1")
    found = np.frombuffer(content, kind).astype(tensor.type, copy=False).reshape(shape)
    if kind.kind == "f" and not np.isfinite(found).all():
        at = np.argwhere(~np.isfinite(found))[0].tolist()
        raise misfit(path + _index(at), "must be a finite number")
    return found


def check_shape(given: Sequence[int], tensor: Tensor, path: str, maximum_rows: int) -> None:
    """Refuse a shape that is not the tensor's.

    Raises:
        Refused: it is not.
    """
    fits = len(given) == len(tensor.shape) and all(
        length in (-1, here) for length, here in zip(tensor.shape, given, strict=True)
    )
    if not fits or 0 in given[1:]:
        raise misfit(path, f"must be {shown(tensor)}")
    for length, here in zip(tensor.shape[1:], given[1:], strict=True):
        if length == -1 and here > tensor.longest:
            raise misfit(path, f"has a dimension of more than {tensor.longest}")
    table.count(given[0], maximum_rows, path)


def shown(tensor: Tensor) -> str:
    """Return a tensor's shape in words."""
    return str(["n", *tensor.shape[1:]]).replace("'", "").replace("-1", "any")


def batch(arrays: Mapping[str, Any], tensors: Sequence[Tensor], path: str) -> Batch:
    """Return arrays, each with a row for each row, as a batch.

    Raises:
        Refused: one is missing, or they have different numbers of rows.
    """
    if len(arrays) != len(tensors):
        missing = ", ".join(one.name for one in tensors if one.name not in arrays)
        raise misfit(path, f"must have every tensor of the model; missing: {missing}")
    rows = {len(values) for values in arrays.values()}
    if len(rows) != 1:
        raise misfit(path, "must have the same number of rows in every tensor")
    return Batch(columns={name: list(values) for name, values in arrays.items()}, rows=rows.pop())


def _flat(given: Any, lengths: Sequence[int], tensor: Tensor, path: str) -> tuple[list[Any], list[int]]:
    """Return the values of nested lists in row-major order, and the lengths of their dimensions."""
    level, shape = [given], [1]
    for length in lengths:
        odd = next((at for at, inner in enumerate(level) if not isinstance(inner, list)), None)
        if odd is not None:
            raise misfit(path + _place(odd, shape), "must be a list")
        wanted = len(level[0]) if length == -1 else length
        if length == -1 and not 0 < wanted <= tensor.longest:
            raise misfit(path + _place(0, shape), f"must have 1 to {tensor.longest} values")
        odd = next((at for at, inner in enumerate(level) if len(inner) != wanted), None)
        if odd is not None:
            raise misfit(path + _place(odd, shape), f"must have {wanted} values, not {len(level[odd])}")
        level = [value for inner in level for value in inner]
        shape.append(wanted)
    return level, shape[1:]


def _array(values: list[Any], shape: Sequence[int], tensor: Tensor, path: str, *, flat: bool = False) -> Any:
    """Return values, each of which must be of the tensor's type, as an array of this shape."""
    kind = np.dtype(tensor.type)
    types = _TYPES.get(kind.kind, _WHOLE)
    least, most = bounds(tensor.type)
    if not types.issuperset(map(type, values)) or (values and not (least <= min(values) and max(values) <= most)):
        odd = next(at for at, value in enumerate(values) if type(value) not in types or not least <= value <= most)
        raise misfit(path + (f"[{odd}]" if flat else _place(odd, [1, *shape])), _words(tensor.type))
    return np.array(values, dtype=kind).reshape(shape)


def bounds(type_: str) -> tuple[Any, Any]:
    """Return the least and the greatest value of a type."""
    kind = np.dtype(type_)
    if kind.kind == "b":
        return False, True
    if kind.kind == "f":
        most = float(np.finfo(kind).max)
        return -most, most
    about = np.iinfo(kind)
    return int(about.min), int(about.max)


def _words(type_: str) -> str:
    """Return what a value of a type must be."""
    if type_ == "bool":
        return "must be true or false"
    if type_.startswith("float"):
        return f"must be a number that {type_} can hold"
    least, most = bounds(type_)
    return f"must be a whole number from {least} to {most}"


def _place(at: int, shape: Sequence[int]) -> str:
    """Return the place of a value in nested lists, from its place in row-major order; `shape` begins with 1."""
    return _index([int(one) for one in np.unravel_index(at, tuple(shape))[1:]])


def _index(places: Sequence[int]) -> str:
    """Return places as a path has them."""
    return "".join(f"[{at}]" for at in places)
