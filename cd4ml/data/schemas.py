"""Loading the user's pandera schema, and refusing one that checks less than it says."""

from __future__ import annotations

import functools
import importlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cd4ml.data.engine.rules import Part, Rules, from_pandera, from_yaml
from cd4ml.data.engine.types import DTYPES
from cd4ml.data.missing import missing_file
from cd4ml.data.user_code import UserCodeError, user_code
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.options import nearest
from cd4ml.reading import text_file, yaml_document

# JSON writes characters beyond 16 bits as two escapes; a backslash before an escape makes it none.
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_HALF: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89a-fA-F][0-9a-fA-F]{2})")
_OLD_KEYS: Final = frozenset({"pandas_dtype", "allow_duplicates"})
# Keys of a column in pandera's YAML that are no checks.
_COLUMN_KEYS: Final = frozenset(
    "title description dtype nullable checks unique coerce required regex report_duplicates metadata default "
    "name parsers drop_invalid_rows".split()
)
_FRAME_KEYS: Final = frozenset(
    "schema_type api version columns checks index dtype coerce strict name ordered unique report_duplicates "
    "unique_column_names add_missing_columns title description metadata parsers drop_invalid_rows "
    "multiindex dataframe_library".split()
)


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
        """Return which part is about which of a table's columns; one pattern may be about several or none."""
        there = set(columns)
        found: list[tuple[str, Part]] = []
        for part in self.rules.columns:
            if part.regex:  # as pandera looks for columns: a pattern must match from the start, not to the end
                found += [(actual, part) for actual in columns if re.match(part.name, actual)]
            elif part.name in there:
                found.append((part.name, part))
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
    if source.endswith((".yaml", ".yml", ".json")):
        text, written = _read_yaml(Path(source))
        rules = from_yaml(written, DTYPES)
        load = functools.cache(lambda: _from_yaml(Path(source), text, written))
    elif ":" in source:
        rules = None
        load = functools.cache(lambda: _from_module(source, directory))
    else:
        raise OptionsError(f"schema {source!r} is neither a .yaml file nor module:object")
    if rules is None:
        _refuse([f"{source}: {problem}" for problem in _dropping(load())])
        rules = from_pandera(load())
    _refuse([f"{source}: {problem}" for problem in _untrustworthy(rules)])
    return Schema(rules=rules, source=source, _load=load)


def _refuse(problems: Sequence[str]) -> None:
    """Refuse a schema with problems."""
    if problems:
        raise OptionsError(problems)


