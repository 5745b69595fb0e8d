"""A program in a child process that is not trusted: a folder of its own, no secrets of the job, and a sandbox."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import IO, Final

from cd4ml.process.descendants import contained
from cd4ml.process.programs import Process, waited
from cd4ml.scoring import sandbox
from cd4ml.scoring.sandbox import Isolation, Room
from cd4ml.scoring.scorer import Limits, ScoringError, TooLateError

PACKAGE: Final = Path(__file__).parent.parent
# Of cd4ml only what the program imports: its environment has no cd4ml, and not even a search path is changed.
_START: Final = (
    "import runpy, sys, types; cd4ml = sys.modules['cd4ml'] = types.ModuleType('cd4ml'); "
    "cd4ml.__path__ = [sys.argv.pop(1)]; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "OPENBLAS_CORETYPE")
_LAST_WORDS: Final = 800
_LAST_BYTES: Final = 16384


def furnish(folder: Path, interpreter: Path, read: Sequence[Path] = ()) -> Room:
    """Make the folders of a run: `rows`, which the program may read with what else is named, and its own."""
    for name in ("rows", "own", "root"):
        (folder / name).mkdir()
    read = [*sandbox.interpreter_files(interpreter), PACKAGE, *read, folder / "rows"]
    return Room(read=read, own=folder / "own", root=folder / "root")


def program(interpreter: Path, module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of cd4ml in an environment that has none of cd4ml's libraries."""
    return [str(interpreter), "-I", "-B", "-c", _START, str(PACKAGE), module, *map(str, arguments)]


@contextmanager
def running(
    command: list[str], room: Room, limits: Limits, environ: Mapping[str, str]
) -> Iterator[tuple[Process, Isolation, LastWords]]:
    """Run a child while the block lasts, and end it with all that it leaves behind; yield it and what holds."""
    clean = {name: environ[name] for name in _KEPT if name in environ}
    clean |= {"HOME": str(room.own), "TMPDIR": str(room.own), "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"}
    clean |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    memory = int((limits.memory or 0) * 1024**3)
    with (
        contained(),
        sandbox.started(command, room=room, environ=clean, memory=memory, required=limits.isolated) as (process, held),
    ):
        yield process, held, LastWords(process.stdout)


def run(
    command: list[str], room: Room, limits: Limits, seconds: float, environ: Mapping[str, str]
) -> tuple[ScoringError | None, Isolation]:
    """Run the child to its end, and end all that it leaves behind; return why it failed, if it did, and what held."""
    with running(command, room, limits, environ) as (process, held, words):
        if problem := not_isolated(limits, held):
            return problem, held
        code = waited(process, seconds)
        if code is None:
            return too_late(seconds), held
    return ended(code, words) if code else None, held


def not_isolated(limits: Limits, held: Isolation) -> ScoringError | None:
    """Return why the child was not run at all, None if it was."""
    if not (limits.isolated and held.missing):
        return None
    return ScoringError(f"the model was not run: the sandbox lacks {', '.join(held.missing)}")


def too_late(seconds: float) -> TooLateError:
    """Return what to say of a child that takes too long."""
    return TooLateError(f"the model did not finish within {seconds:.0f} seconds")


def ended(code: int, words: LastWords) -> ScoringError:
    """Return what to say of a child that ended."""
    return ScoringError(f"the model's process ended with code {code}: {words.text()}")


class LastWords:
    """The end of what a process prints; the rest is dropped, however much it is."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        """Read until the stream ends."""
        assert stream is not None
        self._stream = stream
        self._tail = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        """Keep the tail."""
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 65536):
                self._tail = (self._tail + chunk)[-_LAST_BYTES:]

    def text(self) -> str:
        """Return the last words on one line: of a traceback the error, not the way there."""
        self._thread.join(timeout=2)
        lines = [line for line in self._tail.decode("utf-8", "replace").splitlines() if line.strip()]
        error = list(takewhile(lambda line: not line[0].isspace(), reversed(lines)))[::-1]
        return " ".join(" ".join(error or lines[-3:]).split())[-_LAST_WORDS:]
