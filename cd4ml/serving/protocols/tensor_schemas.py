"""Requests and answers of a model that takes tensors, as JSON Schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cd4ml.serving.protocols import arrays
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.runtimes.tensors import Tensors
from cd4ml.serving.signature import Tensor

Schema = dict[str, Any]


def rows(tensors: Sequence[Tensor], maximum: int) -> Schema:
    """Return a request of `/predict`."""
    items = _object({one.name: _nested(one, one.shape[1:]) for one in tensors})
    return _object({"rows": {"type": "array", "minItems": 1, "maxItems": maximum, "items": items}})


def scoring(tensors: Sequence[Tensor], maximum: int) -> Schema:
    """Return a request of `/invocations`."""
    many = {"type": "array", "minItems": 1, "maxItems": maximum}
    whole = {one.name: {**many, "items": _nested(one, one.shape[1:])} for one in tensors}
    each = {**many, "items": _object({one.name: _nested(one, one.shape[1:]) for one in tensors})}
    forms = [_object(whole), each, *(whole.values() if len(tensors) == 1 else ())]
    schema = _object(
        {"inputs": {"anyOf": forms}, "instances": {"anyOf": forms}, "params": {"type": ["object", "null"]}}
    )
    del schema["required"]
    return {**schema, "oneOf": [{"required": ["inputs"]}, {"required": ["instances"]}]}


def scored(runtime: Runtime, output: str) -> Schema:
    """Return an answer of `/invocations`."""
    value: Schema = {"type": "number"}
    nested = runtime.classes or (isinstance(runtime, Tensors) and runtime.nested)
    items = {"type": "array", "items": value} if nested else value
    return _object({"predictions": _object({output: {"type": "array", "items": items}})})


def tensors(runtime: Runtime, outputs: Sequence[str]) -> Schema:
    """Return a request of the Open Inference Protocol."""
    parameters = {"type": ["object", "null"]}
    each = [_tensor(one) for one in runtime.tensors]
    output = {"type": "object", "properties": {"name": {"enum": list(outputs)}, "parameters": parameters}}
    document = {
        "id": {"type": ["string", "null"]},
        "parameters": parameters,
        "inputs": {"type": "array", "minItems": len(each), "maxItems": len(each), "items": {"anyOf": each}},
        "outputs": {"type": ["array", "null"], "items": {**output, "required": ["name"]}, "maxItems": len(outputs)},
    }
    return {"type": "object", "properties": document, "required": ["inputs"]}


def example(tensors: Sequence[Tensor]) -> Schema:
    """Return a row of zeros."""
    return {one.name: _zeros(one, one.shape[1:]) for one in tensors}


def tensor_example(tensors: Sequence[Tensor]) -> Schema:
    """Return a request of one row of zeros in the Open Inference Protocol."""
    found = []
    for one in tensors:
        shape = [1, *(1 if length == -1 else length for length in one.shape[1:])]
        data = [_zeros(one, one.shape[1:])]
        found.append({"name": one.name, "shape": shape, "datatype": arrays.DATATYPES[one.type], "data": data})
    return {"inputs": found}


def _nested(tensor: Tensor, lengths: Sequence[int]) -> Schema:
    """Return nested lists of these lengths."""
    if not lengths:
        return _value(tensor)
    first = lengths[0]
    least, most = (1, tensor.longest) if first == -1 else (first, first)
    return {"type": "array", "minItems": least, "maxItems": most, "items": _nested(tensor, lengths[1:])}


def _value(tensor: Tensor) -> Schema:
    """Return what a value may be."""
    if tensor.type == "bool":
        return {"type": "boolean"}
    least, most = arrays.bounds(tensor.type)
    return {"type": "number" if tensor.type.startswith("float") else "integer", "minimum": least, "maximum": most}


def _tensor(tensor: Tensor) -> Schema:
    """Return a tensor; that shape and data agree is beyond a schema."""
    length = {"type": "integer", "minimum": 1}
    shape = {"type": "array", "minItems": len(tensor.shape), "maxItems": len(tensor.shape), "items": length}
    about = {"name": {"const": tensor.name}, "shape": shape, "datatype": {"const": arrays.DATATYPES[tensor.type]}}
    some = {"parameters": {"type": ["object", "null"]}, "data": {"type": ["array", "null"]}}
    return {"type": "object", "properties": {**about, **some}, "required": list(about)}


def _zeros(tensor: Tensor, lengths: Sequence[int]) -> Any:
    """Return nested lists of zeros."""
    if not lengths:
        return False if tensor.type == "bool" else 0
    return [_zeros(tensor, lengths[1:])] * (1 if lengths[0] == -1 else lengths[0])


def _object(properties: Schema) -> Schema:
    """Return an object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
