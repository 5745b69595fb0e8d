"""Online stores for the tests: a gateway's features, asked as its requests ask them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cd4ml.feature_store import layout
from cd4ml.serving.exchange import Exchange
from cd4ml.serving.features.fetching import FeatureStore
from cd4ml.serving.features.setup import feature_store
from cd4ml.serving.protocols import Body, Question
from cd4ml.serving.protocols.predict import Predict
from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings
from cd4ml.serving.telemetry.context import Context
from tests.serving.protocols.conftest import MODEL, Classifier
from tests.serving.redis import Server, until

ENTITIES = '{"customer_id": {"type": "long", "features": ["income", "city", "member"]}}'
# The machine of the tests is slow itself.
BUDGET = "2000"


def write(
    server: Server,
    entity: int | str,
    features: Mapping[str, Any],
    *,
    age: timedelta = timedelta(),
    now: datetime | None = None,
) -> None:
    """Write an entity's features, which held so long before now."""
    fields: dict[Any, Any] = {**layout.fields_of(features, (now or datetime.now(UTC)) - age)}
    server.ask().hset(layout.key_of("customer_id", entity), mapping=fields)


@asynccontextmanager
async def store(url: str, *, wait: bool = True, **settings: str) -> AsyncIterator[FeatureStore]:
    """A store of features that is usable."""
    env = {"FEATURE_STORE_URL": url, "FEATURE_ENTITIES": ENTITIES, "FEATURE_BUDGET_MS": BUDGET, **settings}
    made = feature_store(Settings.read(env))
    made.know(Classifier())
    await made.start()
    try:
        if wait:
            await until(lambda: made.ready() is None)
        yield made
    finally:
        await made.close()


async def asked(used: FeatureStore, *entities: Mapping[str, Any]) -> tuple[Question, Exchange]:
    """Return what a request that names entities asks the model for."""
    exchange = Context().begin("predict", [])
    body = Body(json.dumps({"entities": entities}).encode())
    return await used.question(Predict(Classifier(), MODEL, 100), body, exchange), exchange


async def refused(used: FeatureStore, *entities: Mapping[str, Any]) -> tuple[int, str, dict[str, str]]:
    """Return status, code and problems of a request that is refused."""
    try:
        question, _ = await asked(used, *entities)
    except Refused as error:
        return error.status, error.code, {one.path: one.problem for one in error.problems}
    raise AssertionError(question)
