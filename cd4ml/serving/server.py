"""The server around the gateway: bounded connections, and an end that loses no request and that nothing holds up."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from cd4ml.serving.app import Gateway
from cd4ml.serving.connections import Connection, protocol, watch
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
_LOOK_SECONDS = 0.05


class Server(uvicorn.Server):
    """uvicorn's server, which watches its connections and drains them."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def main_loop(self) -> None:
        """Watch the connections until the end."""
        watching = asyncio.create_task(watch(self.server_state))
        await super().main_loop()
        watching.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what comes on open connections for a while, and say that they will close; only then close them.

        A client may have sent a request just before it could know: on a connection that is closed at once it is lost.
        """
        connections = self.server_state.connections
        end = asyncio.get_running_loop().time() + self._settings.drain_idle_seconds
        while connections and asyncio.get_running_loop().time() < end and not self.force_exit:
            for connection in list(connections):
                connection.shutdown()
            await asyncio.sleep(_LOOK_SECONDS)
        for connection in list(connections):
            if isinstance(connection, Connection) and connection.idle:
                connection.transport.close()
        await super().shutdown(sockets)


def serve(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM and return the exit code; requests that have begun are answered first.

    Raises:
        SettingsError: a variable has a value that it cannot have.
    """
    settings = Settings.read(environ)
    service = Service.read(settings.service_file)
    # No setting of the gateway: in an image, where every setting has its place, it counts for nothing.
    python_models = environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").lower() == "true"
    state = State(folder=settings.model_directory, service=service, python_models=python_models)
    telemetry = Telemetry(settings, environ, model=service.model, runtime=lambda: state.runtime, board=Board())
    server = Server(_config(gateway(state, settings, telemetry), settings), settings)
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


def _config(app: Gateway, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn runs the gateway."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = settings.connections if files < 0 else min(settings.connections, max(1, files - _OTHER_FILES))
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # Whatever WEB_CONCURRENCY says: the platform runs more copies of the image, not of the process.
        workers=1,
        loop="uvloop",
        http=protocol(settings, most),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # What the proxy before it says of the client is no business of the gateway's.
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
