"""What the stage asks of a builder, and the facts that go to and fro."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cd4ml.image.contents import Contents
from cd4ml.image.layout import PORT
from cd4ml.image.reference import Reference
from cd4ml.process.programs import Process


@dataclass(frozen=True, kw_only=True)
class Image:
    """What a builder knows of an image.

    Attributes:
        id: digest of the image's configuration, `sha256:…`.
        digest: digest in a registry, None if the image was never pulled or pushed.
        size: bytes, None if the builder does not say.
        layers: digests of its layers' contents, the lowest first; empty if the builder does not say.
    """

    id: str
    user: str
    labels: Mapping[str, str]
    digest: str | None = None
    size: int | None = None
    layers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a build needs."""

    context: Path
    image: Reference
    base: Reference
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = "default"
    extra_ca: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Container:
    """A started container; `process`, `log` and `folder` where there is no daemon that keeps them."""

    id: str
    port: int = PORT
    process: Process | None = None
    log: Path | None = None
    folder: Path | None = None


class Builder(Protocol):
    """What is asked of a builder. Every method raises UnavailableError if the program behind it does not answer."""

    @property
    def name(self) -> str:
        """Its name, a key of BUILDERS."""

    @property
    def read_only_root(self) -> bool:
        """Whether it can start a container whose root file system is read-only."""

    @property
    def installs_system_packages(self) -> bool:
        """Whether it can install packages of the base's distribution."""

    def image(self, reference: str) -> Image | None:
        """Return what is known of a local image, None if it is not there."""

    def pull(self, reference: Reference) -> None:
        """Fetch an image from its registry."""

    def build(self, build: Build) -> None:
        """Build and tag an image. Raises BuildFailed."""

    def contents(self, image: str) -> Contents:
        """Return which Python an image has, and what in it installs packages."""

    def start(self, image: str) -> Container:
        """Start the image as it will run: its own command and user; no network and only /tmp writable, where it can."""

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
