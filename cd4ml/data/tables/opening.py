"""The one door to tables: what one stage reads, every stage reads, and says the same of what it cannot read.

To add a format: write a module with its `Table` in `formats/`, and add it with its endings to `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.formats import delta
from cd4ml.data.tables.formats.arrow import ARROW, ArrowTable
from cd4ml.data.tables.formats.csv.table import CSV, CsvTable
from cd4ml.data.tables.formats.parquet.files import PARQUET
from cd4ml.data.tables.formats.parquet.table import ParquetTable
from cd4ml.data.tables.places import addresses, dvc
from cd4ml.data.tables.refusals import refuse_missing
from cd4ml.data.tables.scratch import Folder
from cd4ml.data.tables.table import Table
from cd4ml.digests import hashing
from cd4ml.errors import OptionsError

# How the names of files end, by the format that they are in.
FORMATS: Final[Mapping[tuple[str, ...], type[Table]]] = {
    PARQUET: ParquetTable,
    CSV: CsvTable,
    ARROW: ArrowTable,
}


def open_table(written: str | Path, *, hashed: bool = False, reading: Reading | None = None) -> Table:
    """Open the table that a user names.

    Args:
        written: a file, a folder of Parquet files or a Delta table; `folder@3` for version 3 of a Delta table; a
            `.dvc` file or an output in a `dvc.lock`, whose hash its data must have; or an address such as
            `s3://bucket/table.parquet`, which is fetched whole.
        hashed: whether its digest will be asked for: it is computed from now on, beside everything else.
        reading: how CSV files are written; what there is to say of this one is added.

    Raises:
        UnavailableError: it is not there, cannot be opened, or is not what the pointer is about.
        OptionsError: its kind is unknown, or it is not a pointer to one file.
    """
    written, reading = str(written), reading or Reading()
    if version := delta.named(written):
        return delta.opened(*version, reading)
    path, name, keep = _found(written)
    refuse_missing(path)
    kind = _format(path, name)
    return kind(path=path, name=name, reading=reading, _hash=hashing(path) if hashed else None, _keep=keep)


def _found(written: str) -> tuple[Path, str, Folder | None]:
    """Return where the file or folder is, its name in messages and the report, and what it lives as long as."""
    if addresses.is_address(written):
        folder = Folder()
        return addresses.fetch(written, folder.path), addresses.public(written), folder
    path = dvc.pointed_at(written) if dvc.is_pointer(written) else Path(written)
    return path, path.as_posix(), None


def _format(path: Path, name: str) -> type[Table]:
    """Return the format that a file's name ends in; a folder is one of Parquet."""
    if path.is_dir():
        return ParquetTable
    for endings, kind in FORMATS.items():
        if path.name.endswith(endings):
            return kind
    known = ", ".join(ending for endings in FORMATS for ending in endings)
    raise OptionsError(
        f"{name}: unknown kind of table",
        advice=f"Tables are files that end in {known}, folders of Parquet, and Delta tables.",
    )


def is_stored(written: str) -> bool:
    """Whether a name is one of a table that `open_table` looks for: a file, a folder, a pin or an address."""
    stored = Path(written).exists() or addresses.is_address(written) or delta.named(written) is not None
    return stored or (dvc.is_pointer(written) and Path(written.partition(":")[0]).exists())


def behind(written: str) -> Path:
    """Return the file that a user's name stands for, without looking at it: what no output may take the place of."""
    return dvc.target(written) if dvc.is_pointer(written) else Path(written)
