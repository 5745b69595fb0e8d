"""What is wrong with score-model before a model is fetched or a row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cd4ml.errors import OptionsError
from cd4ml.registry import MissingModelError
from cd4ml.stages.models import looked_at, model_findings
from cd4ml.stages.preflight import Early, Finding, findings, tried
from cd4ml.stages.score_model.options import Options

if TYPE_CHECKING:
    from cd4ml.scoring.behaviour.declared import Behaviour


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(lambda: options.reading)
    if early.here:
        yield from tried(lambda: check_options(options), lambda: written_tables(options))
        yield from tried(lambda: _behaviour(options, early))
    tables: dict[str, Sequence[str]] = {}
    for name in (options.test_data, options.train_data) if early.here else ():
        if name:
            yield from tried(partial(early.table, name), partial(_check_columns, name, options, tables))
    yield from _models(options, early, tables)


def made(options: Options) -> Mapping[str, Sequence[str]]:
    """See Makes."""
    written = (options.predictions, *([options.train_predictions] if options.train_data else ()))
    return {name: options.keep for name in written}


def check_options(options: Options) -> None:
    """Refuse to go on without a production model that nobody said there is none of, and to carry a column along under
    a name that the predictions table uses itself.

    Raises:
        OptionsError: all that is wrong.
    """
    from cd4ml.data.predictions.table import COLUMNS, is_score  # a plan opens no table

    taken = sorted({options.target, *COLUMNS} - {"sample_weight"})
    problems = [
        f"keep: `{name}` is written by score-model itself" for name in options.keep if name in taken or is_score(name)
    ]
    problems += [f"keep: `{name}` is named more than once" for name, n in Counter(options.keep).items() if n > 1]
    if options.behaviour_rows < 1:
        problems.append(f"behaviour-rows must be at least 1, got {options.behaviour_rows}")
    if options.production is None and not options.bootstrap:
        advice = "Name the production model, or set bootstrap: true for a first release."
        raise OptionsError([*problems, "production is not set"], advice=advice)
    if problems:
        raise OptionsError(problems)


def written_tables(options: Options) -> dict[str, str]:
    """Return the tables that are written, by what they are.

    Raises:
        OptionsError: one of them is another one, or one that is read.
    """
    from cd4ml.data.tables.opening import behind

    inputs = {behind(name).resolve() for name in (options.test_data, options.train_data) if name}
    names = {"predictions": options.predictions}
    names |= {"train-predictions": options.train_predictions} if options.train_data else {}
    paths = [Path(path).resolve() for path in names.values()]
    if inputs & set(paths) or len(set(paths)) < len(paths):
        raise OptionsError("predictions, train-predictions, test-data and train-data must be different files")
    return names


def _check_columns(table: str, options: Options, tables: dict[str, Sequence[str]]) -> None:
    """Refuse a table without a column that the options name, as far as its header says; else note what models get."""
    from cd4ml.data.tables.header import header, lacking

    columns = header(table, options.reading)
    if columns is None:
        return
    problems = lacking(table, (options.target, *options.keep, *options.exclude), columns)
    if problems:
        raise OptionsError(problems)
    tables[table] = [name for name in columns if name not in (options.target, *options.exclude)]


def _behaviour(options: Options, early: Early) -> None:
    """Refuse a file of behaviour tests that is wrong, or names tables and columns that are not there."""
    if options.behaviour is None:
        return
    from cd4ml.data.tables.header import header  # a plan opens no table
    from cd4ml.scoring.behaviour.reading import read_behaviour

    behaviour = read_behaviour(Path(options.behaviour))
    columns = header(options.test_data, options.reading)
    problems = column_problems(behaviour, options, columns) if columns is not None else []
    if problems:
        raise OptionsError(problems)
    for table in behaviour.tables:
        early.table(table)


def column_problems(behaviour: Behaviour, options: Options, columns: Sequence[str]) -> list[str]:
    """Return a problem for each test of a column that the rows lack, or that no model sees."""
    from cd4ml.data.tables.header import lacking  # a plan opens no table

    problems = []
    for name, line in behaviour.columns.items():
        where = f"{behaviour.path}:{line}"
        problems += [f"{where}: {problem}" for problem in lacking(options.test_data, [name], columns)]
        if name in (options.target, *options.exclude):
            problems.append(f"{where}: `{name}` is shown to no model, so a change of it tests nothing")
    return problems


def _models(options: Options, early: Early, tables: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Yield what is wrong with the models."""
    looked = looked_at([uri for uri in (options.candidate, options.production) if uri], options.tracking_uri, early)
    yield from model_findings(options.candidate, looked, early, tables)
    production = options.production
    if not production or production == options.candidate:
        return
    found = looked.get(production)
    if not isinstance(found, MissingModelError):
        yield from model_findings(production, looked, early, tables)
    elif not options.bootstrap:
        yield from findings(without_production(found))


def without_production(error: MissingModelError) -> MissingModelError:
    """Return the error of a production model that is not in the registry."""
    return MissingModelError(error.message, advice="For a first release set bootstrap: true.")
