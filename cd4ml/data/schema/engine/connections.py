"""Tables that lie elsewhere: in Spark or in a warehouse, through Ibis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.formats.parquet.table import ParquetTable
from cd4ml.data.tables.opening import is_stored, open_table
from cd4ml.data.tables.parts import write_groups
from cd4ml.data.tables.refusals import refused
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import installs

SPARK: Final = "spark"
PREFIX: Final = "ibis://"


def table_of(engine: str, name: str, folder: Path, reading: Reading | None = None) -> Any:
    """Return a table of an engine, as an Ibis expression.

    Args:
        engine: `spark` (the session that Spark's own settings describe), or `ibis://<backend>/<rest of its address>`,
            such as `ibis://duckdb/warehouse.ddb`.
        name: a table of it; for Spark and DuckDB also a table of any other kind, as `open_table` opens it.
        folder: where one that is not Parquet is written as Parquet, which must be there as long as the table: engines
            have rules of their own for types, gaps and headers of CSV, and for the files of a Delta table.
        reading: how CSV files are written; what there is to say of this one is added.

    Raises:
        UnavailableError: the engine does not answer, or has no such table.
        OptionsError: there is no such engine.
    """
    stored = _as_parquet(name, folder, reading) if is_stored(name) else None
    with _asked(engine, name):
        connection = _connection(engine)
        return connection.read_parquet(str(stored)) if stored else connection.table(name)


def write_answer(engine: str, query: str | None, table: Any, path: Path, rows: int) -> None:
    """Write a table of an engine, or its answer to a query, as Parquet; the same rows give the same bytes.

    Args:
        query: in the engine's SQL; None for the table, an Ibis expression.
        rows: of a row group.

    Raises:
        UnavailableError: the engine does not answer to the end.
        OptionsError: there is no such engine.
    """
    with _asked(engine, "query" if query is not None else table.get_name()):
        connection = _connection(engine) if query is not None else table.get_backend()
        if connection.name == "duckdb":  # Ibis 12 asks for batches by a name that DuckDB 2 no longer has
            relation = connection.con.sql(query if query is not None else connection.compile(table))
            reader = relation.to_arrow_reader(rows)
        else:
            reader = (table if query is None else connection.sql(query)).to_pyarrow_batches(chunk_size=rows)
        write_groups(reader, reader.schema, path, rows)


def _parsed(engine: str) -> tuple[str, str]:
    """Return the back end of an engine, and the rest of its address."""
    backend, separator, rest = engine.removeprefix(PREFIX).partition("/")
    if engine != SPARK and not (engine.startswith(PREFIX) and separator and backend):
        raise OptionsError(f"backend: expected local, spark or ibis://<backend>/<address>, got {engine!r}")
    return backend, rest


def _connection(engine: str) -> Any:
    """Return a connection to an engine."""
    backend, rest = _parsed(engine)
    return _spark() if engine == SPARK else _connect(f"{backend}://{rest}")


@contextmanager
def _asked(engine: str, name: str) -> Iterator[None]:
    """Say in one sentence why an engine does not answer; every backend has exceptions of its own."""
    backend, _ = _parsed(engine)
    try:
        with user_code():
            yield
    except UserCodeError as error:
        said = error.raised.text or error.raised.where
        if isinstance(error.__cause__, ImportError):
            advice = installs("warehouse")
            raise UnavailableError(
                f"backend {backend} needs packages that are not installed: {said}.", advice=advice
            ) from error
        advice = "Check that the backend runs and that the table exists."
        raise UnavailableError(f"{name}: {backend} cannot read this table: {said}", advice=advice) from error


def _as_parquet(name: str, folder: Path, reading: Reading | None) -> Path:
    """Return a table as Parquet; rows that lie in other files are written, in the types that every other stage sees."""
    table = open_table(name, reading=reading)
    if isinstance(table, ParquetTable) and not table.temporary:
        _refuse_pattern(table.name)
        return table.path
    source, target = table.source(), folder / "rows.parquet"
    with refused(table.name):
        source.lazy().sink_parquet(target)
    return target


def _refuse_pattern(name: str) -> None:
    """Refuse a file whose name an engine would take for a pattern, and so for other files."""
    if set(name) & set("*?[]{}"):
        raise OptionsError(f"{name}: an engine takes `*?[]{{}}` in the name of a file for a pattern; rename the file")


def _spark() -> Any:
    """Return the session that Spark's own settings describe."""
    import ibis
    from pyspark.sql import SparkSession

    return ibis.pyspark.connect(SparkSession.builder.getOrCreate())


def _connect(address: str) -> Any:
    """Return a connection of Ibis."""
    import ibis

    return ibis.connect(address)
