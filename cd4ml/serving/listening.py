"""The server around an application: bounded connections, and an end that loses no request and that nothing holds up."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from cd4ml.serving.bodies import Receive, Scope, Send
from cd4ml.serving.connections import Connection, protocol, watch
from cd4ml.serving.lingering import MOST_LINGERING
from cd4ml.serving.settings import Settings
from cd4ml.serving.whole import AtOnce

App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Files that a process needs beside its connections: the model, libraries, the event loop.
_OTHER_FILES = 100
_FAILED = 3
_LOOK_SECONDS = 0.05


def listen(
    app: App, settings: Settings, at_once: AtOnce | None = None, sockets: Sequence[socket.socket] | None = None
) -> int:
    """Serve an application until SIGTERM and return the exit code; requests that have begun are answered first.

    Args:
        at_once: what answers whole requests without the application.
        sockets: where to listen, if they are open already.
    """
    server = Server(_config(app, settings, at_once), settings)
    server.run(None if sockets is None else list(sockets))
    return 0 if server.started else _FAILED


class Server(uvicorn.Server):
    """uvicorn's server, which watches its connections and drains them."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals, and do not raise them again at the end: `listen` is to return, and others to clean up."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def main_loop(self) -> None:
        """Watch the connections until the end."""
        watching = asyncio.create_task(watch(self.server_state))
        await super().main_loop()
        watching.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what comes on open connections for a while, and say that they will close; only then close them.

        A client may have sent a request just before it could know: on a connection that is closed at once it is lost.
        """
        connections = self.server_state.connections
        end = asyncio.get_running_loop().time() + self._settings.drain_idle_seconds
        while connections and asyncio.get_running_loop().time() < end and not self.force_exit:
            for connection in list(connections):
                connection.shutdown()
            await asyncio.sleep(_LOOK_SECONDS)
        for connection in list(connections):
            if isinstance(connection, Connection) and connection.idle:
                connection.transport.close()
        await super().shutdown(sockets)


def _config(app: App, settings: Settings, at_once: AtOnce | None) -> uvicorn.Config:
    """Return how uvicorn runs the application."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = (
        settings.connections if files < 0 else min(settings.connections, max(1, files - _OTHER_FILES - MOST_LINGERING))
    )
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # Whatever WEB_CONCURRENCY says: WORKERS says how many processes there are, each a server of its own.
        workers=1,
        loop="uvloop",
        http=protocol(settings, most, at_once),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # What the proxy before it says of the client is no business of ours.
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
