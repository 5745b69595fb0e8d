"""buildah: builds and runs without a daemon."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.attended import attendant, executed, log_of, started, stopped
from cd4ml.image.builders.builder import Build, Builder, Container, Image
from cd4ml.image.builders.command import (
    build_flags,
    plain_http,
    push_with_file,
    readable,
    run_build,
    run_pull,
    working_program,
)
from cd4ml.image.contents import Contents, probed
from cd4ml.image.layers import TIME
from cd4ml.image.reference import Reference
from cd4ml.process.programs import completed, required


def find(environ: Mapping[str, str]) -> Builder:
    """See BuilderModule."""
    return Buildah(program=working_program("buildah", environ), environ=environ)


@dataclass(frozen=True, kw_only=True)
class Buildah:
    """buildah: no daemon, and containers without network that cannot be made read-only."""

    program: str
    environ: Mapping[str, str] = field(repr=False)
    name: str = "buildah"
    read_only_root: bool = False
    installs_system_packages: bool = True

    def call(self, *arguments: str, what: str, stdin: str | None = None, seconds: float = 600) -> str:
        """Run buildah; a failure means that nothing is known."""
        return required(
            [self.program, *arguments], what, environ=self.environ, stdin=(stdin or "").encode(), seconds=seconds
        )

    def image(self, reference: str) -> Image | None:
        """See Builder."""
        result = completed([self.program, "inspect", "--type", "image", reference], environ=self.environ, seconds=60)
        if not result.done:
            if re.search(r"image not known|no such image|does not resolve", result.complaint, re.IGNORECASE):
                return None
            raise UnavailableError(f"buildah could not inspect {reference}: {result.last_words()}")
        with readable(self.name, reference):
            return _buildah_image(json.loads(result.text))

    def pull(self, reference: Reference) -> None:
        """See Builder."""
        flags = ["--policy", "always", *plain_http(reference)]
        run_pull([self.program, "pull", *flags, str(reference)], self.environ, reference)

    def build(self, build: Build) -> None:
        """See Builder."""
        # Without --force-rm, a build that fails leaves its containers, and their mounts, on the machine.
        flags = ["--format", "docker", "--layers", "--force-rm", "--timestamp", str(TIME)]
        flags += [*plain_http(build.base), *build_flags(build)]
        run_build([self.program, "build", *flags, str(build.context)], self.environ)

    def contents(self, image: str) -> Contents:
        """See Builder."""
        return probed(image, self.once)

    def once(self, image: str, argv: Sequence[str]) -> str:
        """Run one command in a container without network and return what it printed."""
        container = self._from(image)
        try:
            return self.call("run", container, "--", *argv, what=f"{image} cannot be run", seconds=120)
        finally:
            self.call("rm", container, what="The container cannot be removed")

    def start(self, image: str) -> Container:
        """See Builder."""
        container = self._from(image)
        offline = [sys.executable, "-I", str(Path(__file__).with_name("offline.py"))]
        command = [*offline, self.program, "run", "--network", "none", container, "--", *attendant()]
        try:
            return started(command, self.environ, id=container)
        except BaseException:
            self.stop(Container(id=container))
            raise

    def execute(self, container: Container, program: str, stdin: str, *, seconds: float) -> str:
        """See Builder."""
        return executed(container, program, stdin, seconds=seconds)

    def logs(self, container: Container) -> str:
        """See Builder."""
        return log_of(container)

    def stop(self, container: Container) -> None:
        """See Builder."""
        stopped(container)
        self.call("rm", container.id, what="The container cannot be removed", seconds=60)

    def archive(self, image: str, path: Path) -> None:
        """See Builder."""
        self.call("push", "--quiet", image, f"docker-archive:{path}:{image}", what=f"{image} cannot be saved")

    def push(self, image: Reference) -> str:
        """See Builder."""
        return push_with_file(self.program, self.environ, image)

    def _from(self, image: str) -> str:
        name = f"cd4ml-{secrets.token_hex(6)}"
        try:
            return self.call("from", "--pull=false", "--name", name, image, what=f"{image} cannot be started").strip()
        except BaseException:
            completed([self.program, "rm", name], environ=self.environ, seconds=60)
            raise


def _buildah_image(document: Mapping[str, Any]) -> Image:
    """Read buildah's description of an image."""
    settings = (document.get("Docker") or {}).get("config") or {}
    name = str(document.get("FromImage") or "")
    digest = str(document.get("FromImageDigest") or "") or None
    return Image(
        id=f"sha256:{document['FromImageID']}",
        user=str(settings.get("User") or ""),
        labels=dict(settings.get("Labels") or {}),
        digest=None if name.startswith("localhost/") else digest,
        layers=tuple(((document.get("OCIv1") or {}).get("rootfs") or {}).get("diff_ids") or ()),
    )
