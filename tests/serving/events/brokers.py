"""A broker that speaks Kafka's protocol for a test (tansu): its own process, all it holds in memory."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conftest import need_program
from tests.ports import free_port


@contextmanager
def serving() -> Iterator[str]:
    """Run a broker with the topic `predictions` on the loopback interface; end it by its id."""
    from confluent_kafka import admin

    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [need_program("tansu"), "--listener-url", url, "--advertised-listener-url", url]
    process = subprocess.Popen(
        [*command, "--storage-engine", "memory://tansu/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        client: Any = admin.AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        topics: Any = admin
        made = client.create_topics([topics.NewTopic("predictions", 1, 1)], operation_timeout=20)
        made["predictions"].result(20)
        yield f"127.0.0.1:{port}"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
