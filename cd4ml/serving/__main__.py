"""Start the gateway: `python -m cd4ml.serving`.

MODEL_DIRECTORY holds the model, SERVICE_FILE says which one it is; HOST and PORT say where to listen.
"""

from __future__ import annotations

import os

from cd4ml.serving.program import USAGE, run


def start() -> int:
    """Serve until SIGTERM, and return the exit code."""
    # MLflow would write its own lines into the log, which is JSON.
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"
    from cd4ml.serving.server import serve
    from cd4ml.serving.settings import SettingsError
    from cd4ml.serving.telemetry.log import say_at_once

    try:
        return serve(os.environ)
    except SettingsError as error:
        say_at_once(str(error))
        return USAGE


if __name__ == "__main__":
    run(start)
