"""A program that is a container's process 1."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

USAGE: Final = 2


def run(start: Callable[[], int]) -> NoReturn:
    """Run until SIGTERM; a thread that still works then must not hold up the end.

    Args:
        start: imports what it needs, and returns the exit code.
    """
    # As process 1 of a container nothing ends by default, not even while the libraries are being imported.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    code = start()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
