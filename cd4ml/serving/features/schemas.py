"""JSON schema of a request that names entities: what `/openapi.json` says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cd4ml.feature_store import layout
from cd4ml.serving.features.entities import Entity
from cd4ml.serving.protocols import schemas
from cd4ml.serving.signature import Column

Schema = dict[str, Any]


def entities_or_rows(rows: Schema, entities: Sequence[Entity], columns: Sequence[Column]) -> Schema:
    """Return a request of `/predict` with whole rows or with entities.

    Args:
        rows: the request with whole rows.
    """
    array = {**rows["properties"]["rows"], "items": _object(entities, columns)}
    named = {"type": "object", "properties": {"entities": array}, "required": ["entities"]}
    return {"oneOf": [rows, {**named, "additionalProperties": False}]}


def _object(entities: Sequence[Entity], columns: Sequence[Column]) -> Schema:
    """Return an object that names entities and gives the columns that are not fetched."""
    fetched = {name for entity in entities for name in entity.features}
    properties = {column.name: schemas.value(column) for column in columns}
    properties |= {entity.name: _key(entity) for entity in entities}
    # Which of an entity and all of its features must be there is beyond a plain list.
    either = [{"anyOf": [{"required": [one.name]}, {"required": list(one.features)}]} for one in entities]
    required = [column.name for column in columns if column.required and column.name not in fetched]
    object_ = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {**object_, "minProperties": 1, "allOf": either}


def _key(entity: Entity) -> Schema:
    """Return the value that names an entity."""
    if entity.type == "string":
        return {"type": "string", "minLength": 1, "maxLength": layout.LONGEST_ENTITY}
    return schemas.value(Column(name=entity.name, type=entity.type))
