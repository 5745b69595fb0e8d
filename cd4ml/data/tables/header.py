"""What can be known of a table at once: whether it is there, and which columns it has, without reading its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.formats import delta
from cd4ml.data.tables.formats.csv.table import CSV
from cd4ml.data.tables.formats.csv.text import first_header
from cd4ml.data.tables.formats.parquet.files import PARQUET
from cd4ml.data.tables.places import addresses, dvc
from cd4ml.data.tables.refusals import refuse_missing
from cd4ml.wording import nearest


def present(written: str) -> None:
    """Refuse a table that is not there; what only its reader could say is left to it.

    Raises:
        UnavailableError, OptionsError: as `open_table` does.
    """
    if addresses.is_address(written) or delta.named(written):
        return
    if dvc.is_pointer(written):
        dvc.refuse_absent(written)
    else:
        refuse_missing(Path(written))


def header(written: str, reading: Reading) -> list[str] | None:
    """Return the columns of a table; None where they are not known from its first line or its footer.

    A table may turn out to have fewer, never more: an index without a name is among them.
    """
    path = dvc.target(written) if dvc.is_pointer(written) else Path(written)
    if addresses.is_address(written) or not path.is_file():
        return None
    if path.name.endswith(PARQUET):
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    return first_header(path, reading.dialect) if path.name.endswith(CSV) else None


def lacking(table: str, wanted: Iterable[str], columns: Sequence[object]) -> list[str]:
    """Return a problem for each column that a table lacks, with the one that may be meant."""
    return [
        f"{table} has no column `{name}`{nearest(name, map(str, columns))}"
        for name in dict.fromkeys(wanted)
        if name not in columns
    ]
