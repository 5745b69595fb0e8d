"""JSON schemas of requests and answers, from the model's signature: what `/openapi.json` says of each protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.serving.protocols import classes
from cd4ml.serving.protocols.open_inference import datatype_of
from cd4ml.serving.protocols.outputs import PROBABILITIES, Outputs
from cd4ml.serving.protocols.tensors import DATATYPES
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.signature import FLOATS, INTEGERS, Column

Schema = dict[str, Any]

_SCALAR: Final[Schema] = {"type": ["number", "string", "boolean", "null"]}
_SINGLE: Final = 3.4028234663852886e38
_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_PARAMETERS: Final[Schema] = {"type": ["object", "null"]}
_NUMBERS: Final = [name for name, one in DATATYPES.items() if one.kind in ("integer", "number")]
_VALUES: Final[Mapping[str, Any]] = {"integer": 1, "long": 1, "boolean": True, "datetime": "2024-05-31T13:45:00Z"}


def value(column: Column) -> Schema:
    """Return what a value of a column may be."""
    if column.type in INTEGERS:
        bits = 31 if column.type == "integer" else 63
        schema: Schema = {"type": "integer", "minimum": -(2**bits), "maximum": 2**bits - 1}
    elif column.type in FLOATS:
        # Digits beyond the greatest double may still be read as it: its limits are none of the digits'.
        single = {"minimum": -_SINGLE, "maximum": _SINGLE} if column.type == "float" else {}
        schema = {"type": "number", "format": column.type, **single}
    elif column.type == "boolean":
        schema = {"type": "boolean"}
    elif column.type == "datetime":
        about = "ISO 8601, of the years 1678 to 2261; a zone is converted to UTC, no zone means UTC"
        schema = {"type": "string", "format": "date-time", "description": about}
    else:
        return dict(_SCALAR) if column.type is None else {"type": ["string", "null"]}
    if column.nullable or column.type in FLOATS or column.type == "datetime":
        schema["type"] = [schema["type"], "null"]
    return schema


def rows(columns: Sequence[Column], maximum: int) -> Schema:
    """Return a request of `/predict`."""
    return _object({"rows": {"type": "array", "minItems": 1, "maxItems": maximum, "items": _row(columns)}})


def example(columns: Sequence[Column]) -> dict[str, Any]:
    """Return a row of plain values."""
    return {column.name: _value(column) for column in columns}


def predictions(runtime: Runtime) -> Schema:
    """Return an answer of `/predict`."""
    pair: Schema = {"y_pred": _label(runtime), "y_score": {"type": ["number", "null"]}}
    labels = classes.offered(runtime)
    document: Schema = {"predictions": {"type": "array", "items": {}}, "model": model(), "cached": _COUNT}
    schema = _object(document, free=True)
    if labels:
        about = "with ?probabilities=true, in the order of `classes`"
        several = {"type": "array", "minItems": len(labels), "maxItems": len(labels)}
        pair["probabilities"] = {**several, "items": {"type": "number"}, "description": about}
        document["classes"] = {"const": labels}
    document["predictions"]["items"] = _object(pair, optional=("probabilities",))
    schema["required"] = ["predictions", "model", "cached"]
    return schema


def model() -> Schema:
    """Return what an answer says of the model."""
    return _object({"name": _TEXT, "version": {"type": ["string", "null"]}, "sha256": _TEXT})


def scoring(columns: Sequence[Column], maximum: int) -> Schema:
    """Return a request of `/invocations` in JSON."""
    many = {"type": "array", "minItems": 1, "maxItems": maximum}
    record = {**_row(columns), "additionalProperties": True}
    width = {"minItems": len(columns), "maxItems": len(columns)} if columns else {"minItems": 1}
    lists = {**many, "items": {"type": "array", **width}}
    by_column: Schema = {"type": "object", "minProperties": 1}
    split = {"columns": {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}}}
    table = _object({**split, "index": {}, "data": {**many, "items": {"type": "array"}}}, optional=("index",))
    either = [{**many, "items": record}, lists, *([{**many, "items": value(columns[0])}] if len(columns) == 1 else [])]
    forms: Schema = {
        "dataframe_split": table,
        "dataframe_records": {**many, "items": record},
        "inputs": {"anyOf": [*either, by_column]},
        "instances": {"anyOf": either},
    }
    schema = _object({**forms, "params": {"type": ["object", "null"], "maxProperties": 0}})
    del schema["required"]
    return {**schema, "oneOf": [{"required": [name]} for name in forms]}


def scored(runtime: Runtime) -> Schema:
    """Return an answer of `/invocations`."""
    return _object({"predictions": {"type": "array", "items": _label(runtime)}})


def tensors(runtime: Runtime) -> Schema:
    """Return a request of the Open Inference Protocol."""
    columns = runtime.columns
    several = [_tensor(column) for column in columns]
    if all(column.type in INTEGERS or column.type in FLOATS or column.type is None for column in columns):
        datatypes = _NUMBERS if any(column.type for column in columns) else list(DATATYPES)
        several.append(_tensor_of({"type": "string", "minLength": 1}, datatypes))
    names = [
        *Outputs(runtime).names,
        "predict",
        *(["predict_proba"] if PROBABILITIES in Outputs(runtime).names else []),
    ]
    output = _object({"name": {"enum": names}, "parameters": _PARAMETERS}, free=True, optional=("parameters",))
    document = {
        "id": {"type": ["string", "null"]},
        "parameters": _PARAMETERS,
        "inputs": {"type": "array", "minItems": 1, "items": {"anyOf": several}},
        "outputs": {"type": ["array", "null"], "items": output, "maxItems": len(names)},
    }
    return _object(document, free=True, optional=("id", "parameters", "outputs"))


def tensor_example(columns: Sequence[Column]) -> dict[str, Any]:
    """Return a request of one row, a tensor for each column."""
    found = [
        {"name": column.name, "shape": [1], "datatype": datatype_of(column), "data": [_value(column)]}
        for column in columns
    ]
    return {"inputs": found}


def inferred() -> Schema:
    """Return an answer of the Open Inference Protocol."""
    output = {"name": _TEXT, "shape": {"type": "array", "items": _COUNT}, "datatype": {"enum": list(DATATYPES)}}
    some = {"data": {"type": "array"}, "parameters": {"type": "object"}}
    document = {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "parameters": {"type": "object"}}
    outputs = {"type": "array", "items": _object({**output, **some}, optional=tuple(some))}
    return _object({**document, "outputs": outputs}, optional=("model_version", "parameters"))


def error() -> Schema:
    """Return a refusal, as every path but those of other protocols has it."""
    return _object({"error": _object({"code": _TEXT, "message": _TEXT, **_problems()})})


def error_of_open_inference() -> Schema:
    """Return a refusal of the Open Inference Protocol."""
    return _object({"error": _TEXT, "code": _TEXT, **_problems()})


def error_of_scoring() -> Schema:
    """Return a refusal of MLflow's scoring protocol."""
    return _object({"error_code": _TEXT, "message": _TEXT, "code": _TEXT, **_problems()})


