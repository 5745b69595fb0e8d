"""Containers without a daemon: one process that is asked by its standard input, so that they need no network at all."""

from __future__ import annotations

import json
import os
import selectors
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Container
from cd4ml.image.layout import ENTRYPOINT, PORT, PYTHON
from cd4ml.process.programs import PIPE, Process, end, start, waited

_LARGEST: Final = 256_000_000
_PART: Final = 1 << 16
_PATIENCE: Final = 30.0


def attendant() -> list[str]:
    """Return the command that starts the gateway in a container, and answers beside it."""
    program = Path(__file__).with_name("attendant.py").read_text(encoding="utf-8")
    return [PYTHON, "-c", program, json.dumps(ENTRYPOINT)]


def started(command: Sequence[str], environ: Mapping[str, str], *, id: str, port: int = PORT) -> Container:
    """Start a container by a command that ends with the attendant's."""
    handle, name = tempfile.mkstemp(prefix="cd4ml-container-", suffix=".log")
    try:
        with os.fdopen(handle, "wb") as stream:
            process = start(command, environ=environ, stdin=PIPE, stdout=PIPE, stderr=stream)
    except BaseException:
        Path(name).unlink()
        raise
    return Container(id=id, port=port, process=process, log=Path(name))


def executed(container: Container, program: str, stdin: str, *, seconds: float) -> str:
    """Run a Python program in the container and return what it printed.

    Raises:
        UnavailableError: the container has ended, or does not answer in time.
    """
    process = container.process
    assert process is not None and process.stdin is not None
    request = json.dumps({"program": program, "stdin": stdin, "seconds": seconds})
    try:
        process.stdin.write(f"{request}\n".encode())
        process.stdin.flush()
        answer = json.loads(_line(process, seconds + _PATIENCE))
        code, output, errors = int(answer["code"]), str(answer["output"]), str(answer["errors"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UnavailableError("The container does not respond.") from error
    if code != 0:
        raise UnavailableError(
            f"The container does not respond (it ended with {code}): {' '.join(errors.split())[-600:]}"
        )
    return output


def log_of(container: Container) -> str:
    """Return the end of what the container wrote, in one line."""
    text = container.log.read_text(encoding="utf-8", errors="replace") if container.log else ""
    return " ".join(text[-1500:].split())


def stopped(container: Container) -> None:
    """End the container's process, and what it has written."""
    if container.process is not None:
        for stream in (container.process.stdin, container.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        waited(container.process, _PATIENCE)
        end(container.process, patience=_PATIENCE)
    if container.log is not None:
        container.log.unlink(missing_ok=True)


def _line(process: Process, seconds: float) -> bytes:
    """Return the next line that a process writes.

    Raises:
        OSError: it ends before, or takes too long.
    """
    assert process.stdout is not None
    ends, parts, size = time.monotonic() + seconds, [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(ends - time.monotonic(), 0)):
            part = os.read(process.stdout.fileno(), _PART)
            if not part or size > _LARGEST:
                raise OSError("it has ended")
            parts.append(part)
            size += len(part)
            if part.endswith(b"\n"):
                return b"".join(parts)
    raise OSError("it takes too long")
