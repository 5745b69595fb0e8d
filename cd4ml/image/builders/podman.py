"""podman: docker's commands, with its own ideas of format, plain HTTP and digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cd4ml.image.builders.builder import Build, Builder
from cd4ml.image.builders.command import plain_http, push_with_file, working_program
from cd4ml.image.builders.docker import Docker
from cd4ml.image.layers import TIME
from cd4ml.image.reference import Reference


def find(environ: Mapping[str, str]) -> Builder:
    """See BuilderModule."""
    return Podman(program=working_program("podman", environ), environ=environ)


@dataclass(frozen=True, kw_only=True)
class Podman(Docker):
    """podman, by the commands that it shares with docker."""

    name: str = "podman"

    def push(self, image: Reference) -> str:
        """See Builder."""
        return push_with_file(self.program, self.environ, image)

    def _build_flags(self, build: Build) -> list[str]:
        # docker's format keeps the image's id the same in every archive and registry.
        return ["--format", "docker", "--timestamp", str(TIME), *plain_http(build.base)]

    def _archive_flags(self) -> list[str]:
        return ["--format", "docker-archive"]

    def _pull_flags(self, reference: Reference) -> list[str]:
        return plain_http(reference)
