"""Programs that run beside a demonstration: gateways, their router, Redis, the worker. None of them outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demonstrations.lab import ROOT
from tests.ports import free_port  # its folder is on the path once `lab` is imported

_PATIENCE: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A model that is to be served.

    Attributes:
        name: of the gateway: its events go to <name>.jsonl.
        image: by digest; empty where none was built, and the folder is served by a process.
        folder, version, sha256: of the model.
    """

    name: str
    image: str
    folder: Path
    version: str
    sha256: str


def until(ready: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait until something is true, and return it; end the demonstration if it does not come about."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > end:
            sys.exit(f"demo: {what} did not come about within {seconds:.0f} s")
        time.sleep(0.2)
    return found


def answers(address: str) -> bool:
    """Whether a server answers 200."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class Live:
    """What runs beside the demonstration, each program in a process group of its own."""

    def __init__(self, folder: Path, lab: Mapping[str, str]) -> None:
        """Prepare; logs and events go into the folder."""
        self._folder, self._lab = folder, lab
        self._groups: dict[str, subprocess.Popen[bytes]] = {}
        self.events = folder / "events"
        self.events.mkdir(parents=True)
        self._redis = ""

    def __enter__(self) -> Live:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End everything, the newest first."""
        for name in reversed(list(self._groups)):
            self.end(name)

    @property
    def containers(self) -> str:
        """The program that runs images here, empty if none answers."""
        for name in ("docker", "podman"):
            env = {**os.environ, **self._lab}
            if shutil.which(name) and not subprocess.run([name, "info"], env=env, capture_output=True).returncode:
                return name
        return ""

    def start(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start a program; what it says goes to <name>.log."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._groups[name] = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd or self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def result(self, name: str, seconds: float) -> int:
        """Wait for a program that ends by itself, and return its exit code."""
        try:
            code = self._groups[name].wait(seconds)
        except subprocess.TimeoutExpired:
            sys.exit(f"demo: {name} did not end within {seconds:.0f} s")
        del self._groups[name]
        return code

    def end(self, name: str) -> None:
        """End a program and what it started."""
        process = self._groups.pop(name)
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sent)
            except ProcessLookupError:
                pass
            try:
                process.wait(_PATIENCE)
                break
            except subprocess.TimeoutExpired:
                continue

    def check(self) -> None:
        """End the demonstration if one of the programs has ended by itself."""
        for name, process in self._groups.items():
            if process.poll() is not None:
                said = (self._folder / f"{name}.log").read_text(errors="replace")[-2000:]
                sys.exit(f"demo: {name} has ended (exit code {process.returncode}):\n{said}")

    def await_answer(self, name: str, address: str) -> None:
        """Wait until a server answers."""

        def ready() -> bool:
            self.check()
            return answers(address)

        until(ready, f"{name} at {address}", 120)

    def redis(self) -> bool:
        """Start Redis for the cache of predictions; whether there is one."""
        program = shutil.which("redis-server")
        if not program:
            return False
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.start("redis", [program, *options], env=os.environ)
        self._redis = f"redis://127.0.0.1:{port}/0"
        return True

    def gateway(self, model: Serving) -> int:
        """Start a gateway, and return its port once it is ready."""
        port = free_port()
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "TRACK_HEADER": "x-cd4ml-track", "OMP_NUM_THREADS": "1"}
        settings |= {"CACHE": "prefer", "REDIS_URL": self._redis} if self._redis else {}
        if model.image:
            self._contained(model, settings)
        else:
            self._bare(model, settings)
        self.await_answer(model.name, f"http://127.0.0.1:{port}/health/readiness")
        return port

    def _contained(self, model: Serving, settings: Mapping[str, str]) -> None:
        """Start the image as a pod would: no root, nothing to write to but /tmp and the events."""
        told = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        told += ["--env", f"EVENTS=/events/{model.name}.jsonl", "--volume", f"{self.events}:/events"]
        flags = ["--rm", "--network", "host", "--read-only", "--tmpfs", "/tmp"]
        # The events are read outside, by whoever runs this.
        flags += ["--user", f"{os.getuid()}:{os.getgid()}", *told]
        self.start(model.name, [self.containers, "run", *flags, model.image], env={**os.environ, **self._lab})

    def _bare(self, model: Serving, settings: Mapping[str, str]) -> None:
        """Start the gateway's own code on the model's folder, in the environment of this checkout."""
        service = self._folder / f"{model.name}.service.json"
        known = {"name": "loan-approval", "version": model.version, "sha256": model.sha256, "allow_code": False}
        service.write_text(json.dumps(known))
        told = {"MODEL_DIRECTORY": str(model.folder), "SERVICE_FILE": str(service), "PYTHONPATH": str(ROOT)}
        told |= {"EVENTS": str(self.events / f"{model.name}.jsonl")}
        self.start(model.name, [sys.executable, "-m", "cd4ml.serving"], env={**os.environ, **settings, **told})

    def router(self, name: str, routes: Mapping[str, Any]) -> int:
        """Start a router, and return its port once it routes."""
        port, file = free_port(), self._folder / f"{name}.json"
        file.write_text(json.dumps(routes, indent=2) + "\n")
        told = {"ROUTES_FILE": str(file), "HOST": "127.0.0.1", "PORT": str(port), "PYTHONPATH": str(ROOT)}
        self.start(name, [sys.executable, "-m", "cd4ml.serving.router"], env={**os.environ, **told})
        self.await_answer(name, f"http://127.0.0.1:{port}/router/health")
        return port
