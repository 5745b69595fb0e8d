"""A socket for each worker, all on one port: the kernel shares connections out among them."""

from __future__ import annotations

import socket
from collections.abc import Sequence


def bound(host: str, port: int, count: int) -> Sequence[socket.socket]:
    """Return sockets on one port.

    Each belongs to one worker, but stays open in the process that forks them: connections that come while a worker is
    replaced wait for the next.

    Raises:
        OSError: another program listens there, which would otherwise get a share of the connections.
    """
    _bound(host, port, shared=False).close()
    return [_bound(host, port, shared=True) for _ in range(count)]


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return one socket."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