def _read_yaml(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Read pandera's YAML without pandera."""
    try:
        text = text_file(path)
    except FileNotFoundError:
        raise missing_file(path) from None
    text = _without_surrogates(text, path)
    written = yaml_document(text, path)
    if not isinstance(written, Mapping) or not isinstance(written.get("columns"), Mapping):
        raise OptionsError(f"{path}: no pandera schema: it has no mapping `columns`")
    if "polars" in str(written.get("api", "")) + str(written.get("schema_type", "")):
        raise OptionsError(f"{path}: a Polars schema; write it with api: pandas")
    return _modern(text, written)


def _without_surrogates(text: str, path: Path) -> str:
    """Return YAML in which JSON's escape of a character in two halves is the character's own escape.

    Raises:
        OptionsError: a half stands alone: no text can hold it.
    """
    whole = _PAIR.sub(lambda pair: pair[1] + rf"\U{ord(json.loads(chr(34) + pair[2] + chr(34))):08x}", text)
    half = _HALF.search(whole)
    if half:
        raise OptionsError(f"{path}: holds half of an escaped character: {half[2]}")
    return whole


def _modern(text: str, written: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return a schema of pandera 0.6 or 0.7 as later versions write it: they pass over its settings in silence."""
    index = written.get("index") or []
    parts = [*written["columns"].values(), *(index if isinstance(index, list) else [])]
    old = [part for part in parts if isinstance(part, dict) and part.keys() & _OLD_KEYS]
    if not old:
        return text, written
    for part in old:
        if "pandas_dtype" in part:
            part["dtype"] = part.pop("pandas_dtype")
        if isinstance(part.get("allow_duplicates"), bool):
            part["unique"] = not part.pop("allow_duplicates")
    stream = io.StringIO()
    _yaml().dump(written, stream)
    return stream.getvalue(), written


def _yaml() -> Any:
    """Return a reader and writer of YAML as pandera reads it."""
    from ruamel.yaml import YAML

    result = YAML(typ="safe", pure=True)
    result.version = (1, 1)
    return result


def _from_yaml(path: Path, text: str, written: Mapping[str, Any]) -> Any:
    """Load a schema by pandera and compare what the file names with what was loaded."""
    import pandera.pandas as pa

    try:
        with user_code():
            schema = pa.DataFrameSchema.from_yaml(text)
    except UserCodeError as error:
        raise OptionsError(f"{path}: pandera cannot load the schema: {error.raised.text}") from error
    _refuse([f"{path}: {problem}" for problem in _lost(written, schema)])
    return schema


def _lost(written: Mapping[str, Any], schema: Any) -> Iterator[str]:
    """Yield what the file names and the loaded schema lacks: pandera passes over what it does not know."""
    for key in written.keys() - _FRAME_KEYS - {check.name for check in schema.checks}:
        yield f"`{key}` is no setting of a schema{nearest(key, _FRAME_KEYS)}"
    yield from _lost_checks("the table", _named(written.get("checks")), schema.checks)
    for name, column in written["columns"].items():
        loaded = schema.columns.get(name)
        if loaded is None:
            yield f"column `{name}` was not loaded"
            continue
        yield from _lost_checks(f"column `{name}`", _named_in(column), loaded.checks)
    levels = getattr(schema.index, "indexes", None) or [schema.index]
    for level, loaded in zip(written.get("index") or [], levels, strict=False):
        yield from _lost_checks("the index", _named_in(level), loaded.checks)


def _named_in(part: Any) -> set[str]:
    """Return the names of checks of a column or of a level of the index, which may stand beside its other settings."""
    settings = part if isinstance(part, Mapping) else {}
    return _named(settings.get("checks")) | {str(key) for key in settings.keys() - _COLUMN_KEYS}


def _named(checks: Any) -> set[str]:
    """Return the names of checks in either of pandera's forms: a mapping, or a list of mappings."""
    if isinstance(checks, Mapping):
        return {str(key) for key in checks if key != "options"}
    if isinstance(checks, list):
        return {_listed(item) for item in checks if isinstance(item, Mapping) and item}
    return set()


def _listed(check: Mapping[str, Any]) -> str:
    """Return the name of a check in a list, which stands among its options."""
    options = check.get("options")
    named = options.get("check_name") if isinstance(options, Mapping) else None
    return str(named or check.get("check_name") or next(iter(check)))


def _lost_checks(where: str, named: set[str], loaded: Any) -> Iterator[str]:
    """Yield the checks of one place that were named and not loaded."""
    names = {check.name for check in loaded}
    for name in sorted(named - names):
        yield f"{where} names the check `{name}`, which pandera did not load{nearest(name, _COLUMN_KEYS)}"


def _from_module(source: str, directory: Path) -> Any:
    """Import the schema object from the caller's code."""
    import pandera.pandas as pa

    module_name, _, attribute = source.partition(":")
    try:
        with _importable(directory), user_code():
            found: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                found = getattr(found, part)
            if isinstance(found, type) and issubclass(found, pa.DataFrameModel):
                model: Any = found
                found = model.to_schema()
    except UserCodeError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise _missing_module(source, module_name, error) from error
        said = f"{error.raised.where}: {error.raised.text}"
        raise OptionsError(f"schema {source} cannot be loaded: {said}") from error
    if isinstance(found, pa.DataFrameSchema):
        return found
    raise OptionsError(f"schema {source} is {_kind(found)}, not a pandera.pandas DataFrameSchema or DataFrameModel")


def _missing_module(source: str, module: str, error: UserCodeError) -> UnavailableError:
    """Return the error for a schema's module that is not there, or that imports one that is not."""
    missing = str(getattr(error.__cause__, "name", None) or "")
    if module == missing or module.startswith(f"{missing}."):
        message = f"schema {source}: there is no module `{missing}` in the working directory."
        return UnavailableError(message, advice="Write the schema as module:object, the module's path with dots.")
    where = error.raised.where.partition(" in ")[2]
    return UnavailableError(
        f"schema {source}: {where or module} imports `{missing}`, which is not installed where cd4ml runs.",
        advice="A schema may import pandera, pandas, NumPy and modules of the project that need no more than these: "
        f"move what needs `{missing}` to a module that the schema does not import.",
    )


def _kind(found: Any) -> str:
    """Return what an object is, with the library that it comes from."""
    kind = found if isinstance(found, type) else type(found)
    return f"{kind.__module__}.{kind.__name__}"


@contextmanager
def _importable(directory: Path) -> Iterator[None]:
    """Let modules of the caller's project be imported, without a trace in its tree, while the schema is loaded."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        if str(directory) in sys.path:
            sys.path.remove(str(directory))


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
