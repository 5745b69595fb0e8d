"""Loading the user's pandera schema, and refusing one that checks less than it says."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cd4ml.data.schema.engine.rules import Part, Rules, from_pandera
from cd4ml.data.schema.engine.types import DTYPES
from cd4ml.data.schema.engine.yaml_rules import from_yaml
from cd4ml.data.schema.files import is_file, read_yaml, through_pandera
from cd4ml.errors import OptionsError
from cd4ml.user_code import load


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A schema that can be trusted to run all of its checks.

    Attributes:
        rules: what it demands.
        source: what the user named.
    """

    rules: Rules
    source: str
    _load: Callable[[], Any] = field(repr=False)

    @property
    def pandera(self) -> Any:
        """The pandera.pandas.DataFrameSchema; importing pandera takes seconds, so it is loaded when it is needed."""
        return self._load()

    def column(self, part: Part) -> Any:
        """Return the pandera Column of a part."""
        return next(column for name, column in self.pandera.columns.items() if str(name) == part.name)

    def checks_of(self, name: str, columns: Sequence[str]) -> list[Any]:
        """Return pandera's checks of one of a table's columns."""
        return [check for target, part in self.targets(columns) if target == name for check in self.column(part).checks]

    def targets(self, columns: Sequence[str]) -> list[tuple[str, Part]]:
        """Return which part is about which of a table's columns; one pattern may be about several or none.

        Raises:
            OptionsError: two parts are about one column: what is counted of a column is counted for one part.
        """
        there = set(columns)
        found: list[tuple[str, Part]] = []
        for part in self.rules.columns:
            if part.regex:  # as pandera looks for columns: a pattern must match from the start, not to the end
                found += [(actual, part) for actual in columns if re.match(part.name, actual)]
            elif part.name in there:
                found.append((part.name, part))
        of_column: dict[str, list[str]] = {}
        for name, part in found:
            of_column.setdefault(name, []).append(f"`{part.name}`")
        twice = [f"column `{name}` is matched by {' and '.join(by)}" for name, by in of_column.items() if len(by) > 1]
        if twice:
            advice = "Narrow the patterns, so that one part of the schema is about each column."
            raise OptionsError([f"{self.source}: {problem}" for problem in twice[:10]], advice=advice)
        return found

    def coercions(self, names: Sequence[str], columns: Sequence[str]) -> dict[str, Any]:
        """Return the pandera type that each of some columns is coerced to, None if it is not."""
        from pandera.engines.pandas_engine import Engine

        whole = self.pandera.dtype
        return {
            name: None if not part.coerce else self.column(part).dtype if whole is None else Engine.dtype(whole)
            for name, part in self.targets(columns)
            if name in names
        }


def load_schema(source: str, directory: Path) -> Schema:
    """Load a schema from a YAML file or from `module:object`.

    Args:
        directory: where `module` is found.

    Raises:
        UnavailableError: the file or module is missing.
        OptionsError: it cannot be loaded, has no checks, loses checks in loading, or drops rows instead of failing.
    """
    if is_file(source):
        written = read_yaml(Path(source))
        rules = from_yaml(written, DTYPES)
        schema = functools.cache(lambda: through_pandera(Path(source), written))
    else:
        rules = None
        schema = functools.cache(lambda: _from_module(source, directory))
    if rules is None:
        _refuse([f"{source}: {problem}" for problem in _dropping(schema())])
        rules = from_pandera(schema())
    _refuse([f"{source}: {problem}" for problem in _untrustworthy(rules)])
    return Schema(rules=rules, source=source, _load=schema)


def _refuse(problems: Sequence[str]) -> None:
    """Refuse a schema with problems."""
    if problems:
        raise OptionsError(problems)


def _from_module(source: str, directory: Path) -> Any:
    """Import the schema object from the caller's code."""
    import pandera.pandas as pa

    found = load(
        source,
        directory,
        what="schema",
        kind="object",
        may_import="pandera, pandas, NumPy",
        prepare=_as_schema,
    )
    if isinstance(found, pa.DataFrameSchema):
        return found
    raise OptionsError(f"schema {source} is {_kind(found)}, not a pandera.pandas DataFrameSchema or DataFrameModel")


def _as_schema(found: Any) -> Any:
    """Return the schema that a model stands for, and everything else as it is."""
    import pandera.pandas as pa

    model = isinstance(found, type) and issubclass(found, pa.DataFrameModel)
    return found.to_schema() if model else found


def _kind(found: Any) -> str:
    """Return what an object is, with the library that it comes from."""
    kind = found if isinstance(found, type) else type(found)
    return f"{kind.__module__}.{kind.__name__}"


def _dropping(schema: Any) -> Iterator[str]:
    """Yield why a schema of pandera would not look at all rows and columns as they are."""
    import pandera.pandas as pa

    levels = getattr(schema.index, "indexes", None) or [schema.index]
    parts = [schema, *schema.columns.values(), *(level for level in levels if level is not None)]
    if any(getattr(part, "drop_invalid_rows", False) for part in parts):
        yield "drop_invalid_rows drops the rows that should fail"
    if any(getattr(part, "parsers", None) for part in parts):
        yield "parsers change the values before they are checked, and the table is judged as it is: apply them before"
    if any(not isinstance(name, str) for name in schema.unique or ()):
        yield "unique must list columns by name; several groups of columns are not supported"
    names = getattr(schema.index, "names", [])
    if None in names and any(name is not None for name in names):
        yield "some levels of the index have a name and others have none: name all of them"
    unknown = set(_listed_names(getattr(schema.index, "unique", None))) - set(names)
    if isinstance(schema.index, pa.MultiIndex) and unknown:
        yield f"the index demands that {', '.join(sorted(map(str, unknown)))} be unique, which is not among its levels"


def _listed_names(unique: Any) -> Sequence[Any]:
    """Return the names of levels whose values together may not repeat; pandera passes over those that are not there."""
    return unique if isinstance(unique, list) else [unique] if isinstance(unique, str) else ()


def _untrustworthy(rules: Rules) -> Iterator[str]:
    """Yield why a schema that loaded would pass what it should not."""
    if not rules.columns:
        yield "the schema names no columns"
    elif not rules.tests and not any(_decides(part) for part in rules.columns):
        yield "the schema checks nothing: no type, no bounds, no nulls, no check"


def _decides(part: Part) -> bool:
    """Whether a column's rules can fail on any value."""
    return bool(part.dtype is not None or part.tests or not part.nullable or part.unique)
