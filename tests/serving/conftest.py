"""A gateway as it runs in the image: a process of its own, called over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cd4ml.digests import folder_sha256
from cd4ml.image.dockerfile import CODE
from tests import models
from tests.conftest import ROOT, clean_environment
from tests.ports import free_port
from tests.serving.conversion import Convert, converted


@dataclass(kw_only=True)
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def predict(self, rows: Any) -> httpx.Response:
        """Ask for predictions."""
        return self.client.post("/predict", json={"rows": rows})

    def until(self, status: int, path: str = "/health/readiness", seconds: float = 120) -> httpx.Response:
        """Wait until a probe answers with the status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                response = self.client.get(path)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if response.status_code == status:
                return response
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status} within {seconds} s")


@contextmanager
def running(
    model: Path, scratch: Path, *, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = (), **service: Any
) -> Iterator[Gateway]:
    """Start the gateway for a model folder as the image holds it, its service.json beside its code; stop it by its id.

    Args:
        env: more of an environment.
        prefix: a command to start it with.
        service: more of service.json; unless it says otherwise, code that a test gave to a model may run.
    """
    port = free_port()
    app = scratch / f"app-{port}"
    for pattern in CODE:
        for source in (ROOT / "cd4ml").glob(pattern):
            (app / source.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, app / source.relative_to(ROOT))
    file = app / "service.json"
    service.setdefault("allow_code", models.brings_code(model))
    file.write_text(json.dumps({"name": "loans", "version": "3", "sha256": folder_sha256(model), **service}))
    settings = {"MODEL_DIRECTORY": str(model), "SERVICE_FILE": str(file), "HOST": "127.0.0.1", "PORT": str(port)}
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "cd4ml.serving"],
        env=clean_environment(PYTHONPATH=str(app), **settings | dict(env or {})),
        cwd=scratch,
        stderr=subprocess.PIPE,
        text=True,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        try:
            yield Gateway(process=process, client=client)
        finally:
            client.close()
            if process.poll() is None:
                os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=40)


@pytest.fixture(scope="session")
def loan_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with a signature."""
    frame = models.people()
    folder = tmp_path_factory.mktemp("models") / "loans"
    return models.save(models.classifier(frame), folder, frame[["age", "income", "city"]])


@pytest.fixture(scope="session")
def gateway(loan_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that is ready."""
    with running(loan_model, tmp_path_factory.mktemp("gateway")) as started:
        started.until(200)
        yield started


@pytest.fixture(scope="session")
def convert(tmp_path_factory: pytest.TempPathFactory) -> Convert:
    """Convert a fitted estimator, and return the folder for the gateway."""
    return lambda estimator, frame: converted(estimator, frame, tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="session")
def people(convert: Convert) -> Path:
    """The classifier of people with gaps and texts, converted."""
    frame = models.people()
    return convert(models.classifier(frame), frame[["age", "income", "city"]])
