"""What the builders' command lines have in common: how a program is found, flags, and what a build and a push say."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Build
from cd4ml.image.builders.failure import BuildFailed, failing_step
from cd4ml.image.reference import Reference
from cd4ml.image.registry_api.transport import BrokenOffError
from cd4ml.process.programs import TimeLimitError, completed, required

# What a builder or pip says when the other side could not be reached: nothing is known about the image then.
_UNREACHABLE: Final = re.compile(
    r"cannot connect to the docker daemon|no such host|name resolution|connection refused|network is unreachable"
    r"|i/o timeout|timed out|newconnectionerror|certificate verify failed|tls handshake|could not resolve"
    # The engine has ended, or the machine has run out of something.
    r"|error during connect|transport is closing|unexpected eof|connection reset|no space left on device"
    r"|signal: killed|exit code: 137|exit status 137",
    re.IGNORECASE,
)
# What a builder says when the registry gave no answer at all, or was not able to: no refusal.
_NO_ANSWER: Final = re.compile(
    r"no such host|name resolution|connection refused|connection reset|network is unreachable|no route to host"
    r"|i/o timeout|timed out|handshake timeout|timeout exceeded|deadline exceeded|unexpected eof|: eof\b"
    r"|http status(?: code)?:? 5\d\d|\b50[0-4] (?:internal|not implemented|bad gateway|service|gateway)",
    re.IGNORECASE,
)


def working_program(
    name: str, environ: Mapping[str, str], problem: Callable[[str], str | None] = lambda _: None
) -> str:
    """Return the first program of this name on PATH that works.

    Args:
        problem: says of a program that answers why it cannot build, None if it can.

    Raises:
        UnavailableError: none works; the message says why, of the last one.
    """
    found = "not on PATH"
    for folder in dict.fromkeys(environ.get("PATH", "").split(os.pathsep)):
        program = Path(folder) / name
        if not folder or not os.access(program, os.X_OK) or program.is_dir():
            continue
        answer = completed([str(program), "info"], environ=environ, seconds=60)
        if not answer.done:
            found = f"does not answer: {answer.last_words()[:300]}"
            continue
        against = problem(str(program))
        if against is None:
            return str(program)
        found = against
    raise UnavailableError(found)


def build_flags(build: Build) -> list[str]:
    """Return the flags that all of them spell alike."""
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
    result = completed(argv, environ=environ, seconds=3600)
    if result.done:
        return
    said = failing_step(result.complaint.strip() or result.text.strip())
    if result.code < 0 or _UNREACHABLE.search(result.complaint + result.text):
        raise UnavailableError(f"The build could not reach what it needs, or was ended: {said}")
    raise BuildFailed(said)


def run_pull(argv: Sequence[str], environ: Mapping[str, str], reference: Reference) -> None:
    """Pull an image.

    Raises:
        BrokenOffError: its registry gave no answer.
        UnavailableError: the registry refuses, or the builder cannot take the image.
    """
    what = f"{reference} cannot be pulled"
    try:
        result = completed(argv, environ=environ, seconds=600)
    except TimeLimitError as error:
        raise BrokenOffError(f"{what}: {error.message}") from error
    if not result.done:
        kind = BrokenOffError if _NO_ANSWER.search(result.complaint + result.text) else UnavailableError
        raise kind(f"{what} ({argv[0]} ended with {result.code}): {result.last_words()}")


@contextmanager
def readable(builder: str, reference: str) -> Iterator[None]:
    """Refuse a description of an image that cannot be read."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnavailableError(f"{builder} described {reference} in a format that cannot be read.") from error


def push_with_file(program: str, environ: Mapping[str, str], image: Reference) -> str:
    """Push with a program that writes the digest to a file."""
    with tempfile.TemporaryDirectory(prefix="cd4ml-push-") as scratch:
        file = Path(scratch) / "digest"
        flags = ["--digestfile", str(file), *plain_http(image)]
        required([program, "push", *flags, str(image)], f"{image} cannot be pushed", environ=environ, seconds=1800)
        return one_digest([file.read_text(encoding="utf-8").strip()], image)


def one_digest(found: Sequence[str], image: Reference) -> str:
    """Return the digest that a push named."""
    if len(set(found)) != 1 or not re.fullmatch(r"sha256:[a-f0-9]{64}", found[0]):
        raise UnavailableError(
            f"{image} was pushed, but the engine reported no digest, so the pushed image could not be checked."
        )
    return found[0]


def plain_http(reference: Reference) -> list[str]:
    """Allow plain HTTP to a registry on this machine, as docker does by itself."""
    return ["--tls-verify=false"] if reference.loopback else []
