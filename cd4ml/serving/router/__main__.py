"""Start the router: `python -m cd4ml.serving.router`. ROUTES_FILE says which tracks there are."""

from __future__ import annotations

import os
import sys

from cd4ml.serving.program import USAGE, run


def start() -> int:
    """Route until SIGTERM, and return the exit code."""
    from cd4ml.serving.listening import listen
    from cd4ml.serving.router.app import Router
    from cd4ml.serving.router.pairs import Pairs
    from cd4ml.serving.router.routes import read
    from cd4ml.serving.router.settings import RouterSettings
    from cd4ml.serving.settings import Settings, SettingsError

    try:
        settings, own = Settings.read(os.environ), RouterSettings.read(os.environ)
        if settings.workers != 1:
            raise SettingsError("WORKERS: the router is one process; run more replicas of it")
        return listen(Router(read(own.routes_file), settings, own, Pairs(own.pairs)), settings)
    except SettingsError as error:
        print(f"router: {error}", file=sys.stderr)
        return USAGE


if __name__ == "__main__":
    run(start)
