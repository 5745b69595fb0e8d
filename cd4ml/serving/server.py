"""The server around the gateway: one process, bounded connections, an end that nothing holds up."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from cd4ml.serving.app import Gateway
from cd4ml.serving.connections import protocol
from cd4ml.serving.exchange import Observer
from cd4ml.serving.pages import Page
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import Service, State
from cd4ml.serving.telemetry.metrics import families
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.telemetry.metrics.exposition import CONTENT_TYPE
from cd4ml.serving.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from cd4ml.serving.cache.predictions import PredictionCache

# Files that a process needs beside its connections: the model, libraries, the event loop.
_OTHER_FILES = 100
_FAILED = 3


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM and return the exit code; requests that have begun are answered first.

    Raises:
        SettingsError: a variable has a value that it cannot have.
    """
    settings = Settings.read(environ)
    service = Service.read(settings.service_file)
    # No setting of the gateway: in an image, where every setting has its place, it counts for nothing.
    python_models = environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").lower() == "true"
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = settings.connections if files < 0 else min(settings.connections, max(1, files - _OTHER_FILES))
    state = State(folder=settings.model_directory, service=service, python_models=python_models)
    telemetry = Telemetry(settings, environ, model=service.model, runtime=lambda: state.runtime, board=Board())
    config = uvicorn.Config(
        gateway(state, settings, telemetry),
        host=settings.host,
        port=settings.port,
        # Whatever WEB_CONCURRENCY says: the platform runs more copies of the image, not of the process.
        workers=1,
        http=protocol(seconds=settings.header_seconds, most=most),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=20,
    )
    server = uvicorn.Server(config)
    telemetry.start()
    try:
        server.run()
    finally:
        telemetry.close()
    return 0 if server.started else _FAILED


def gateway(state: State, settings: Settings, telemetry: Telemetry) -> Gateway:
    """Return the application with what the settings ask for; what they do not is not even imported.

    Raises:
        SettingsError: a variable has a value that it cannot have.
    """
    observers: list[Observer] = list(telemetry.observers)
    metrics = telemetry.metrics
    cache: PredictionCache | None = None
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
    app = Gateway(state, settings, observers, cache, telemetry.context)
    metrics.gauge(families.IN_FLIGHT, lambda: app.in_flight)
    metrics.gauge(families.WAITING, lambda: max(0, app.calls.in_threads - settings.threads))
    app.pages["/metrics"] = lambda: Page(body=metrics.text(), media_type=CONTENT_TYPE)
    return app
