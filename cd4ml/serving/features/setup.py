"""The online store that the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cd4ml.serving.features.entities import Entity, entities_of
from cd4ml.serving.features.fetching import FeatureStore
from cd4ml.serving.features.held import Held, Key
from cd4ml.serving.settings import Settings, SettingsError
from cd4ml.serving.stores.lookups import Source


def feature_store(settings: Settings) -> FeatureStore:
    """Return the store; `FEATURE_STORE_URL` or `FEATURE_ENTITIES` must be set.

    Raises:
        SettingsError: a setting has a value that it cannot have.
    """
    if not settings.feature_store_url or not settings.feature_entities:
        raise SettingsError("FEATURE_STORE_URL and FEATURE_ENTITIES need each other")
    entities = entities_of(settings.feature_entities)
    oldest = settings.feature_max_age_seconds
    return FeatureStore(
        _source(settings, entities),
        entities,
        budget=settings.feature_budget_ms / 1000,
        oldest=timedelta(seconds=oldest) if oldest else None,
        nulls=settings.feature_missing == "null",
        most_rows=settings.max_rows,
    )


def _source(settings: Settings, entities: Sequence[Entity]) -> Source[Key, Held]:
    """Return what asks the store; a client is imported only where it is used."""
    if settings.feature_store_url.startswith(("http://", "https://")):
        from cd4ml.serving.features.feast import Feast

        return Feast(settings.feature_store_url, entities, token=settings.feature_store_token)
    from cd4ml.serving.features.hashes import Hashes

    return Hashes(
        settings.feature_store_url,
        entities,
        cluster=settings.feature_store_cluster == "true",
        prefix=settings.feature_prefix,
    )
