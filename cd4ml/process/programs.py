"""Starting a program and ending it with its whole group: the only place where cd4ml starts one."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.process.linux import end_with
from cd4ml.process.signals import delayed

Process = subprocess.Popen[bytes]
Stream = int | IO[Any] | None
PIPE: Final = subprocess.PIPE
STDOUT: Final = subprocess.STDOUT
_LAST_WORDS: Final = 1500


class NotCompletedError(UnavailableError):
    """A program could not be started, or was not let finish."""


class TimeLimitError(NotCompletedError):
    """A program did not end in time."""


class TooMuchOutputError(NotCompletedError):
    """A program wrote more than anybody reads."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a program ended."""

    code: int
    output: bytes
    errors: bytes

    @property
    def done(self) -> bool:
        """Whether it ended as programs do that have done their work."""
        return self.code == 0

    @property
    def text(self) -> str:
        """What it wrote to standard output."""
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """What it wrote to standard error."""
        return self.errors.decode("utf-8", "replace")

    def last_words(self, most: int = _LAST_WORDS) -> str:
        """Return the end of what it said, in one line."""
        return " ".join((self.complaint.strip() or self.text.strip())[-most:].split())


def start(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path | str | None = None,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    brief: bool = False,
) -> Process:
    """Start a program in a session of its own: no terminal to ask on, and a group that `end` ends as a whole.

    On Linux it ends with the thread that started it too, even if this process is killed.

    Args:
        brief: it ends at once and changes nothing that others see, so no harm is done if it outlives this process.
            Asking for its end means to copy this process's page tables first, ten times the work of starting it.

    Raises:
        NotCompletedError: it cannot be started.
    """
    try:
        return subprocess.Popen(
            list(command),
            env=dict(environ),
            cwd=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=None if brief else end_with(os.getpid()),
        )
    except OSError as error:
        raise _not_started(command[0], error) from error


def _not_started(program: str, error: OSError) -> NotCompletedError:
    """Return what to say of a program that the operating system does not start."""
    if isinstance(error, FileNotFoundError) and error.filename == program:
        return NotCompletedError(f"{program} was not found on this machine.", advice=f"Install {Path(program).name}.")
    return NotCompletedError(f"{program} cannot be started: {error.strerror}.")


def end(process: Process, *, patience: float = 0.0) -> None:
    """End a process that `start` started, and what it left behind in its group.

    Args:
        patience: seconds that it may take to end by itself once it is told to.
    """
    if patience and process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        waited(process, patience)
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def waited(process: Process, seconds: float) -> int | None:
    """Wait for the end of a process and return its exit code, None if it runs on."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


class Group:
    """Programs that run side by side, all of which end when one of those who wait for them is interrupted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[Process] = []
        self._ended = False

    def start(self, command: Sequence[str], **how: Any) -> Process:
        """Start one more, as `start` does.

        Raises:
            NotCompletedError: it cannot be started, or the group has been ended.
        """
        with self._lock:
            if self._ended:
                raise NotCompletedError("interrupted")
            process = start(command, **how)
            self._processes.append(process)
            return process

    def end(self) -> None:
        """End everything that runs and let nothing more start."""
        with self._lock:
            self._ended = True
            for process in self._processes:
                if process.poll() is None:
                    end(process)


def completed(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    seconds: float,
    folder: Path | str | None = None,
    stdin: bytes = b"",
    name: str = "",
    most: int | None = None,
    group: Group | None = None,
    brief: bool = False,
) -> Completed:
    """Run a program to its end, whatever its exit code, and end what it left behind in its group.

    Args:
        name: what messages call it; default: the program.
        most: bytes that it may write to standard output, and to standard error.
        group: others with which it ends.
        brief: see `start`.

    Raises:
        TimeLimitError: it did not end in time.
        TooMuchOutputError: it wrote more than `most` bytes.
        NotCompletedError: it cannot be started, or what it writes cannot be kept.
    """
    name = name or _called(command)
    begin = group.start if group else start
    # Files, not pipes: a daemon that it leaves behind would keep a pipe open for ever.
    with _scratch() as out, _scratch() as err:
        process: Process | None = None
        try:
            with delayed():
                given = PIPE if stdin else subprocess.DEVNULL
                process = begin(
                    command, environ=environ, folder=folder, stdin=given, stdout=out, stderr=err, brief=brief
                )
            process.communicate(stdin or None, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeLimitError(f"{name} did not end within {seconds:g} seconds.") from None
        finally:
            if process:
                end(process)
            if process and process.stdin:
                with suppress(BrokenPipeError):
                    process.stdin.close()
        return Completed(code=process.returncode, output=_written(out, most, name), errors=_written(err, most, name))


def _scratch() -> IO[bytes]:
    """Return a file that goes with its last reader.

    Raises:
        NotCompletedError: this machine takes no temporary files.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        reason = f"Temporary files cannot be written: {error.strerror}."
        raise NotCompletedError(reason, advice="Free the disk, or name a folder by TMPDIR.") from error


def _called(command: Sequence[str]) -> str:
    """Return a program's name, with what it is to do where that is a word: `docker build`."""
    return " ".join([Path(command[0]).name, *(word for word in command[1:2] if word.isalpha())])


def _written(stream: IO[bytes], most: int | None, name: str) -> bytes:
    """Return what a program wrote to a file."""
    if most is not None and os.fstat(stream.fileno()).st_size > most:
        raise TooMuchOutputError(f"{name} wrote more than {most} bytes.")
    stream.seek(0)
    return stream.read()


def required(
    command: Sequence[str],
    what: str,
    *,
    environ: Mapping[str, str],
    seconds: float,
    folder: Path | str | None = None,
    stdin: bytes = b"",
    name: str = "",
) -> str:
    """Run a program that must succeed and return what it wrote to standard output.

    Args:
        what: the beginning of the message if it fails; the end is what it said last.

    Raises:
        UnavailableError: it failed, or did not finish.
    """
    ended = completed(command, environ=environ, seconds=seconds, folder=folder, stdin=stdin, name=name)
    if not ended.done:
        raise UnavailableError(f"{what} ({command[0]} ended with {ended.code}): {ended.last_words()}")
    return ended.text
