"""Tables that are read in parts, as often as needed: Parquet (a file or a folder), CSV and Arrow.

A Source is opened only after everything that makes a table ambiguous or hostile has been refused; what it then yields
is every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cd4ml.data.tables import by_name, delta, dvc
from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.frames import (
    CSV,
    DELTA_LOG,
    MOST_COLUMNS,
    PARQUET,
    check_footers,
    first_line,
    parquet_files,
    readable,
    refuse_duplicates,
)
from cd4ml.data.tables.locations import Folder, fetch, public
from cd4ml.data.tables.pandas_metadata import Written, to_pandas, written
from cd4ml.data.tables.parquet_parts import common_schema, dataset, scan
from cd4ml.digests import hashing, sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.report import InputDigest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

ARROW: Final = (".arrow", ".feather", ".ipc")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table.

    Attributes:
        path: what the user named.
        files: the regular files that hold its rows, in the order of the rows.
        rows: number of rows; of Parquet and Arrow, what the files say before they are read.
        schema: Polars type by column, in order.
        written: what pandas wrote about the table, None if it did not write it.
        widened: whether files store columns in narrower types than the table's.
    """

    path: Path
    files: tuple[Path, ...]
    kind: Literal["parquet", "csv", "arrow", "delta"]
    rows: int
    schema: pl.Schema
    written: Written | None = None
    widened: bool = False
    name: str = ""  # what the report calls it, if that is not the path
    _frame: pl.LazyFrame = field(repr=False)
    _keep: Any = field(default=None, repr=False)  # temporary files live as long as the source
    _sha256: Future[str] | None = field(default=None, repr=False)

    def lazy(self) -> pl.LazyFrame:
        """Return all rows and columns; collect it with engine="streaming"."""
        return self._frame

    def pandas(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return some columns as pandas reads them from such a file, rows numbered from 0."""
        import pandas as pd

        if not columns:
            return pd.DataFrame(index=pd.RangeIndex(self.rows))
        if self.kind in ("csv", "delta"):
            texts = self._frame.select(by_name.columns(columns)).collect(engine="streaming").to_pandas()
            gaps = [name for name in columns if texts[name].dtype == object]  # booleans; pandas reads gaps as NaN
            return texts.assign(**{name: texts[name].where(texts[name].notna(), float("nan")) for name in gaps})
        with refused(self.path):
            return to_pandas(self._arrow().to_table(columns=list(columns)), self.written)

    def without(self, names: Sequence[str]) -> Source:
        """Return the table without some columns."""
        import polars as pl

        kept = pl.Schema({name: kind for name, kind in self.schema.items() if name not in names})
        return replace(self, schema=kept, _frame=by_name.without(self._frame, names)) if names else self

    @property
    def types(self) -> Mapping[str, str]:
        """pandas' name of the type of each column that it wrote with a type of its own, such as `Int64`."""
        return self.written.types if self.written else {}

    def index(self) -> pd.Index[Any]:
        """Return the index that pandas wrote with the table, as pandas restores it."""
        import pandas as pd

        stored = [level.column for level in self.written.levels if level.column] if self.written else []
        if self.written and not stored:
            found = self.written.index_columns[0]
            return pd.RangeIndex(found["start"], found["stop"], found["step"], name=found["name"])
        with refused(self.path):
            return to_pandas(self._arrow().to_table(columns=stored), self.written, index=True).index

    def _arrow(self) -> Any:
        """Return a Parquet or Arrow table as a dataset."""
        return dataset(self.path, self.files, "parquet" if self.kind == "parquet" else "ipc")

    def digest(self, name: str) -> InputDigest:
        """Return the digest of the table's files, for the report."""
        if self.kind == "delta":  # a folder holds files of other versions as well
            known = delta.sha256_of(self.files)
        else:
            known = self._sha256.result() if self._sha256 else sha256(self.path)
        return InputDigest(name=name, path=self.name or self.path.as_posix(), sha256=known, rows=self.rows)


def open_source(path: Path, *, hashed: bool = False, reading: Reading | None = None) -> Source:
    """Open a table.

    Args:
        hashed: whether its digest will be asked for: it is computed from now on, beside everything else.
        reading: how CSV files are written; what there is to say of this one is added.

    Raises:
        UnavailableError: the file is missing or cannot be opened.
        OptionsError: it is no table of its kind, or a hostile one.
    """
    readable(path)
    if (path / DELTA_LOG).is_dir():
        return _open_delta(path, None)
    if hashed:
        found = hashing(path)
        return replace(open_source(path, reading=reading), _sha256=found)
    if path.is_dir() or path.name.endswith(PARQUET):
        return _open_parquet(path)
    if path.name.endswith(CSV):
        from cd4ml.data.tables.csv.files import typed_csv

        with refused(path):
            frame, rows, keep = typed_csv(path, reading or Reading())
            return Source(
                path=path,
                files=(path,),
                kind="csv",
                rows=rows,
                schema=frame.collect_schema(),
                _frame=frame,
                _keep=keep,
            )
    if path.name.endswith(ARROW):
        return _open_arrow(path)
    raise OptionsError(
        f"{path}: unknown kind of table",
        advice="Tables are .csv, .tsv (or these with .gz), .parquet, .arrow, .feather or a folder of Parquet.",
    )


def open_data(written: str, *, hashed: bool = False, reading: Reading | None = None) -> Source:
    """Open what a user names: a file or folder, a Delta table's version, a DVC pointer, or an address.

    Args:
        written: a path; `folder@3` for version 3 of a Delta table; a `.dvc` file or an output in a `dvc.lock`, whose
            hash its data must have; or an address such as `s3://bucket/table.parquet`, which is fetched whole.
        hashed, reading: see `open_source`.

    Raises:
        UnavailableError: it is not there, or is not what the pointer is about.
        OptionsError: it is no table of its kind, or a hostile one.
    """
    if "://" in written:
        folder = Folder()
        path = fetch(written, folder.path)
        source = open_source(path, hashed=hashed, reading=reading)
        return replace(source, name=public(written), _keep=(folder, source._keep))
    if dvc.is_pointer(written):
        return open_source(dvc.pointed_at(written), hashed=hashed, reading=reading)
    if version := delta.named(written):
        return _open_delta(*version)
    return open_source(Path(written), hashed=hashed, reading=reading)


class refused:  # noqa: N801  (a context manager, used like a function)
    """Turn what readers raise over a damaged table into one clear message."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate an error of a reader; leave all others alone."""
        import polars as pl
        import pyarrow as pa

        if isinstance(error, OSError) and error.errno is not None:
            raise UnavailableError(f"{self.path}: cannot be read: {first_line(error)}.") from error
        damaged = (pl.exceptions.ComputeError, pl.exceptions.SchemaError, pl.exceptions.NoDataError)
        if isinstance(error, (*damaged, pa.ArrowException, OSError)):
            raise OptionsError(f"{self.path}: no readable table: {first_line(error)}") from error


def _open_parquet(path: Path) -> Source:
    """Open a Parquet file or folder, its footers first."""
    import pyarrow.parquet as pq

    with refused(path):
        files = tuple(parquet_files(path)) if path.is_dir() else (path,)
        check_footers(path, files)
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        common = common_schema(files)
        frame = scan(path, files, common)
        about = written(common or pq.read_schema(files[0]), rows)
        frame = by_name.without(frame, about.row_numbers if about else [])
        schema = frame.collect_schema()
    return Source(
        path=path,
        files=files,
        kind="parquet",
        rows=rows,
        schema=schema,
        written=about,
        widened=common is not None,
        _frame=frame,
    )


def _open_delta(path: Path, version: int | None) -> Source:
    """Open one version of a Delta table, by default the latest; files of other versions are not read."""
    import polars as pl

    table, files = delta.opened(path, version)
    with delta.unreadable(path):
        frame = pl.scan_delta(table)
        rows = frame.select(pl.len()).collect(engine="streaming").item()
        schema = frame.collect_schema()
    name = f"{path.as_posix()}@{table.version()}"
    return Source(path=path, files=files, kind="delta", rows=rows, schema=schema, name=name, _frame=frame)


def _open_arrow(path: Path) -> Source:
    """Open an Arrow IPC (Feather version 2) file."""
    import polars as pl
    import pyarrow as pa

    with refused(path):
        with pa.memory_map(str(path)) as stream, pa.ipc.open_file(stream) as reader:
            names, schema = reader.schema.names, reader.schema
            refuse_duplicates(path, names)
            if len(names) > MOST_COLUMNS:
                raise OptionsError(f"{path}: {len(names)} columns; at most {MOST_COLUMNS} are read")
            rows = sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))
        about = written(schema, rows)
        frame = by_name.without(pl.scan_ipc(path, glob=False), about.row_numbers if about else [])
        return Source(
            path=path,
            files=(path,),
            kind="arrow",
            rows=rows,
            schema=frame.collect_schema(),
            written=about,
            _frame=frame,
        )
