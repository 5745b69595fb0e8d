"""The server around the gateway: one process, bounded connections, an end that nothing holds up."""

from __future__ import annotations

import resource
from collections.abc import Mapping

import uvicorn

from cd4ml.serving.app import Gateway
from cd4ml.serving.connections import protocol
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import Service, State

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
    config = uvicorn.Config(
        Gateway(State(folder=settings.model_directory, service=service, python_models=python_models), settings),
        host=settings.host,
        port=settings.port,
        # Whatever WEB_CONCURRENCY says: the platform runs more copies of the image, not of the process.
        workers=1,
        http=protocol(seconds=settings.header_seconds, most=most),
        ws="none",
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=20,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else _FAILED
