"""What the online store holds of entities: asked by the client that the gateway asks it by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from cd4ml.data.features.redis_store import public
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.serving.features.entities import Entity
from cd4ml.serving.features.feast import Feast
from cd4ml.serving.features.hashes import Hashes
from cd4ml.serving.features.held import Held, Key
from cd4ml.serving.settings import SettingsError
from cd4ml.stages.check_features.options import HTTP, Options
from cd4ml.user_code import UserCodeError, user_code

_AT_ONCE: Final = 500
_SECONDS: Final = 30.0


def held(
    values: Sequence[int | str], features: Sequence[str], options: Options, environ: Mapping[str, str]
) -> list[Held]:
    """Return what the store holds of each entity.

    Raises:
        OptionsError: online is the URL of no store.
        UnavailableError: the store does not answer.
    """
    http = options.online.startswith(HTTP)
    name = _server(options.online) if http else public(options.online)
    called = {column: f"{options.feature_view}:{column}" if http else column for column in features}
    kind = "string" if values and isinstance(values[0], str) else "long"
    entities = (Entity(name=options.entity, type=kind, features=called),)
    try:
        store: Feast | Hashes
        if http:
            store = Feast(options.online, entities, token=environ.get("FEATURE_STORE_TOKEN", ""))
        else:
            store = Hashes(options.online, entities, cluster=options.cluster, prefix=options.prefix)
    except SettingsError as error:
        raise OptionsError(f"online: {error}") from error
    try:
        with user_code():  # a store may answer anything, and every client has exceptions of its own
            return asyncio.run(_ask(store, [Key(0, value) for value in values]))
    except UserCodeError as error:
        raise UnavailableError(
            f"{name} does not answer as an online store: {type(error.__cause__).__name__}.",
            advice="Check that it runs, and that the features are there under these names.",
        ) from error


def _server(address: str) -> str:
    """Return the host of a server.

    Raises:
        OptionsError: the address has none.
    """
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host:
        raise OptionsError("online is not a URL")
    return host


async def _ask(store: Feast | Hashes, keys: Sequence[Key]) -> list[Held]:
    """Return what the store holds of entities, asked some at a time."""
    found: list[Held] = []
    try:
        for start in range(0, len(keys), _AT_ONCE):
            async with asyncio.timeout(_SECONDS):
                found += await store.get(keys[start : start + _AT_ONCE])
    finally:
        await store.close()
    return found
