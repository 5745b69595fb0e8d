"""What is wrong with models before they are fetched: early checks of every stage that takes some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cd4ml.errors import USAGE, Cd4mlError
from cd4ml.registry import is_registered, reference_of
from cd4ml.stages.preflight import Early, Finding, Looked, findings, tried


def looked_at(models: Sequence[str], tracking_uri: str | None, early: Early) -> Looked:
    """Return what can be seen of models; where nothing is asked, only which of them are named in no known form."""
    return early.look(models, tracking_uri) if early.look else dict(_misnamed(models))


def _misnamed(models: Sequence[str]) -> Iterator[tuple[str, Cd4mlError]]:
    """Yield the models that are named by an address of no known form."""
    for uri in models:
        if is_registered(uri):
            try:
                reference_of(uri)
            except Cd4mlError as error:
                yield uri, error


def model_findings(
    uri: str, looked: Looked, early: Early, tables: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Finding]:
    """Yield what is wrong with one model.

    Args:
        tables: the columns of each table that it will be given, as far as they are known.
    """
    found = looked.get(uri)
    if not isinstance(found, Path):
        yield from findings(found) if found is not None else ()
        return
    from cd4ml.model_files.signature import required_columns  # a plan sees no model
    from cd4ml.scoring.environment import python_here, python_version, requirements

    yield from tried(lambda: requirements(found, called=uri))
    columns: list[list[str] | None] = []
    yield from tried(lambda: columns.append(required_columns(found)))
    yield from _signature(uri, columns[0], tables or {}) if columns else ()
    python = python_version(found)
    if not python_here(python, early.context):
        yield Finding(
            message=f"{uri} was saved with Python {python}, which is not on PATH and will be fetched",
            advice=f"Put Python {python} on PATH (in a workflow: actions/setup-python) where there is no network.",
        )


def _signature(uri: str, columns: Sequence[str] | None, tables: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Yield what a model's signature lacks, and what the rows lack that it demands."""
    if columns is None:
        yield Finding(
            message=f"{uri} has no signature that names its columns: the types of its rows cannot be checked",
            advice="Save the model with signature=infer_signature(rows, predictions).",
        )
        return
    from cd4ml.data.tables.header import lacking

    for table, there in tables.items():
        for problem in lacking(table, columns, there):
            message = f"{problem}, which the signature of {uri} demands"
            yield Finding(message=message, advice="Write the column into the table.", code=USAGE)
