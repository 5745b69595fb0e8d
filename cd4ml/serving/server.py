"""The gateway as the settings ask for it: the model's state, telemetry, cache and events around one application."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cd4ml.serving.app import Gateway
from cd4ml.serving.exchange import Observer
from cd4ml.serving.listening import listen
from cd4ml.serving.pages import Page, Part, unready
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import Service, State
from cd4ml.serving.telemetry.lines import LinesAtOnce
from cd4ml.serving.telemetry.log import log_to
from cd4ml.serving.telemetry.metrics import families
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.telemetry.metrics.exposition import CONTENT_TYPE
from cd4ml.serving.telemetry.metrics.ranges import demand
from cd4ml.serving.telemetry.telemetry import Telemetry
from cd4ml.serving.workers.others import Others
from cd4ml.serving.workers.processors import workers

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

    def work(board: Board, worker: int = 0, after: str = "", sockets: Sequence[socket.socket] | None = None) -> int:
        """Serve in this process; see `together.Work`."""
        telemetry, app = _observed(state, settings, environ, board, worker)
        if after:
            telemetry.metrics.replaces(after)
        telemetry.start()
        try:
            return listen(app, settings, app.at_once, sockets)
        finally:
            telemetry.close()

    count = workers(settings.workers)
    if count == 1:
        return work(Board())
    from cd4ml.serving.workers import together

    # What cannot be is said now, and once.
    _observed(replace(state), settings, environ, Board())
    log_to(LinesAtOnce(), level=settings.log_level)
    return together.serve(state, settings, count, work)


def _observed(
    state: State, settings: Settings, environ: Mapping[str, str], board: Board, worker: int = 0
) -> tuple[Telemetry, Gateway]:
    """Return the application of one process, and what observes it.

    Raises:
        SettingsError: a variable has a value that it cannot have.
    """
    telemetry = Telemetry(
        settings, environ, model=state.service.model, runtime=lambda: state.runtime, board=board, worker=worker
    )
    return telemetry, gateway(state, settings, telemetry, Others(board, worker))


def gateway(state: State, settings: Settings, telemetry: Telemetry, others: Part | None = None) -> Gateway:
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
    app = Gateway(state, settings, observers, cache, telemetry.context, features, others)
    if settings.out_of_range == "refuse":
        app.predicting.demand = partial(demand, telemetry.ranges)
    needed = [part for part in (cache, features) if part is not None]
    metrics.ready = lambda: not unready(state, needed)
    metrics.gauge(families.IN_FLIGHT, lambda: app.predicting.in_flight)
    metrics.gauge(families.WAITING, lambda: max(0, app.predicting.calls.in_threads - settings.threads))
    app.pages["/metrics"] = lambda: Page(body=metrics.text(), media_type=CONTENT_TYPE)
    return app
