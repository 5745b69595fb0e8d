"""Features of a Feast feature server: `POST /get-online-features`, for each kind of entity one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cd4ml.feature_store import layout
from cd4ml.serving.features.entities import Entity
from cd4ml.serving.features.held import Held, Key, Lack, Value
from cd4ml.serving.features.http import Server
from cd4ml.serving.settings import SettingsError

_UNUSABLE: Final = Value(lack=Lack.UNUSABLE)
_OK: Final = 200
_SCALAR: Final = (str, int, float, bool, type(None))
# What Feast says of a value. https://docs.feast.dev/reference/feature-servers/python-feature-server
_LACKS: Final = {"NOT_FOUND": Lack.MISSING, "OUTSIDE_MAX_AGE": Lack.STALE}
_HELD: Final = frozenset({"PRESENT", "NULL_VALUE"})
# Feast's word for no moment at all.
_NEVER: Final = datetime.fromtimestamp(0, UTC)


class _Metadata(msgspec.Struct):
    """What the columns of an answer are."""

    feature_names: list[str]


class _Column(msgspec.Struct):
    """A column of an answer: a value, a word and a moment for each entity."""

    values: list[Any]
    statuses: list[str]
    event_timestamps: list[datetime]


class _Online(msgspec.Struct):
    """An answer."""

    metadata: _Metadata
    results: list[_Column]


class Feast:
    """See Source."""

    def __init__(self, url: str, entities: Sequence[Entity], *, token: str) -> None:
        """Prepare; no connection is made yet.

        Raises:
            SettingsError: the URL is none of an HTTP server, or a feature is not named as Feast names it.
        """
        for reference in (one for entity in entities for one in entity.features.values()):
            if not all(reference.partition(":")) or reference.count(":") != 1:
                raise SettingsError(f"FEATURE_ENTITIES: Feast calls a feature view:feature, not {reference[:100]!r}")
        self._server = Server(url, setting="FEATURE_STORE_URL", token=token)
        self._entities = entities
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Online).decode

    async def get(self, keys: Sequence[Key]) -> list[Held]:
        """Return what the store holds of entities."""
        kinds = sorted({key.entity for key in keys})
        wanted = {kind: list(dict.fromkeys(key for key in keys if key.entity == kind)) for kind in kinds}
        asking = [asyncio.create_task(self._ask(self._entities[kind], wanted[kind])) for kind in kinds]
        try:
            answers = await asyncio.gather(*asking)
        finally:
            for task in asking:
                task.cancel()
        found: dict[Key, Held] = {}
        for kind, answer in zip(kinds, answers, strict=True):
            found |= zip(wanted[kind], answer, strict=True)
        return [found[key] for key in keys]

    async def probe(self) -> None:
        """See Source."""
        status, _ = await self._server.get("/health")
        if status != _OK:
            raise ValueError(f"Feast answers {status}")

    async def close(self) -> None:
        """See Source."""
        await self._server.close()

    async def _ask(self, entity: Entity, keys: Sequence[Key]) -> list[Held]:
        """Return what the store holds of entities of one kind."""
        asked = {
            "features": list(entity.features.values()),
            "entities": {entity.name: [key.value for key in keys]},
            "full_feature_names": False,
        }
        status, body = await self._server.post("/get-online-features", self._encode(asked))
        if status != _OK:
            raise ValueError(f"Feast answers {status}")
        answer = self._decode(body)
        columns = dict(zip(answer.metadata.feature_names, answer.results, strict=True))
        found: list[dict[str, Value]] = [{} for _ in keys]
        named = columns[entity.name].values if entity.name in columns else [key.value for key in keys]
        for name in entity.features:
            column = columns[name]
            values = zip(column.values, column.statuses, column.event_timestamps, strict=True)
            for held, key, value, one in zip(found, keys, named, values, strict=True):
                # Values are in the order of what was asked: where the answer names another entity, they are its own.
                held[name] = _value(*one) if value == key.value else _UNUSABLE
        return [*found]


def _value(value: Any, status: str, moment: datetime) -> Value:
    """Return a feature as Feast tells it."""
    if status in _LACKS:
        return Value(lack=_LACKS[status])
    try:
        held = layout.utc(moment)
    except ValueError:
        held = None
    if value is None and held == _NEVER:  # an entity that is not there, though its status may be PRESENT
        return Value(lack=Lack.MISSING)
    if status not in _HELD or not isinstance(value, _SCALAR) or held in (None, _NEVER):
        return _UNUSABLE
    return Value(value, held)
