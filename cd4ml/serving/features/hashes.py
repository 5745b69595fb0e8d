"""Features in Redis, in the layout of `cd4ml.feature_store`: one hash for each entity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from redis.exceptions import ResponseError

from cd4ml.feature_store import layout
from cd4ml.serving.features.entities import Entity
from cd4ml.serving.features.held import Held, Key, Lack, Value
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.stores.connection import connect

_UNUSABLE: Final = Value(lack=Lack.UNUSABLE)


class Hashes:
    """See Source."""

    def __init__(self, url: str, entities: Sequence[Entity], *, cluster: bool, prefix: str) -> None:
        """Prepare; no connection is made yet.

        Raises:
            SettingsError: the URL is none of Redis, or a feature has a name that is not one here.
        """
        for name in (one for entity in entities for one in entity.features.values()):
            if name.startswith(layout.RESERVED):
                raise SettingsError(f"FEATURE_ENTITIES: no feature in Redis begins with {layout.RESERVED}")
        self._redis = connect(url, cluster=cluster, setting="FEATURE_STORE_URL")
        self._entities, self._prefix = entities, prefix
        self._fields = [
            [layout.LAYOUT, layout.EVENT_TIMESTAMP, *(name.encode() for name in entity.features.values())]
            for entity in entities
        ]

    async def get(self, keys: Sequence[Key]) -> list[Held]:
        """Return what the store holds of entities; one round trip, to each server of a cluster."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                name = layout.key_of(self._entities[key.entity].name, key.value, prefix=self._prefix)
                pipeline.hmget(name, self._fields[key.entity])
            answers = await pipeline.execute(raise_on_error=False)
        return [self._held(key, answer) for key, answer in zip(keys, answers, strict=True)]

    async def probe(self) -> None:
        """See Source: asks for what no entity is, by the command that requests use."""
        _texts(await self._redis.hmget(f"{self._prefix}:".encode(), [layout.LAYOUT]), 1)

    async def close(self) -> None:
        """See Source."""
        await self._redis.aclose()

    def _held(self, key: Key, answer: Any) -> Held:
        """Return what an answer says of an entity.

        Raises:
            RedisError, ValueError: the answer is that the server cannot answer, or none that Redis gives.
        """
        entity = self._entities[key.entity]
        if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
            return dict.fromkeys(entity.features, _UNUSABLE)
        if isinstance(answer, BaseException):
            raise answer
        version, moment, *fields = _texts(answer, len(self._fields[key.entity]))
        if version is None and moment is None and not any(field is not None for field in fields):
            return {}
        try:
            held = layout.moment_of(moment or b"")
        except layout.Unreadable:
            held = None
        if version != layout.VERSION or held is None:
            return dict.fromkeys(entity.features, _UNUSABLE)
        named = zip(entity.features, fields, strict=True)
        return {name: _value(field, held) for name, field in named if field is not None}


def _texts(answer: Any, count: int) -> list[bytes | None]:
    """Return what fields hold, None for those that are not there.

    Raises:
        ValueError: the answer is none to a request for so many fields.
    """
    fit = isinstance(answer, list) and len(answer) == count
    if not fit or not all(text is None or isinstance(text, bytes) for text in answer):
        raise ValueError("the server does not answer like Redis")
    return [*answer]


def _value(field: bytes, moment: datetime) -> Value:
    """Return a feature as its field holds it."""
    try:
        return Value(layout.decode(field), moment)
    except layout.Unreadable:
        return _UNUSABLE