def _problems() -> Schema:
    """Return the list of problems of a refusal, and how many are not shown."""
    problem = _object({"path": _TEXT, "problem": _TEXT})
    return {"problems": {"type": "array", "maxItems": 20, "items": problem}, "more": _COUNT}


def _row(columns: Sequence[Column]) -> Schema:
    """Return a row as an object."""
    if not columns:
        return {"type": "object", "minProperties": 1, "additionalProperties": _SCALAR}
    schema = _object({column.name: value(column) for column in columns})
    return {**schema, "minProperties": 1, "required": [column.name for column in columns if column.required]}


def _tensor(column: Column) -> Schema:
    """Return the tensor of a column."""
    numbers = column.type in INTEGERS or column.type in FLOATS
    datatypes = list(DATATYPES) if column.type is None else _NUMBERS if numbers else [datatype_of(column), "BYTES"]
    return _tensor_of({"const": column.name}, sorted({*datatypes, "BYTES"}))


def _tensor_of(name: Schema, datatypes: Sequence[str]) -> Schema:
    """Return a tensor; that shape and data agree is beyond a schema."""
    length = {"type": "integer", "minimum": 0}
    shape = {"type": "array", "minItems": 1, "maxItems": 2, "items": length}
    about: Schema = {"name": name, "shape": shape, "datatype": {"enum": list(datatypes)}}
    some = {"parameters": _PARAMETERS, "data": {"type": ["array", "null"]}}
    return _object({**about, **some}, free=True, optional=tuple(some))


def _object(properties: Schema, *, free: bool = False, optional: Sequence[str] = ()) -> Schema:
    """Return an object with these properties, and with others only if it is free."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": free}


def _label(runtime: Runtime) -> Schema:
    """Return what a prediction may be."""
    labels = classes.offered(runtime)
    return {"enum": labels} if labels else {"type": ["number", "string", "boolean"]}


def _value(column: Column) -> Any:
    """Return a plain value of a column."""
    return _VALUES.get(column.type or "", 1.5 if column.type in FLOATS else "text")
