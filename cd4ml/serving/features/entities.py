"""What FEATURE_ENTITIES says: which entities requests may name, and which features the store has of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.feature_store import layout
from cd4ml.serving.reading import exact
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.signature import Column

TYPES: Final = ("integer", "long", "string")
_EXAMPLE: Final = '{"customer_id": {"type": "long", "features": ["income", "city"]}}'


@dataclass(frozen=True, kw_only=True)
class Entity:
    """An entity.

    Attributes:
        name: the key in requests by which it is named.
        type: `integer`, `long` or `string`, as in a model's signature.
        features: maps columns of the model to what the store calls them.
    """

    name: str
    type: str
    features: dict[str, str]

    def problem(self, value: Any) -> str | None:
        """Return why a value names no such entity, None if it does."""
        found = exact.value_problem(value, Column(name=self.name, type=self.type))
        return found or layout.entity_problem(self.plain(value))

    def plain(self, value: Any) -> Any:
        """Return a value that names an entity as the store knows it: 17.0 is 17."""
        return int(value) if isinstance(value, float) else value


def entities_of(text: str) -> tuple[Entity, ...]:
    """Return the entities that the setting declares.

    Raises:
        SettingsError: it is not of the form that it must have, or a feature belongs to two entities.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not given:
        raise SettingsError(f"FEATURE_ENTITIES must be a JSON object such as {_EXAMPLE}")
    found = tuple(_entity(name, one) for name, one in given.items())
    counts = Counter(column for entity in found for column in entity.features)
    if repeated := [column for column, count in counts.items() if count > 1]:
        raise SettingsError(f"FEATURE_ENTITIES has the feature {repeated[0][:100]!r} twice")
    return found


def check(entities: Sequence[Entity], columns: Sequence[Column]) -> None:
    """Refuse features that the model does not take: a misspelt one would be missing in every row.

    Raises:
        SettingsError: a feature is unknown.
    """
    known = {column.name for column in columns}
    for column in (column for entity in entities for column in entity.features):
        if column not in known:
            raise SettingsError(f"FEATURE_ENTITIES names an unknown column: {column[:100]!r}")


def _entity(name: str, given: Any) -> Entity:
    """Return one entity.

    Raises:
        SettingsError: it is not of the form that it must have.
    """
    where = f"FEATURE_ENTITIES: {name[:100]!r}"
    if not name or not isinstance(given, dict) or given.keys() != {"type", "features"}:
        raise SettingsError(f"{where} must be an object with `type` and `features`, as in {_EXAMPLE}")
    if given["type"] not in TYPES:
        raise SettingsError(f"{where}: the type must be one of {', '.join(TYPES)}")
    features = given["features"]
    if not isinstance(features, list) or not features or not all(isinstance(one, str) and one for one in features):
        raise SettingsError(f"{where}: features must be a list of names")
    # Feast calls a feature `view:feature`; the model's column has the feature's own name.
    columns = [reference.rpartition(":")[2] for reference in features]
    if len(set(columns)) != len(columns):
        raise SettingsError(f"{where} has a feature twice")
    return Entity(name=name, type=given["type"], features=dict(zip(columns, features, strict=True)))
