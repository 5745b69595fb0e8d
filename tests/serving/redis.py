"""A real Redis for a test: its own process, which can be killed, stopped and filled."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.conftest import need_program
from tests.ports import free_port


@dataclass(kw_only=True)
class Server:
    """A redis-server on the loopback interface."""

    port: int
    folder: Path
    options: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [need_program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [*command, "--dir", str(self.folder), *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise AssertionError("redis-server did not start")

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it at once; what it held is lost."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait(20)

    def ask(self) -> redis.Redis:
        """Return a client."""
        return redis.Redis(port=self.port)


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """Run a server; end it by its id."""
    folder = Path(tempfile.mkdtemp(prefix="cd4ml-redis-"))
    server = Server(port=free_port(), folder=folder, options=options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


@contextmanager
def serving_cluster() -> Iterator[Server]:
    """Run a cluster of one server, which has all slots."""
    # Of itself its port for other nodes would be 10,000 above, which may be no port at all.
    with serving("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        client: Any = server.ask()
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        asyncio.run(until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"))
        yield server


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)
