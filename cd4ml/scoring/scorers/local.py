"""A model in a child process of this machine, in its own environment.

The child gets the rows without the true values and nothing else of the job: no tokens, no registry address, a folder of
its own, and a sandbox of what the machine has (`sandbox`). When it ends, so do all that it started, before anything
that it wrote is read.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.process.descendants import contained
from cd4ml.process.programs import waited
from cd4ml.scoring import returned, sandbox
from cd4ml.scoring.environment import lock_requirements, model_environment, python_version
from cd4ml.scoring.sandbox import Isolation, Room
from cd4ml.scoring.scorer import Limits, Scored, ScoringError

if TYPE_CHECKING:
    import pandas as pd

_PACKAGE: Final = Path(__file__).parent.parent.parent
_CHILD: Final = _PACKAGE / "scoring" / "child.py"
_LOADER: Final = _PACKAGE / "serving" / "model.py"
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "OPENBLAS_CORETYPE")
_LAST_WORDS: Final = 800
_LAST_BYTES: Final = 16384


def score(
    model: Path,
    tables: Sequence[pd.DataFrame],
    *,
    positive_label: str | None,
    allow_code: bool,
    limits: Limits,
    context: Context,
    repeat: bool = False,
    trials: Sequence[pd.DataFrame] = (),
) -> Scored:
    """See Scorer."""
    version = python_version(model)
    lock = lock_requirements(model, extra=("pandas", "pyarrow"), python_version=version, context=context)
    interpreter = model_environment(lock, python_version=version, context=context)
    with tempfile.TemporaryDirectory(prefix="cd4ml-score-", ignore_cleanup_errors=True) as name:
        room = _room(Path(name), interpreter, model)
        every = [*tables, *trials]
        given = [Path(name) / "rows" / f"{position}.parquet" for position in range(len(every))]
        made = [room.own / f"predictions-{position}.parquet" for position in range(len(every))]
        for rows, path in zip(every, given, strict=True):
            _write(rows, path)
        times = room.own / "seconds.json" if repeat else None
        code = "allow-code" if allow_code else ""
        arguments = [_LOADER, model.resolve(), positive_label or "", code, times or "", len(trials)]
        arguments += [path for pair in zip(given, made, strict=True) for path in pair]
        # Nothing compiled is kept: a model's own folder must not change, and the environment is compiled already.
        command = [str(interpreter), "-I", "-B", str(_CHILD), *map(str, arguments)]
        sizes = [len(rows) for rows in every]
        context.progress(f"Scoring {sum(sizes):,} rows in the model's own environment")
        seconds_left = limits.seconds * (len(tables) + bool(trials))
        ended, isolation = _run(command, room, limits, seconds_left, context.environ)
        found = returned.each(made, sizes, ended)
        predictions, tried = found[: len(tables)], found[len(tables) :]
        seconds: list[float] = []
        if times and not any(isinstance(found, ScoringError) for found in predictions):
            try:
                seconds = returned.seconds(times)
            except ScoringError as error:
                predictions[0] = error
    return Scored(predictions=predictions, lock=lock, seconds=seconds, isolation=isolation, trials=tried)


def _room(folder: Path, interpreter: Path, model: Path) -> Room:
    """Make the folders of a run: the rows, which the model may read, and its own."""
    for name in ("rows", "own", "root"):
        (folder / name).mkdir()
    read = [*sandbox.interpreter_files(interpreter), _PACKAGE, model.resolve(), folder / "rows"]
    return Room(read=read, own=folder / "own", root=folder / "root")


def _write(rows: pd.DataFrame, path: Path) -> None:
    """Write the rows for the child."""
    import pyarrow as pa

    try:
        rows.to_parquet(path, index=False)
    except pa.ArrowException as error:
        raise OptionsError(
            f"the rows cannot be passed to the model: {str(error).splitlines()[0][:300]}",
            advice="Give every column one type, or leave it out with exclude.",
        ) from error


def _run(
    command: list[str], room: Room, limits: Limits, seconds: float, environ: Mapping[str, str]
) -> tuple[ScoringError | None, Isolation]:
    """Run the child to its end, and end all that it leaves behind; return why it failed, if it did, and what held."""
    clean = {name: environ[name] for name in _KEPT if name in environ}
    clean |= {"HOME": str(room.own), "TMPDIR": str(room.own), "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"}
    clean |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    memory = int((limits.memory or 0) * 1024**3)
    with (
        contained(),
        sandbox.started(command, room=room, environ=clean, memory=memory, required=limits.isolated) as (process, held),
    ):
        words = _LastWords(process.stdout)
        if limits.isolated and held.missing:
            return ScoringError(f"the model was not run: the sandbox lacks {', '.join(held.missing)}"), held
        code = waited(process, seconds)
        if code is None:
            return ScoringError(f"the model did not finish within {seconds:.0f} seconds"), held
    return ScoringError(f"the model's process ended with code {code}: {words.text()}") if code else None, held


class _LastWords:
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
