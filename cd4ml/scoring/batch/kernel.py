"""The scoring kernel of every runner: a model in its own environment and sandbox, loaded once, asked table by table.

Its process lives on while its answers are read, so nothing is read where it can write: each answer is copied first.
"""

from __future__ import annotations

import json
import os
import select
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.process.programs import Process
from cd4ml.scoring import isolated, returned
from cd4ml.scoring.sandbox import Isolation, Room
from cd4ml.scoring.scorer import Limits, ScoringError

if TYPE_CHECKING:
    import pyarrow as pa

# Bytes that the predictions of a row may take, and those of any table.
_MOST_BYTES: Final = (4096, 1 << 20)
_PATIENCE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Fast:
    """A conversion that was proven equal to its model.

    Attributes:
        folder: its files; `interpreter` is the Python of an environment that has ONNX Runtime.
        scores: the columns of scores that the model gives.
        gaps: columns whose values may be missing.
        tolerance: relative and absolute, of each column that may differ by rounding.
    """

    folder: Path
    interpreter: Path
    scores: Sequence[str]
    gaps: Sequence[str]
    tolerance: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Loading:
    """A model that is to be asked, and how.

    Attributes:
        model: its folder; `interpreter` is the Python of its environment.
        fast: what is asked instead, if anything is.
    """

    model: Path
    interpreter: Path
    positive_label: str | None
    allow_code: bool
    limits: Limits
    fast: Fast | None = None


class Kernel:
    """A model's process. Questions are answered in their order; a second one may be asked before the first answer."""

    def __init__(self, process: Process, words: isolated.LastWords, room: Room, pipes: tuple[int, int]) -> None:
        self._process, self._words = process, words
        self._questions, self._answers = room.own.parent / "rows", room.own
        self._asks, self._told = pipes
        self._asked: list[int] = []
        self._given = 0

    def ask(self, rows: pa.Table) -> None:
        """Ask for the predictions of rows."""
        import pyarrow as pa

        path = self._questions / f"{self._given + len(self._asked)}.arrow"
        with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, rows.schema) as writer:
            writer.write_table(rows)
        self._asked.append(rows.num_rows)
        os.write(self._asks, b".")

    def answer(self, seconds: float) -> pa.Table:
        """Return the predictions of the rows that were asked for first.

        Raises:
            ScoringError: they are not one usable prediction for each row, or it took too long.
        """
        self._wait(seconds)
        rows, name = self._asked.pop(0), f"{self._given}.arrow"
        copy = self._answers.parent / name
        try:
            _copied(self._answers / name, copy, rows * _MOST_BYTES[0] + _MOST_BYTES[1])
            return returned.table(copy, rows)
        finally:
            self._given += 1
            for path in (self._questions / name, self._answers / name, copy):
                with suppress(OSError):
                    path.unlink()

    def _wait(self, seconds: float) -> None:
        """Wait until one more question is answered."""
        deadline = time.monotonic() + seconds
        while not select.select([self._told], [], [], _PATIENCE)[0]:
            code = self._process.poll()
            if code is not None:
                raise isolated.ended(code, self._words)
            if time.monotonic() > deadline:
                raise isolated.too_late(seconds)
        os.read(self._told, 1)


def _copied(path: Path, copy: Path, most: int) -> None:
    """Copy what the model's process wrote, whatever it makes of the file meanwhile.

    Raises:
        ScoringError: it is no file of a size that predictions have.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ScoringError("the model's process gave no predictions") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ScoringError("the model's process gave no predictions")
        content = stream.read(most + 1)
    if len(content) > most:
        raise ScoringError(f"its predictions take more than {most:,} bytes")
    copy.write_bytes(content)


@contextmanager
def kernel(loading: Loading, folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[Kernel, Isolation]]:
    """Start a model's process; it ends with the block. Yield it with what its sandbox holds.

    Args:
        folder: an empty folder for what passes between here and there.

    Raises:
        ScoringError: it may not run, since a protection is missing.
        UnavailableError: it cannot be started.
    """
    one = loading if loading.fast is None else loading.fast
    place = loading.model.resolve() if loading.fast is None else loading.fast.folder.resolve()
    room = isolated.furnish(folder, one.interpreter, [place])
    # Both ends of each pipe are held here, so that neither side waits for the other to open its own.
    pipes = (_pipe(folder / "rows" / "questions"), _pipe(room.own / "answers"))
    module, *known = _program(loading)
    command = isolated.program(one.interpreter, module, place, *known, folder / "rows", room.own)
    try:
        with isolated.running(command, room, loading.limits, environ) as (process, held, words):
            yield Kernel(process, words, room, pipes), held
    finally:
        for pipe in pipes:
            os.close(pipe)


def _program(loading: Loading) -> list[str]:
    """Return the module that answers, and what it is told beside the folders."""
    if loading.fast is not None:
        known = {"scores": list(loading.fast.scores), "gaps": list(loading.fast.gaps)}
        return ["cd4ml.scoring.batch.converted", json.dumps(known)]
    code = "allow-code" if loading.allow_code else ""
    return ["cd4ml.scoring.batch.answering", loading.positive_label or "", code]


def _pipe(path: Path) -> int:
    """Make a pipe with a name, and open it."""
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
