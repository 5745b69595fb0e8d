"""buildah: builds and runs without a daemon."""

from __future__ import annotations

import json
import re
import secrets
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Build, Builder, Container, Image
from cd4ml.image.builders.command import build_flags, plain_http, push_with_file, readable, run_build, working_program
from cd4ml.image.layers import TIME
from cd4ml.image.layout import ENTRYPOINT, PYTHON
from cd4ml.image.reference import Reference
from cd4ml.process.programs import completed, end, required, start


def find(environ: Mapping[str, str]) -> Builder:
    """See BuilderModule."""
    return Buildah(program=working_program("buildah", environ), environ=environ)


@dataclass(frozen=True, kw_only=True)
class Buildah:
    """buildah: no daemon, and containers that share the machine's network and cannot be made read-only."""

    program: str
    environ: Mapping[str, str] = field(repr=False)
    name: str = "buildah"
    read_only_root: bool = False

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
        self.call(
            "pull", "--policy", "always", *plain_http(reference), str(reference), what=f"{reference} cannot be pulled"
        )

    def build(self, build: Build) -> None:
        """See Builder."""
        # Without --force-rm, a build that fails leaves its containers, and their mounts, on the machine.
        flags = ["--format", "docker", "--layers", "--force-rm", "--timestamp", str(TIME)]
        flags += [*plain_http(build.base), *build_flags(build)]
        run_build([self.program, "build", *flags, str(build.context)], self.environ)

    def once(self, image: str, argv: Sequence[str]) -> str:
        """See Builder."""
        container = self._from(image)
        try:
            return self.call("run", container, "--", *argv, what=f"{image} cannot be run", seconds=120)
        finally:
            self.call("rm", container, what="The container cannot be removed")

    def start(self, image: str) -> Container:
        """See Builder."""
        container, port = self._from(image), _free_port()
        log = Path(tempfile.mkstemp(prefix="cd4ml-container-", suffix=".log")[1])
        settings = ["--env", "HOST=127.0.0.1", "--env", f"PORT={port}", "--network", "host"]
        command = [self.program, "run", *settings, container, "--", *ENTRYPOINT]
        try:
            with log.open("wb") as stream:
                started = start(command, environ=self.environ, stdout=stream, stderr=stream)
        except BaseException:
            self.stop(Container(id=container, log=log))
            raise
        return Container(id=container, port=port, process=started, log=log)

    def execute(self, container: Container, program: str, stdin: str, *, seconds: float) -> str:
        """See Builder."""
        arguments = ["run", "--network", "host", container.id, "--", PYTHON, "-c", program]
        return self.call(*arguments, what="The container does not respond", stdin=stdin, seconds=seconds)

    def logs(self, container: Container) -> str:
        """See Builder."""
        text = container.log.read_text(encoding="utf-8", errors="replace") if container.log else ""
        return " ".join(text[-1500:].split())

    def stop(self, container: Container) -> None:
        """See Builder."""
        if container.process is not None:
            end(container.process, patience=30)
        if container.log is not None:
            container.log.unlink(missing_ok=True)
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
    )


def _free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
