"""The gateway as the settings ask for it: the model's state, telemetry, cache and events around one application."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cd4ml.serving.app import Gateway
from cd4ml.serving.exchange import Observer
from cd4ml.serving.listening import listen
from cd4ml.serving.pages import Page, unready
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import Service, State
from cd4ml.serving.telemetry.metrics import families
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.telemetry.metrics.exposition import CONTENT_TYPE
from cd4ml.serving.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from cd4ml.serving.cache.predictions import PredictionCache
    from cd4ml.serving.features.fetching import FeatureStore


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM and return the exit code; requests that have begun are answered first.

    Raises:
        SettingsError: a variable has a value that it cannot have.
    """
    settings = Settings.read(environ)
    service = Service.read(settings.service_file)
    # No setting of the gateway: in an image, where every setting has its place, it counts for nothing.
    python_models = environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").lower() == "true"
    state = State(
        folder=settings.model_directory,
        service=service,
        python_models=python_models,
        provider=settings.execution_provider,
    )
    telemetry = Telemetry(settings, environ, model=service.model, runtime=lambda: state.runtime, board=Board())
    app = gateway(state, settings, telemetry)
    telemetry.start()
    try:
        return listen(app, settings, app.at_once)
    finally:
        telemetry.close()


def gateway(state: State, settings: Settings, telemetry: Telemetry) -> Gateway:
    """Return the application with what the settings ask for; what they do not is not even imported.

    Raises:
        SettingsError: a variable has a value that it cannot have.
    """
    observers: list[Observer] = list(telemetry.observers)
    metrics = telemetry.metrics
    cache: PredictionCache | None = None
    features: FeatureStore | None = None
    state.told = (*state.told, metrics.know)
    if settings.events:
        from cd4ml.serving.events.setup import publisher

        published = publisher(settings, state.service.model)
        observers.append(published)
        metrics.outcomes(families.EVENTS, lambda: published.counts)
        state.told = (*state.told, published.know)
    if settings.cache != "off":
        from cd4ml.serving.cache.setup import prediction_cache

        cache = prediction_cache(settings, state.service.sha256)
        state.told = (*state.told, cache.know)
        metrics.outcomes(families.CACHE, partial(getattr, cache, "counts"))
    if settings.feature_store_url or settings.feature_entities:
        from cd4ml.serving.features.setup import feature_store

        features = feature_store(settings)
        state.told = (*state.told, features.know)
        features.observe = metrics.histogram(families.FETCHING)
        metrics.outcomes(families.FEATURES, partial(getattr, features, "counts"))
    app = Gateway(state, settings, observers, cache, telemetry.context, features)
    needed = [part for part in (cache, features) if part is not None]
    metrics.gauge(families.READY, lambda: not unready(state, needed))
    metrics.gauge(families.IN_FLIGHT, lambda: app.predicting.in_flight)
    metrics.gauge(families.WAITING, lambda: max(0, app.predicting.calls.in_threads - settings.threads))
    app.pages["/metrics"] = lambda: Page(body=metrics.text(), media_type=CONTENT_TYPE)
    return app
