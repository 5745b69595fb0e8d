"""`/openapi.json`: the gateway's paths, and what they take and answer, from the model's signature."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from cd4ml.serving.features.entities import Entity
from cd4ml.serving.features.schemas import entities_or_rows
from cd4ml.serving.protocols import open_inference, schemas, scoring
from cd4ml.serving.runtimes import Runtime

Document = dict[str, Any]

_JSON: Final = "application/json"
_REFUSALS: Final[Mapping[int, str]] = {
    408: "The body was too slow.",
    413: "The body is too large.",
    415: "The content type is not one that the path reads.",
    422: "The request does not fit; the problems say where.",
    500: "The model's own code failed.",
    503: "The model is not loaded yet, too many requests wait, or the features cannot be had.",
}
_PAGES: Final[Mapping[str, str]] = {
    "/health/liveness": "Whether the process works.",
    "/health/readiness": "Whether predictions can be asked for, and if not, why.",
    "/health/startup": "Whether the model was loaded.",
    "/version": "Which model, which columns and which Python.",
    "/ping": "Whether predictions can be asked for, for MLflow's clients.",
    "/health": "Whether predictions can be asked for, for MLflow's clients.",
    "/metrics": "Metrics for Prometheus.",
    "/openapi.json": "This description.",
    "/v2": "The server, for clients of the Open Inference Protocol.",
    "/v2/health/live": "Whether the server works.",
    "/v2/health/ready": "Whether predictions can be asked for.",
}
_PLAIN: Final = "text/plain"
_PROBABILITIES: Final[Document] = {
    "name": "probabilities",
    "in": "query",
    "description": "Whether each prediction has the probability of each class.",
    "schema": {"type": "boolean"},
}


def openapi(
    pages: Collection[str],
    predicting: Mapping[str, str],
    runtime: Runtime,
    model: Mapping[str, str | None],
    maximum_rows: int,
    entities: Sequence[Entity] = (),
) -> bytes:
    """Return the OpenAPI document.

    Args:
        pages: paths that GET answers.
        predicting: maps paths that POST predicts to their protocols.
        entities: what requests of `/predict` may name instead of all columns.
    """
    operations = _of_tensors(runtime, maximum_rows) if runtime.tensors else _of_columns(runtime, maximum_rows, entities)
    paths: Document = {path: {"get": _page(path)} for path in (*pages, "/openapi.json")}
    for path, protocol in predicting.items():
        paths[path] = {"post": {**operations[protocol], "operationId": f"post{path}"}}
    about = {"title": str(model["name"]), "version": str(model["version"] or "1"), "description": _about(model)}
    return json.dumps({"openapi": "3.1.0", "info": about, "paths": paths}).encode()


def _of_columns(runtime: Runtime, maximum_rows: int, entities: Sequence[Entity]) -> Document:
    """Return the operation of each protocol for a model that takes columns."""
    return {
        "predict": _predict(runtime, maximum_rows, entities),
        scoring.NAME: _scoring(runtime, maximum_rows),
        open_inference.NAME: _open_inference(runtime),
    }


def _of_tensors(runtime: Runtime, maximum_rows: int) -> Document:
    """Return the operation of each protocol for a model that takes tensors."""
    from cd4ml.serving.protocols import tensor_models, tensor_schemas  # they need numpy

    taken, outputs = runtime.tensors, [one["name"] for one in tensor_models.described(runtime)]
    row, schema = tensor_schemas.example(taken), {_JSON: {"schema": tensor_schemas.rows(taken, maximum_rows)}}
    schema[_JSON]["example"] = {"rows": [row]}
    predict = _operation("Predict for each row.", schema, schemas.predictions(runtime), schemas.error())
    request = {"schema": tensor_schemas.scoring(taken, maximum_rows), "example": {"instances": [row]}}
    scored = tensor_schemas.scored(runtime, outputs[0])
    summary = "Predict for each row, in MLflow's scoring protocol."
    tensors = {
        "schema": tensor_schemas.tensors(runtime, outputs),
        "example": tensor_schemas.tensor_example(taken),
    }
    about = "Predict for each row of tensors, in the Open Inference Protocol, version 2."
    return {
        "predict": {**predict, "parameters": [_PROBABILITIES]},
        scoring.NAME: _operation(summary, {_JSON: request}, scored, schemas.error_of_scoring()),
        open_inference.NAME: _operation(about, {_JSON: tensors}, schemas.inferred(), schemas.error_of_open_inference()),
    }


def _about(model: Mapping[str, str | None]) -> str:
    """Return which model it is."""
    return f"Predictions of the model with the SHA-256 {model['sha256']}."


def _page(path: str) -> Document:
    """Return the operation of a path without a body."""
    summary = _PAGES.get(path) or ("Whether the model is ready." if path.endswith("/ready") else "The model's tensors.")
    content: Document = {_JSON: {"schema": {"type": "object"}}}
    if path == "/metrics":
        content = {_PLAIN: {"schema": {"type": "string"}}}
    elif path in ("/ping", "/health"):
        content = {_JSON: {}}
    answers = {"200": {"description": "Yes, or what was asked for.", "content": content}}
    if path not in ("/metrics", "/openapi.json", "/version", "/v2"):
        answers["503"] = {"description": "Not now.", "content": content}
    return {"summary": summary, "operationId": f"get{path}", "responses": answers}


def _predict(runtime: Runtime, maximum_rows: int, entities: Sequence[Entity]) -> Document:
    """Return the operation of the gateway's own protocol."""
    schema = schemas.rows(runtime.columns, maximum_rows)
    request = {"schema": entities_or_rows(schema, entities, runtime.columns) if entities else schema}
    if runtime.columns:
        request["example"] = {"rows": [schemas.example(runtime.columns)]}
    operation = _operation("Predict for each row.", {_JSON: request}, schemas.predictions(runtime), schemas.error())
    return {**operation, "parameters": [_PROBABILITIES]}


def _scoring(runtime: Runtime, maximum_rows: int) -> Document:
    """Return the operation of MLflow's scoring protocol."""
    request = {"schema": schemas.scoring(runtime.columns, maximum_rows)}
    if runtime.columns:
        request["example"] = {"dataframe_records": [schemas.example(runtime.columns)]}
    requests = {_JSON: request, "text/csv": {"schema": {"type": "string"}}}
    summary = "Predict for each row, in MLflow's scoring protocol."
    return _operation(summary, requests, schemas.scored(runtime), schemas.error_of_scoring())


def _open_inference(runtime: Runtime) -> Document:
    """Return the operation of the Open Inference Protocol."""
    request = {"schema": schemas.tensors(runtime)}
    if runtime.columns:
        request["example"] = schemas.tensor_example(runtime.columns)
    summary = "Predict for each row of tensors, in the Open Inference Protocol, version 2."
    return _operation(summary, {_JSON: request}, schemas.inferred(), schemas.error_of_open_inference())


def _operation(summary: str, requests: Document, answer: Document, refusal: Document) -> Document:
    """Return the operation of a path that predicts."""
    answers = {"200": {"description": "A prediction for each row.", "content": {_JSON: {"schema": answer}}}}
    for status, text in _REFUSALS.items():
        answers[str(status)] = {"description": text, "content": {_JSON: {"schema": refusal}}}
    return {"summary": summary, "requestBody": {"required": True, "content": requests}, "responses": answers}
