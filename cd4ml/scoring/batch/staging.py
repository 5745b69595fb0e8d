"""Where the parts of a table wait until all of them are there: a folder beside the output, which a killed run leaves.

A part appears under its name only when it is whole, so a run that is killed loses the part that it was at and nothing
else. The next run of the same content goes on from there; one of other content begins anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.writing import unwritable, write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

ROW_ID: Final = "row_id"
_LOCK: Final = "lock"
_MANIFEST: Final = "manifest.json"
_RUN: Final = b"cd4ml.run"
_NUMBER: Final = b"cd4ml.part"


class Staging:
    """The parts that are done, and what they are parts of.

    Attributes:
        folder: what is staged, and `scratch`, which every run finds empty.
        run: id of the run, which those that go on with it keep.
    """

    def __init__(self, folder: Path) -> None:
        """Take a folder that this process has locked."""
        self.folder = folder
        self.run = ""

    @property
    def scratch(self) -> Path:
        """An own folder of this process."""
        return self.folder / "scratch"

    def begin(self, about: Mapping[str, Any]) -> bool:
        """Go on with a run of the same content, if one was killed here; else begin anew. Return whether it goes on."""
        stored = _manifest(self.folder)
        if stored is not None and stored.get("about") == dict(about):
            self.run = str(stored["run"])
            return True
        shutil.rmtree(self._parts, ignore_errors=True)
        self.run = secrets.token_hex(16)
        write_atomically(self.folder / _MANIFEST, json.dumps({"run": self.run, "about": dict(about)}, indent=2))
        return False

    def write(self, number: int, rows: pa.Table) -> None:
        """Stage a part; it is on the disk before it has its name.

        Raises:
            UnavailableError: it cannot be written.
        """
        import pyarrow.parquet as pq

        scratch = self.scratch / f"part-{number}.parquet"
        with unwritable(scratch):
            self._parts.mkdir(exist_ok=True)
            metadata = {_RUN: self.run.encode(), _NUMBER: str(number).encode()}
            pq.write_table(rows.replace_schema_metadata(metadata), scratch, use_dictionary=repeating(rows.schema))
            flush(scratch)
            os.replace(scratch, self.path(number))

    def path(self, number: int) -> Path:
        """Return where a part is staged."""
        return self._parts / f"{number:08}.parquet"

    def rows(self, number: int) -> int | None:
        """Return how many rows a part of this run has, None if it is not there or of something else."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            footer = pq.read_metadata(self.path(number))
        except (OSError, pa.ArrowException):
            return None
        return int(footer.num_rows) if self.made(number, footer.metadata) else None

    def made(self, number: int, metadata: Mapping[bytes, bytes] | None) -> bool:
        """Whether a part's metadata say that this run made it: workers of a run that was killed may still write."""
        found = metadata or {}
        return (found.get(_RUN), found.get(_NUMBER)) == (self.run.encode(), str(number).encode())

    def drop(self) -> None:
        """Forget all parts: they are not to be published."""
        (self.folder / _MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(self._parts, ignore_errors=True)

    @property
    def _parts(self) -> Path:
        """The folder of the parts."""
        return self.folder / "parts"


@contextmanager
def staging(output: Path) -> Iterator[Staging]:
    """Lock the folder beside an output; it stays if the block fails, and goes when there is nothing left to go on with.

    Raises:
        UnavailableError: another run writes this output.
        OptionsError: the folder is somebody else's.
    """
    folder = output.absolute().with_name(f".{output.name}.cd4ml")
    with unwritable(folder):
        _refuse_other(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder / _LOCK, output)
    with lock:
        found = Staging(folder)
        shutil.rmtree(found.scratch, ignore_errors=True)
        with unwritable(found.scratch):
            found.scratch.mkdir()
        try:
            yield found
        finally:
            shutil.rmtree(found.scratch, ignore_errors=True)
            if not (folder / _MANIFEST).exists():
                shutil.rmtree(folder, ignore_errors=True)


def repeating(schema: pa.Schema) -> list[str]:
    """Return the columns whose values may repeat: looking for that among scores costs more than writing them."""
    import pyarrow as pa

    return [field.name for field in schema if field.name != ROW_ID and not pa.types.is_floating(field.type)]


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk: what follows must not be there without it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_other(folder: Path) -> None:
    """Refuse a folder of the name that no run of this made."""
    if os.path.lexists(folder) and not (folder.is_dir() and not folder.is_symlink()):
        raise OptionsError(f"output: {folder} is in the way", advice="Move it away, or name another output.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _LOCK).is_file():
        raise OptionsError(f"output: {folder} was not made by cd4ml", advice="Move it away, or name another output.")


def _locked(path: Path, output: Path) -> IO[str]:
    """Return the lock, held until it is closed."""
    while True:
        stream = path.open("w", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.close()
            raise UnavailableError(
                f"{output}: another run of score-batch is writing this table.", advice="Wait for its end."
            ) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), os.stat(path)):
                return stream
        stream.close()  # another run was done with the folder meanwhile, and removed it
        path.parent.mkdir(parents=True, exist_ok=True)


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Return what a run that was killed here was about, None if there was none."""
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("run") else None
