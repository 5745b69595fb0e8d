"""Ports for the servers that tests start."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below the ports that Linux and macOS give to connections: between the choice and the start of a server, another
# test's request may be given any of those.
_PORTS: Final = range(10_000, 32_768)


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
