"""A place to build, scan and push images, for every test that needs one: `bin/container-lab`, once a session."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing, need_program

_SCRIPT = ROOT / "bin" / "container-lab"
_MISSING = 3


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running laboratory.

    Attributes:
        environ: variables that programs need to reach the engine.
        registry: host and port of the registry.
        trivy_cache: a folder with the tests' vulnerability database.
    """

    environ: dict[str, str]
    registry: str
    base_image: str
    network: str
    extra_ca: str
    trivy: str
    trivy_cache: str

    def arguments(self) -> list[str]:
        """Return build-image's options for this machine; without secrets, which take long to look for."""
        options = ["--base-image", self.base_image, "--build-network", self.network, "--extra-ca", self.extra_ca]
        return [
            *options,
            "--trivy",
            self.trivy,
            "--trivy-cache",
            self.trivy_cache,
            "--scan-offline",
            "--scanners",
            "vuln,license",
        ]

    def digest(self, reference: str) -> str | None:
        """Return the digest that the registry serves for a name, None if it has no such image."""
        crane = need_program("crane")
        asked = subprocess.run([crane, "digest", reference], capture_output=True, text=True, check=False, timeout=60)
        return asked.stdout.strip() if asked.returncode == 0 else None


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A container engine, a registry on the loopback interface, a base image and a vulnerability database."""
    # Not pytest's own folder: the path of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="cd4ml-lab-"))
    command = [sys.executable, str(_SCRIPT)]
    started = subprocess.run(
        [*command, "start", str(folder), "--offline"], capture_output=True, text=True, check=False, timeout=400
    )
    try:
        if started.returncode == _MISSING:
            missing(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        values = dict(line.split("=", 1) for line in started.stdout.splitlines())
        yield Lab(
            environ={name: values[name] for name in ("DOCKER_HOST",) if name in values},
            registry=values["REGISTRY"],
            base_image=values["BASE_IMAGE"],
            network=values.get("BUILD_NETWORK", "default"),
            extra_ca=values.get("EXTRA_CA", ""),
            trivy=values["TRIVY"],
            trivy_cache=values["TRIVY_CACHE_DIR"],
        )
    finally:
        subprocess.run([*command, "stop", str(folder)], check=False, timeout=120)
        # Its layers are hundreds of thousands of files, which nobody has to wait for.
        subprocess.run(["sh", "-c", 'rm -rf "$1" 2>/dev/null &', "sh", folder], check=False)
