"""One interface for docker, podman and buildah, and which of them this machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from cd4ml.errors import UnavailableError
from cd4ml.image import process
from cd4ml.image.buildah import Buildah
from cd4ml.image.docker import Docker, Podman
from cd4ml.image.facts import Build, Container, Image
from cd4ml.image.reference import Reference


class Engine(Protocol):
    """What the stage asks of an engine. Every method raises UnavailableError if the engine does not answer."""

    @property
    def name(self) -> str:
        """The engine's name, a key of ENGINES."""

    def image(self, reference: str) -> Image | None:
        """Return what is known of a local image, None if it is not there."""

    def pull(self, reference: Reference) -> None:
        """Fetch an image from its registry."""

    def build(self, build: Build) -> None:
        """Build and tag an image. Raises BuildFailed."""

    def once(self, image: str, argv: Sequence[str]) -> str:
        """Run one command in a container without network and return what it printed."""

    def start(self, image: str) -> Container:
        """Start the image as it will run: its own command and user, no network, nothing writable but /tmp."""

    def execute(self, container: Container, program: str, stdin: str, *, seconds: float) -> str:
        """Run a Python program inside the container and return what it printed."""

    def logs(self, container: Container) -> str:
        """Return the end of what the container wrote."""

    def stop(self, container: Container) -> None:
        """Stop and remove the container."""

    def archive(self, image: str, path: Path) -> None:
        """Write the image to a file, in docker's format."""

    def push(self, image: Reference) -> str:
        """Push the image and return the digest of what was sent."""


ENGINES: Final[dict[str, type[Docker] | type[Buildah]]] = {"docker": Docker, "podman": Podman, "buildah": Buildah}


def detect(wanted: str, environ: Mapping[str, str]) -> Engine:
    """Return the engine of that name, or for `auto` the first that answers, in the order of ENGINES.

    Raises:
        UnavailableError: none answers; the message says why, engine by engine.
    """
    problems = []
    for name in ENGINES if wanted == "auto" else (wanted,):
        program, problem = _usable(name, environ)
        if program is not None:
            return ENGINES[name](program=program, environ=environ)
        problems.append(f"{name}: {problem}")
    raise UnavailableError(
        f"No container engine answers ({'; '.join(problems)}).",
        advice="Start docker, or install podman or buildah, or name one with --engine.",
    )


def _usable(name: str, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the engine's program if it works, else why it does not."""
    problem = "not on PATH"
    # A newer docker client early on PATH may lack its build component while the system's own has it.
    for folder in dict.fromkeys(environ.get("PATH", "").split(os.pathsep)):
        program = Path(folder) / name
        if not folder or not os.access(program, os.X_OK) or program.is_dir():
            continue
        answer = process.run([str(program), "info"], environ, seconds=60)
        if answer.returncode != 0:
            problem = f"does not answer: {process.tail(answer)[:300]}"
        elif name == "docker" and not _builds(str(program), environ):
            problem = "has no BuildKit (install docker-buildx)"
        else:
            return str(program), ""
    return None, problem


def _builds(program: str, environ: Mapping[str, str]) -> bool:
    """Whether a docker client can build with BuildKit: by its buildx component, or because it is older than that."""
    if process.run([program, "buildx", "version"], environ, seconds=60).returncode == 0:
        return True
    version = process.run([program, "version", "--format", "{{.Client.Version}}"], environ, seconds=60)
    major = version.stdout.partition(".")[0]
    return version.returncode == 0 and major.isdigit() and int(major) < 23
