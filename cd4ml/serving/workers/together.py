"""A gateway of several workers, from its settings to its end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final

from cd4ml.serving.settings import Settings
from cd4ml.serving.state import State
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.workers import sharing
from cd4ml.serving.workers.sockets import bound
from cd4ml.serving.workers.supervisor import Supervisor

_LOG: Final = logging.getLogger("cd4ml.serving.workers")
_FAILED: Final = 3
# What the end of a worker takes beside its drains: the last lines, and the end of the process.
_END_SECONDS: Final = 3

Work = Callable[[Board, int, str, Sequence[socket.socket]], int]


def serve(state: State, settings: Settings, count: int, work: Work) -> int:
    """Serve with several workers until SIGTERM, and return the exit code.

    Args:
        work: what a worker does: takes the board, its number, what ended the one before it, and its sockets.
    """
    try:
        sockets = bound(settings.host, settings.port, count)
    except OSError as error:
        _LOG.error("cannot listen on %s, port %d: %s", settings.host, settings.port, error.strerror)
        return _FAILED
    sharing.load(state)
    board = Board(count)
    drain = settings.drain_idle_seconds + settings.drain_seconds + settings.events_drain_seconds + _END_SECONDS
    supervisor = Supervisor(board, sockets, drain=drain)
    code = supervisor.run()
    if code is not None:
        return code
    return work(board, supervisor.worker, supervisor.after, [sockets[supervisor.worker]])
