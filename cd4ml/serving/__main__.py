"""Start the gateway: `python -m cd4ml.serving`.

MODEL_DIRECTORY holds the model, SERVICE_FILE says which one it is; HOST and PORT say where to listen.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_USAGE = 2


def main() -> NoReturn:
    """Serve until SIGTERM; a thread that still loads or predicts then must not hold up the end."""
    # As process 1 of a container nothing ends by default, not even while the libraries are being imported.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    # MLflow would write its own lines into the log, which is JSON.
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"
    from cd4ml.serving.server import serve
    from cd4ml.serving.settings import SettingsError
    from cd4ml.serving.telemetry.log import say_at_once

    try:
        code = serve(os.environ)
    except SettingsError as error:
        say_at_once(str(error))
        code = _USAGE
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
