"""Start the gateway: `python -m cd4ml.serving`.

MODEL_DIRECTORY holds the model, SERVICE_FILE says which one it is; HOST and PORT say where to listen.
"""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn

from cd4ml.serving.app import create
from cd4ml.serving.state import Service, State


def main() -> None:
    """Serve until SIGTERM; requests that have begun are answered first."""
    folder = Path(os.environ.get("MODEL_DIRECTORY", "/app/model"))
    service = Service.read(Path(os.environ.get("SERVICE_FILE", "/app/service.json")))
    uvicorn.run(
        create(State(folder=folder, service=service)),
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "8080")),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
