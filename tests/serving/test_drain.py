"""The end of a gateway under load: no request that a client could send is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from tests.serving.conftest import Gateway, running

CLIENTS = 200
PROBE = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


async def client(port: int, ended: list[str]) -> None:
    """Ask again and again on one connection, until an answer says that it will be closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            writer.write(PROBE)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                ended.append("refused")
                return
            if b"connection: close" in head:
                ended.append("told")
                return
            await asyncio.sleep(0.05)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        ended.append(type(error).__name__)
    finally:
        writer.close()


async def under_load(gateway: Gateway) -> list[str]:
    """Return how each of many clients ended when the gateway was told to end."""
    ended: list[str] = []
    port = gateway.client.base_url.port or 80
    clients = [asyncio.create_task(client(port, ended)) for _ in range(CLIENTS)]
    await asyncio.sleep(0.7)
    os.kill(gateway.process.pid, signal.SIGTERM)
    await asyncio.wait(clients, timeout=20)
    return ended


def test_sigterm__no_request_is_lost(loan_model: Path, tmp_path: Path) -> None:
    """Under 200 clients that keep their connections, every one is answered, and told that the answer is the last."""
    with running(loan_model, tmp_path) as gateway:
        gateway.until(200)
        gateway.client.close()

        ended = asyncio.run(under_load(gateway))

        assert gateway.process.wait(timeout=20) == 0
    assert ended == ["told"] * CLIENTS


def test_sigterm__the_last_lines_are_written(loan_model: Path, tmp_path: Path) -> None:
    """After the drain the log is closed, so that it says which events were lost; the gateway ends with 0."""
    env = {"EVENTS": "redis://127.0.0.1:1/events", "EVENTS_DRAIN_SECONDS": "1"}
    with running(loan_model, tmp_path, env=env) as gateway:
        gateway.until(200)
        assert gateway.predict([{"age": 41, "income": 30.5, "city": "Oslo"}]).status_code == 200
        gateway.client.close()
        os.kill(gateway.process.pid, signal.SIGTERM)
        _, said = gateway.process.communicate(timeout=30)
    assert gateway.process.returncode == 0
    messages = [json.loads(line)["message"] for line in said.splitlines()]
    assert any(message.startswith("prediction events were lost: ") for message in messages)
