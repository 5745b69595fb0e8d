"""The files of a Parquet table: which of a folder's there are, and what their footers give away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cd4ml.data.tables.formats.parquet.expansion import hidden_bytes
from cd4ml.data.tables.refusals import most_bytes, refuse_columns, refuse_expansion
from cd4ml.errors import OptionsError

PARQUET: Final = (".parquet", ".pq")
# The folder with the log of a Delta table, which says which of its files count.
DELTA_LOG: Final = "_delta_log"


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder, and refuse anything whose rows would be left out."""
    files = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith(("_", ".")) for part in inside)
        if DELTA_LOG in inside:
            table = folder.joinpath(*inside[: inside.index(DELTA_LOG)])
            raise OptionsError(f"{table}: a Delta table, whose folder also holds rows that were deleted")
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            raise OptionsError(f"{path}: not a regular file; a folder of Parquet holds regular files only")
        if path.name.endswith(PARQUET) and not hidden:
            files.append(path)
        elif path.name.endswith(PARQUET) or not (hidden or path.name.endswith(".crc")):
            raise OptionsError(f"{path}: not part of the table; move it out of this folder")
    if not files:
        raise OptionsError(f"{folder}: the folder holds no .parquet file")
    return files


def check_footers(path: Path, files: Sequence[Path]) -> None:
    """Refuse what the footers already give away: too many columns, or too much data."""
    import pyarrow.parquet as pq

    on_disk = sum(file.stat().st_size for file in files)
    most = most_bytes(on_disk)
    total = 0
    for file in files:
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        refuse_columns(file, schema.names, metadata.num_columns)
        encoded = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
        total += max(encoded, metadata.num_rows * metadata.num_columns * 8)
        if total <= most:
            total += hidden_bytes(file, metadata, enough=most - total, ignorable=most // len(files))
    refuse_expansion(path, on_disk, total)
