#!/usr/bin/env python3
"""The end of the gateway under load: SIGTERM while many clients that keep their connections ask for predictions.

Each client asks again and again until an answer says that the connection will be closed. A request that was sent and
not answered with 200 has failed.

benchmarks/gateway_drain.py --rounds 20 --clients 200
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.gateway_soak import COLUMNS, prepared, serving  # noqa: E402

_BODY: Final = json.dumps({"rows": [{f"x{column}": 0.5 for column in range(COLUMNS)}]}).encode()
_REQUEST: Final = (
    b"POST /predict HTTP/1.1\r\nHost: drain\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_BODY), _BODY)
)
_THINKS: Final = 0.05


def main() -> None:
    """Run the rounds, and print how the clients ended and what was answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--runtime", choices=("native", "onnx"), default="onnx")
    arguments = parser.parse_args()
    ended: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model = prepared(Path(folder), arguments.runtime)
        for _ in range(arguments.rounds):
            with serving(Path(folder), model) as (process, port, _):
                asyncio.run(under_load(process.pid, port, arguments.clients, ended))
                answered = time.monotonic()
                process.wait(40)
                slowest = max(slowest, time.monotonic() - answered)
                ended[f"exit code {process.returncode}"] += 1
    print(f"{arguments.rounds} rounds of {arguments.clients} clients: {dict(ended)}")
    print(f"from the last answer to the end at most {slowest:.1f} s")


async def under_load(pid: int, port: int, count: int, ended: Counter[str]) -> None:
    """Have clients ask, tell the gateway to end, and wait until every client has ended."""
    clients = [asyncio.create_task(client(port, ended)) for _ in range(count)]
    await asyncio.sleep(1.5)
    os.kill(pid, signal.SIGTERM)
    await asyncio.wait(clients, timeout=60)


async def client(port: int, ended: Counter[str]) -> None:
    """Ask until an answer says that the connection will be closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            writer.write(_REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            ended["answers"] += 1
            if not head.startswith(b"HTTP/1.1 200"):
                ended[f"failed: {head[9:12].decode()}"] += 1
                return
            if b"connection: close" in head:
                ended["told"] += 1
                return
            await asyncio.sleep(_THINKS)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        ended[f"failed: {type(error).__name__}"] += 1
    finally:
        writer.close()


if __name__ == "__main__":
    main()
