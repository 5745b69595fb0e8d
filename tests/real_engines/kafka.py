"""A real Kafka for a test: one broker in KRaft mode on the loopback interface, as bin/setup-tools has it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conftest import need_program
from tests.ports import free_port

# The identifier of a cluster, as Kafka's documentation has one.
_CLUSTER: Final = "MkU3OEVBNTcwNTJENDM2Qg"


@dataclass(kw_only=True)
class Broker:
    """A broker that can be stopped, frozen and started again with what it held."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def format(self) -> None:
        """Write its settings, and prepare its folder once."""
        (self.folder / "server.properties").write_text(_settings(self.port, free_port(), self.folder / "data"))
        options = ["-t", _CLUSTER, "-c", str(self.folder / "server.properties"), "--ignore-formatted"]
        command = self._java("kafka.tools.StorageTool", "format", *options)
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            command = self._java("kafka.Kafka", str(self.folder / "server.properties"))
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    self.admin().list_topics(timeout=60)
                    return
            time.sleep(0.1)
        self.end()
        raise AssertionError(f"Kafka did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        """Shut it down as an administrator does."""
        assert self.process is not None
        self.signal(signal.SIGTERM)
        self.process.wait(120)

    def end(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait(30)

    def admin(self) -> Any:
        """Return a client for its administration."""
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.address})

    def topic(self, name: str, partitions: int = 3) -> None:
        """Create a topic, and wait until it is there."""
        from confluent_kafka import admin

        new: Any = admin
        client = self.admin()  # what it was asked ends with it
        client.create_topics([new.NewTopic(name, partitions, 1)], operation_timeout=60)[name].result(60)

    def _java(self, *arguments: str) -> list[str]:
        """Return the command of one of its programs."""
        return [need_program("kafka"), *arguments]


@contextmanager
def running() -> Iterator[Broker]:
    """Run a broker; end it by its id."""
    folder = Path(tempfile.mkdtemp(prefix="cd4ml-kafka-"))
    broker = Broker(folder=folder, port=free_port())
    try:
        broker.format()
        broker.start()
        yield broker
    finally:
        broker.end()
        shutil.rmtree(folder, ignore_errors=True)


def _settings(port: int, controller: int, data: Path) -> str:
    """Return the settings of a broker that is its own controller."""
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""
