"""A real Prometheus for a test: its own process, on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import need_program
from tests.ports import free_port


@contextmanager
def prometheus(folder: Path, targets: Sequence[Mapping[str, Any]] = (), **sections: Any) -> Iterator[str]:
    """Run a server in a folder, whose `data` it keeps; yield its address once it answers, and end it by its id.

    Args:
        targets: that it scrapes every second, as `static_configs` has them.
        sections: of its configuration, beside these.
    """
    job = {"job_name": "all", "scrape_interval": "1s", "static_configs": list(targets)}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job] if targets else [], **sections}))
    address = f"127.0.0.1:{free_port()}"
    command = [need_program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    # An alert that fires before an Alertmanager is known would be sent again after a minute.
    command += [f"--web.listen-address={address}", "--rules.alert.resend-delay=1s"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_answers(f"http://{address}/-/ready")
        yield f"http://{address}"
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(20)


def until_answers(address: str) -> None:
    """Wait until a server is ready."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} did not answer")
