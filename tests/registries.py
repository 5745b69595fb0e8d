"""Real MLflow registries for tests: a SQLite store, and `mlflow server` on the loopback interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import clean_environment
from tests.ports import free_port


def new_store(folder: Path) -> str:
    """Make an empty SQLite store and return its tracking URI."""
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with _quiet():
        _client(uri).search_registered_models()
    return uri


def register(uri: str, name: str, folders: Sequence[Path], *, aliases: dict[str, str] | None = None) -> None:
    """Register the folders as versions 1, 2, … of a model, and set aliases."""
    with _quiet():
        client = _client(uri)
        client.create_registered_model(name)
        for folder in folders:
            client.create_model_version(name, str(folder))
        for alias, version in (aliases or {}).items():
            client.set_registered_model_alias(name, alias, version)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warnings of MLflow's own libraries, which these tests are not about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _client(uri: str) -> Any:
    """Return MLflow's client."""
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def server(store: str, folder: Path) -> Iterator[str]:
    """Run `mlflow server` on a store until the block ends; yields its address."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port)]
    command += ["--host", "127.0.0.1", "--workers", "1", "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=clean_environment(), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield _wait(f"http://127.0.0.1:{port}", process, folder / "server.log")
        finally:
            _end(process)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address once the server answers."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return address
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"mlflow server did not start: {log.read_text()[-1000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and the workers that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
