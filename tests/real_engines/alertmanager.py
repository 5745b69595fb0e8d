"""A real Alertmanager, and a receiver of what it sends: both on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conftest import need_program
from tests.ports import free_port
from tests.prometheus import until_answers

Labels = dict[str, str]


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run a webhook; yield its address, and the list of the alerts that came."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        """Takes alerts."""

        def do_POST(self) -> None:
            """Take those of one notification."""
            came.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """Run a server that sends every alert on at once; yield its host and port, and end it by its id."""
    at_once = {"group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    config = {
        "route": {"receiver": "people", **at_once},
        "receivers": [{"name": "people", "webhook_configs": [{"url": webhook}]}],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    command = [need_program("prometheus-alertmanager"), "--config.file=alertmanager.yml", "--storage.path=alerts"]
    command += [f"--web.listen-address={address}", "--cluster.listen-address="]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_answers(f"http://{address}/-/ready")
        yield address
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(20)
