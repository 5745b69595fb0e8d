"""Scores of parameters, and a trained model, by the caller's code in a child process that sees no test rows.

The child sees the training rows, the files that the training code is in, and its environment. It has no network, no
secrets of the job, and cannot read the project: neither by mistake nor on purpose do test rows come into a search.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.context import Context
from cd4ml.digests import bytes_sha256, folder_sha256, sha256
from cd4ml.errors import OptionsError
from cd4ml.reading import missing_file, text_file
from cd4ml.scoring import isolated
from cd4ml.scoring.environment import model_environment
from cd4ml.scoring.sandbox import Isolation
from cd4ml.scoring.scorer import Limits, TooLateError, write_rows

if TYPE_CHECKING:
    import pandas as pd

_PROGRAM: Final = "cd4ml.scoring.training.program"
_LARGEST: Final = 16 << 20
_IGNORED: Final = ("__pycache__", "*.pyc", ".*")
# Of the sandbox: without it the code could read any file, the test rows among them.
FILES: Final = "files"


class TrainingError(Exception):
    """The training code gave no usable answer.

    Attributes:
        late: whether it ran out of time.
    """

    def __init__(self, problem: str, *, late: bool = False) -> None:
        super().__init__(problem)
        self.late = late


@dataclass(frozen=True, kw_only=True)
class Code:
    """Training code.

    Attributes:
        function: as `module:function`.
        files: files and folders that it is in, relative to the project.
        lock: hash-locked requirements of its environment.
    """

    function: str
    files: Sequence[str]
    lock: Path


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where training code runs: everything that all runs of it share.

    Attributes:
        given: folder that it may read.
    """

    interpreter: Path
    given: Path
    code: Code
    context: Context


def code_sha256(code: Code) -> str:
    """Return the digest of the code's files.

    Raises:
        OptionsError, UnavailableError: one is missing, or not regular.
    """
    lines = [f"{_digest(Path(name))}  {name}\n" for name in sorted(set(code.files))]
    return bytes_sha256("".join(lines).encode())


def lock_text(path: Path) -> str:
    """Return the text of the lock of a training environment.

    Raises:
        UnavailableError, OptionsError: it is not there, or has no hashes.
    """
    try:
        text = text_file(path)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    if "--hash=sha256:" not in text:
        raise OptionsError(
            f"{path} is not locked with hashes", advice="Write it with `uv pip compile --generate-hashes`."
        )
    return text


@contextmanager
def bench(code: Code, rows: pd.DataFrame, context: Context, folds: pd.DataFrame | None = None) -> Iterator[Bench]:
    """Lay out what training code is given, and make its environment.

    Raises:
        UnavailableError: the environment cannot be made.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = model_environment(lock_text(code.lock), python_version=version, context=context)
    with tempfile.TemporaryDirectory(prefix="cd4ml-training-", ignore_cleanup_errors=True) as name:
        given = Path(name)
        write_rows(rows, given / "rows.parquet")
        if folds is not None:
            write_rows(folds, given / "folds.parquet")
        for path in map(Path, code.files):
            _copied(path, given / "code" / path)
        yield Bench(interpreter=interpreter, given=given, code=code, context=context)


def scores(
    bench: Bench, parameters: Mapping[str, Any], *, seed: int, seconds: float, n: int
) -> tuple[list[float], Isolation]:
    """Return n scores of parameters, those of the outer folds first.

    Raises:
        TrainingError: the code raised, gave other scores than these, or ran out of time.
    """
    with _ran(bench, {"parameters": dict(parameters), "seed": seed}, seconds) as (said, _, isolation):
        found = said.get("scores")
        if not isinstance(found, list) or len(found) != n or not all(type(one) is float for one in found):
            raise TrainingError("its process left no score for every fold")
        return found, isolation


@contextmanager
def trained(
    bench: Bench, parameters: Mapping[str, Any], *, seed: int, seconds: float
) -> Iterator[tuple[Path, Isolation]]:
    """Yield the folder of a model that was trained with parameters on all rows.

    Raises:
        TrainingError: the code raised, saved nothing, or ran out of time.
    """
    with _ran(bench, {"parameters": dict(parameters), "seed": seed}, seconds, saves=True) as (_, own, isolation):
        folder = own / "model"
        if folder.is_symlink() or not (folder / "MLmodel").is_file():
            raise TrainingError(f"{bench.code.function} saved no MLflow model in the folder that it was given")
        yield folder, isolation


@contextmanager
def _ran(
    bench: Bench, asked: dict[str, Any], seconds: float, *, saves: bool = False
) -> Iterator[tuple[dict[str, Any], Path, Isolation]]:
    """Run the child; yield its answer, its own folder, and what the sandbox held."""
    with tempfile.TemporaryDirectory(prefix="cd4ml-trial-", ignore_cleanup_errors=True) as name:
        room = isolated.furnish(Path(name), bench.interpreter, [bench.given])
        if saves:
            asked = {**asked, "folder": str(room.own / "model")}
        request, answer = Path(name) / "rows" / "request.json", room.own / "answer.json"
        request.write_text(json.dumps(asked, allow_nan=False), encoding="utf-8")
        command = isolated.program(bench.interpreter, _PROGRAM, bench.given, bench.code.function, request, answer)
        ended, isolation = isolated.run(command, room, Limits(seconds=seconds), seconds, bench.context.environ)
        if FILES not in isolation.held:
            why = isolation.missing.get(FILES, "unknown")
            raise TrainingError(f"this machine cannot keep the training code from the test rows: {why}")
        if ended is not None:
            text = str(ended).replace("the model", "the training code", 1)
            raise TrainingError(text, late=isinstance(ended, TooLateError))
        said = _answer(answer)
        if "failed" in said:
            raise TrainingError(f"{bench.code.function} raised {said['failed']}")
        yield said, room.own, isolation


def _answer(path: Path) -> dict[str, Any]:
    """Return what the child wrote, which may be anything."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise TrainingError("the training code's process left no answer")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TrainingError("the training code's process left an answer that is not JSON") from error
    if not isinstance(found, dict):
        raise TrainingError("the training code's process left an answer that is not an object")
    return found


def _digest(path: Path) -> str:
    """Return the digest of a file, or of a folder without what Python compiles."""
    if not path.exists():
        raise missing_file(path)
    if not path.is_dir():
        return sha256(path)
    with tempfile.TemporaryDirectory(prefix="cd4ml-code-") as folder:
        return folder_sha256(_copied(path, Path(folder) / "code"))


def _copied(path: Path, destination: Path) -> Path:
    """Copy code; links stay links, and lead nowhere in the sandbox."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, destination, symlinks=True, ignore=shutil.ignore_patterns(*_IGNORED), dirs_exist_ok=True)
    else:
        shutil.copyfile(path, destination, follow_symlinks=False)
    return destination
