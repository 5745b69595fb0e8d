"""docker with BuildKit."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Build, Builder, Container, Image
from cd4ml.image.builders.command import build_flags, one_digest, readable, run_build, run_pull, working_program
from cd4ml.image.contents import Contents, probed
from cd4ml.image.layers import TIME
from cd4ml.image.layout import PYTHON
from cd4ml.image.reference import Reference, parse
from cd4ml.process.programs import completed, required

_SECONDS_TO_APPEAR: Final = 5.0
_DIGEST: Final = re.compile(r"digest: (sha256:[a-f0-9]{64})")


def find(environ: Mapping[str, str]) -> Builder:
    """See BuilderModule. A newer client early on PATH may lack its build component while the system's own has it."""
    return Docker(
        program=working_program("docker", environ, lambda program: _problem(program, environ)), environ=environ
    )


def _problem(program: str, environ: Mapping[str, str]) -> str | None:
    """Return why a client cannot build with BuildKit: it has no buildx component, and is too new to do without."""
    if completed([program, "buildx", "version"], environ=environ, seconds=60).done:
        return None
    version = completed([program, "version", "--format", "{{.Client.Version}}"], environ=environ, seconds=60)
    major = version.text.partition(".")[0]
    old = version.done and major.isdigit() and int(major) < 23
    return None if old else "has no BuildKit (install docker-buildx)"


@dataclass(frozen=True, kw_only=True)
class Docker:
    """docker with BuildKit; also the commands that podman shares with it."""

    program: str
    environ: Mapping[str, str] = field(repr=False)
    name: str = "docker"
    read_only_root: bool = True
    installs_system_packages: bool = True

    def call(self, *arguments: str, what: str, stdin: str | None = None, seconds: float = 600) -> str:
        """Run docker; a failure means that nothing is known."""
        return required(
            [self.program, *arguments], what, environ=self.environ, stdin=(stdin or "").encode(), seconds=seconds
        )

    def image(self, reference: str) -> Image | None:
        """See Builder."""
        result = completed([self.program, "image", "inspect", reference], environ=self.environ, seconds=60)
        if not result.done:
            if re.search(r"no such image|not known", result.complaint, re.IGNORECASE):
                return None
            raise UnavailableError(f"{self.name} could not inspect {reference}: {result.last_words()}")
        with readable(self.name, reference):
            return _docker_image(json.loads(result.text)[0], reference)

    def pull(self, reference: Reference) -> None:
        """See Builder."""
        run_pull([self.program, "pull", *self._pull_flags(reference), str(reference)], self.environ, reference)

    def build(self, build: Build) -> None:
        """See Builder."""
        arguments = ["build", *self._build_flags(build), *build_flags(build), str(build.context)]
        # An attestation of when and where it was built would give every build another digest.
        environ = {**self.environ, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        run_build([self.program, *arguments], environ)

    def contents(self, image: str) -> Contents:
        """See Builder."""
        return probed(image, self.once)

    def once(self, image: str, argv: Sequence[str]) -> str:
        """Run one command in a container without network and return what it printed."""
        entry, *rest = argv
        with self._named() as name:
            arguments = ["run", "--rm", "--name", name, "--network", "none", "--entrypoint", entry, image, *rest]
            return self.call(*arguments, what=f"{image} cannot be run", seconds=120)

    def start(self, image: str) -> Container:
        """See Builder."""
        with self._named() as name:
            arguments = ["run", "--detach", "--name", name, "--network", "none", "--read-only", "--tmpfs", "/tmp"]
            arguments += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", image]
            self.call(*arguments, what=f"{image} cannot be started", seconds=120)
            return Container(id=name)

    def execute(self, container: Container, program: str, stdin: str, *, seconds: float) -> str:
        """See Builder."""
        arguments = ["exec", "--interactive", container.id, PYTHON, "-c", program]
        return self.call(*arguments, what="The container does not respond", stdin=stdin, seconds=seconds)

    def logs(self, container: Container) -> str:
        """See Builder."""
        return completed(
            [self.program, "logs", "--tail", "20", container.id], environ=self.environ, seconds=60
        ).last_words()

    def stop(self, container: Container) -> None:
        """See Builder."""
        self.call("rm", "--force", "--volumes", container.id, what="The container cannot be removed", seconds=60)

    def archive(self, image: str, path: Path) -> None:
        """See Builder."""
        self.call("save", *self._archive_flags(), "--output", str(path), image, what=f"{image} cannot be saved")

    def push(self, image: Reference) -> str:
        """See Builder."""
        said = self.call("push", str(image), what=f"{image} cannot be pushed", seconds=1800)
        return one_digest(_DIGEST.findall(said), image)

    @contextmanager
    def _named(self) -> Iterator[str]:
        """Give a new container a name, and remove it if the block is left by an error or a signal."""
        name = f"cd4ml-{secrets.token_hex(8)}"
        try:
            yield name
        except UnavailableError:
            self._remove(name)
            raise
        except BaseException:
            # The client was cut off, and the daemon may only now be making what it was asked for.
            end = time.monotonic() + _SECONDS_TO_APPEAR
            while not self._remove(name) and time.monotonic() < end:
                time.sleep(0.2)
            raise

    def _remove(self, container: str) -> bool:
        """Remove a container, whatever it does; return whether it was there."""
        return container in completed([self.program, "rm", "--force", container], environ=self.environ, seconds=60).text

    def _build_flags(self, build: Build) -> list[str]:
        return ["--progress", "plain", "--build-arg", f"SOURCE_DATE_EPOCH={TIME}"]

    def _archive_flags(self) -> list[str]:
        return []

    def _pull_flags(self, reference: Reference) -> list[str]:
        return []


def _docker_image(document: Mapping[str, Any], reference: str) -> Image:
    """Read docker's and podman's description of an image."""
    identity = str(document["Id"]).removeprefix("sha256:")
    settings = document.get("Config") or {}
    return Image(
        id=f"sha256:{identity}",
        user=str(settings.get("User") or ""),
        labels=dict(settings.get("Labels") or {}),
        digest=_repository_digest(document.get("RepoDigests") or [], reference),
        size=int(document.get("Size") or 0) or None,
        layers=tuple((document.get("RootFS") or {}).get("Layers") or ()),
    )


def _repository_digest(listed: Sequence[str], reference: str) -> str | None:
    """Return the digest that the image has in the registry of the reference, not in some other one."""
    wanted = _familiar(reference)
    return next((item.rpartition("@")[2] for item in listed if _familiar(item) == wanted), None)


def _familiar(reference: str) -> str:
    """Return a name without tag, digest and the host that builders add or leave out."""
    if reference.startswith("sha256:"):
        return reference
    name = parse(reference, "image").name
    for prefix in ("docker.io/library/", "docker.io/", "localhost/"):
        name = name.removeprefix(prefix)
    return name
