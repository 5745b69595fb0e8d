"""What the engines have in common: the facts about an image, the flags that they spell alike, and a failed build."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.image import process
from cd4ml.image.dockerfile import PORT
from cd4ml.image.reference import Reference

# What an engine or pip says when the other side could not be reached: nothing is known about the image then.
_UNREACHABLE: Final = re.compile(
    r"cannot connect to the docker daemon|no such host|name resolution|connection refused|network is unreachable"
    r"|i/o timeout|timed out|newconnectionerror|certificate verify failed|tls handshake|could not resolve",
    re.IGNORECASE,
)
_FAILED: Final = re.compile(r"^#(\d+) ERROR: ", re.MULTILINE)
_CLOCK: Final = re.compile(r"\d+\.\d+ ")
_COMMAND: Final = re.compile(r"Error: (?:error )?building at STEP |(?:ERROR: )?failed to solve|executor failed running")
_SAID: Final = 1500


@dataclass(frozen=True, kw_only=True)
class Image:
    """What an engine knows of an image.

    Attributes:
        id: digest of the image's configuration, `sha256:…`.
        digest: digest in a registry, None if the image was never pulled or pushed.
        size: bytes, None if the engine does not say.
    """

    id: str
    user: str
    labels: Mapping[str, str]
    digest: str | None = None
    size: int | None = None


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
    """A started container; `process` and `log` where there is no daemon that keeps them."""

    id: str
    port: int = PORT
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None


class BuildFailed(Exception):
    """The engine worked, and the build did not; the message is what the failing step said."""

    @property
    def advice(self) -> str:
        """What to do, by what was said."""
        said = str(self)
        if re.search(r"no matching distribution|could not find a version|--only-binary", said, re.IGNORECASE):
            return "The model's requirements must have wheels for the base's Python; change the pins or the base."
        if re.search(r"permission denied|read-only file system", said, re.IGNORECASE):
            return "A file of the base could not be changed, though the build runs as root; take another base-image."
        if re.search(r"unable to locate package|has no installation candidate", said, re.IGNORECASE):
            return "Look up the names in system-packages: the base's distribution does not have them."
        return "The message is what the failing step said; the whole log is the engine's."


def common_build_flags(build: Build) -> list[str]:
    """Return the flags that all engines spell alike."""
    flags = ["--file", str(build.context / "Dockerfile"), "--tag", str(build.image)]
    for key, value in sorted(build.labels.items()):
        flags += ["--label", f"{key}={value}"]
    if build.network != "default":
        flags += ["--network", build.network]
    if build.extra_ca is not None:
        flags += ["--secret", f"id=extra-ca,src={build.extra_ca}"]
    return flags


def run_build(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a build and tell a failed one from one that could not reach what it needs."""
    result = process.run(argv, environ, seconds=3600)
    if result.returncode == 0:
        return
    said = failing_step(result.stderr.strip() or result.stdout.strip())
    if _UNREACHABLE.search(result.stderr + result.stdout):
        raise UnavailableError(f"The build could not reach what it needs: {said}")
    raise BuildFailed(said)


def failing_step(log: str) -> str:
    """Return the end of what the step said in which a build failed, in one line.

    BuildKit numbers every line by its step and says at the end which one failed; buildah names the command last.
    """
    lines = log.splitlines()
    failed = _FAILED.findall(log)
    said = [line.partition(" ")[2] for line in lines if failed and line.startswith(f"#{failed[-1]} ")]
    words = [_CLOCK.sub("", line) for line in said if _CLOCK.match(line)]
    words = words or [line for line in lines if not _COMMAND.match(line)] or lines
    return " ".join(" ".join(words).split())[-_SAID:]


@contextmanager
def readable(engine: str, reference: str) -> Iterator[None]:
    """Refuse an engine's description of an image that is none."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnavailableError(f"{engine} described {reference} in a form that cannot be read.") from error


def push_with_file(program: str, environ: Mapping[str, str], image: Reference) -> str:
    """Push with an engine that writes the digest to a file."""
    with tempfile.TemporaryDirectory(prefix="cd4ml-push-") as scratch:
        file = Path(scratch) / "digest"
        flags = ["--digestfile", str(file), *plain_http(image)]
        process.require([program, "push", *flags, str(image)], environ, f"{image} cannot be pushed", seconds=1800)
        return one_digest([file.read_text(encoding="utf-8").strip()], image)


def one_digest(found: Sequence[str], image: Reference) -> str:
    """Return the digest that a push named."""
    if len(set(found)) != 1 or not re.fullmatch(r"sha256:[a-f0-9]{64}", found[0]):
        raise UnavailableError(f"{image} was sent, but the engine named no digest: nothing can be said about it.")
    return found[0]


def plain_http(reference: Reference) -> list[str]:
    """Allow plain HTTP to a registry on this machine, as docker does by itself."""
    return ["--tls-verify=false"] if reference.loopback else []
