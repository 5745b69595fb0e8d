"""The description of the gateway's paths: FastAPI writes it, and answers nothing itself."""

from __future__ import annotations

import json
from typing import Any


def openapi() -> bytes:
    """Return the OpenAPI document."""
    from fastapi import FastAPI

    app = FastAPI(title="Model server", docs_url=None, redoc_url=None)
    app.get("/health/liveness", summary="Whether the process works.")(_nothing)
    app.get("/health/readiness", summary="Whether predictions can be asked for.")(_nothing)
    app.get("/version", summary="Which model and which Python.")(_nothing)
    app.post("/predict", summary="Predict for each row.", openapi_extra=_request_schema())(_nothing)
    return json.dumps(app.openapi()).encode()


def _nothing() -> None:
    """Stand for a path."""


def _request_schema() -> dict[str, Any]:
    """Return the request's description for OpenAPI."""
    row = {"type": "object", "minProperties": 1}
    table = {"type": "array", "minItems": 1, "items": row}
    schema = {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {"rows": table}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
