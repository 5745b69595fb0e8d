"""Start the router: `python -m cd4ml.serving.router`. ROUTES_FILE says which tracks there are."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_USAGE = 2


def main() -> NoReturn:
    """Route until SIGTERM."""
    # As process 1 of a container nothing ends by default, not even while the libraries are being imported.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    from cd4ml.serving.router.app import Router
    from cd4ml.serving.router.pairs import Pairs
    from cd4ml.serving.router.routes import read
    from cd4ml.serving.router.settings import RouterSettings
    from cd4ml.serving.server import run
    from cd4ml.serving.settings import Settings, SettingsError

    try:
        settings, own = Settings.read(os.environ), RouterSettings.read(os.environ)
        code = run(Router(read(own.routes_file), settings, own, Pairs(own.pairs)), settings)
    except SettingsError as error:
        print(f"router: {error}", file=sys.stderr)
        code = _USAGE
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
