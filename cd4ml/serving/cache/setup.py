"""The cache that the settings ask for."""

from __future__ import annotations

from typing import Final

from cd4ml.serving.cache.client import Client
from cd4ml.serving.cache.predictions import PredictionCache
from cd4ml.serving.settings import Settings, SettingsError

_SHORTEST_SECRET: Final = 16


def prediction_cache(settings: Settings, model_sha256: str) -> PredictionCache:
    """Return the cache; `CACHE` must not be `off`.

    Raises:
        SettingsError: a setting has a value that it cannot have.
    """
    if not settings.redis_url:
        raise SettingsError(f"CACHE={settings.cache} needs REDIS_URL")
    secret = settings.cache_secret.encode()
    if secret and len(secret) < _SHORTEST_SECRET:
        raise SettingsError(f"CACHE_SECRET must have at least {_SHORTEST_SECRET} bytes")
    return PredictionCache(
        Client(settings.redis_url, cluster=settings.redis_cluster == "true"),
        model_sha256=model_sha256,
        secret=secret or None,
        seconds=settings.cache_seconds,
        budget=settings.cache_budget_ms / 1000,
        slow=settings.cache_slow_ms / 1000,
        required=settings.cache == "require",
    )
