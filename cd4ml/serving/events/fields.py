"""The fields of a prediction event: the one place that the published schema and the documentation are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TEXT: Final = {"type": "string"}
_SCALAR: Final = {"type": ["string", "number", "boolean", "null"]}
_FEATURE: Final = {"type": [*_SCALAR["type"], "array", "object"]}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field.

    Attributes:
        schema: what it holds, as JSON Schema.
        help: a sentence for people.
        always: whether every event of the gateway has it.
    """

    schema: Mapping[str, Any]
    help: str
    always: bool = True


FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(
        schema={"type": "string", "minLength": 1},
        help="Names the event: an event that was delivered twice has the same.",
    ),
    "time": Field(schema={"type": "string", "format": "date-time"}, help="When the request began, in UTC."),
    "trace_id": Field(schema=_TEXT, help="The trace of the request, by which a label that comes later is joined."),
    "request_id": Field(schema=_TEXT, help="The request's `X-Request-ID`."),
    "row": Field(schema={"type": "integer", "minimum": 0}, help="The row's place in its request.", always=False),
    "model": Field(
        schema={
            "type": "object",
            "properties": {
                "name": _TEXT,
                "version": {"type": ["string", "null"]},
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
        },
        help="The model that answered: name, version, and the digest that the gates looked at.",
    ),
    "track": Field(
        schema={"type": "string", "minLength": 1}, help="`stable`, `canary`, `shadow`, or the name of a variant."
    ),
    "cohort": Field(schema={"type": ["string", "null"]}, help="The group of users that the request belongs to."),
    "protocol": Field(schema=_TEXT, help="The protocol of the request: `predict`, `v2` or `mlflow`."),
    "status": Field(schema={"type": "integer", "minimum": 100, "maximum": 599}, help="The HTTP status of the answer."),
    "error": Field(schema=_TEXT, help="The code of the refusal.", always=False),
    "latency_ms": Field(
        schema={"type": "number", "minimum": 0}, help="How long the whole request took in the gateway."
    ),
    "rows": Field(schema={"type": "integer", "minimum": 0}, help="How many rows the request had."),
    "cached": Field(schema={"type": "boolean"}, help="Whether the prediction came from the cache.", always=False),
    "sample": Field(
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        help="The share of requests whose events are kept, if not all are.",
        always=False,
    ),
    "features": Field(
        schema={"type": "object", "additionalProperties": _FEATURE},
        help="The row that the model got, as it was sent and fetched, without the columns of `EVENTS_OMIT` and with "
        "those of `EVENTS_HASH` hashed. A tensor is a list if it has at most 64 values in a row, else "
        "`shape`, `type` and `sha256` of its bytes.",
        always=False,
    ),
    "fetched": Field(
        schema={"type": "object", "additionalProperties": {"type": "string"}},
        help="Which of the features the [online store](features.md) gave, and when each held; without the columns of "
        "`EVENTS_OMIT`.",
        always=False,
    ),
    "prediction": Field(
        schema={
            "type": "object",
            "properties": {"y_pred": _SCALAR, "y_score": {"type": ["number", "null"]}},
            "required": ["y_pred"],
        },
        help="What was answered: `y_pred` and `y_score`.",
        always=False,
    ),
}
# What a reader may count on, whoever wrote the event.
DEMANDED: Final = ("id", "time", "track")
ONE_OF: Final = ("status", "prediction")
