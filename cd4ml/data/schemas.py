"""Loading the user's pandera schema, and refusing one that checks less than it says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.options import nearest

# Keys of a column in pandera's YAML that are no checks.
_COLUMN_KEYS: Final = frozenset(
    "title description dtype nullable checks unique coerce required regex report_duplicates metadata default "
    "name parsers".split()
)
_FRAME_KEYS: Final = frozenset(
    "schema_type api version columns checks index dtype coerce strict name ordered unique report_duplicates "
    "unique_column_names add_missing_columns title description metadata parsers".split()
)


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A schema that can be trusted to run all of its checks; `pandera` is a pandera.pandas.DataFrameSchema."""

    pandera: Any
    source: str


def load_schema(source: str, directory: Path) -> Schema:
    """Load a schema from a YAML file or from `module:object`.

    Args:
        directory: where `module` is found.

    Raises:
        UnavailableError: the file or module is missing.
        OptionsError: it cannot be loaded, has no checks, loses checks in loading, or drops rows instead of failing.
    """
    if source.endswith((".yaml", ".yml", ".json")):
        schema = _from_yaml(Path(source))
    elif ":" in source:
        schema = _from_module(source, directory)
    else:
        raise OptionsError(f"schema {source!r} is neither a .yaml file nor module:object")
    problems = list(_untrustworthy(schema))
    if problems:
        raise OptionsError([f"{source}: {problem}" for problem in problems])
    return Schema(pandera=schema, source=source)


def _from_yaml(path: Path) -> Any:
    """Read pandera's YAML and compare what it names with what was loaded."""
    import pandera.pandas as pa
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not path.is_file():
        raise UnavailableError(f"{path}: no such file.")
    try:
        text = path.read_text(encoding="utf-8")
        written = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, UnicodeDecodeError) as error:
        raise OptionsError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(written, Mapping) or not isinstance(written.get("columns"), Mapping):
        raise OptionsError(f"{path}: no pandera schema: it has no mapping `columns`")
    if "polars" in str(written.get("api", "")) + str(written.get("schema_type", "")):
        raise OptionsError(f"{path}: a Polars schema; write it with api: pandas")
    try:
        schema = pa.DataFrameSchema.from_yaml(text)
    except (AttributeError, TypeError, ValueError, KeyError, pa.errors.SchemaDefinitionError) as error:
        raise OptionsError(f"{path}: pandera cannot load the schema: {' '.join(str(error).split())}") from error
    problems = list(_lost(written, schema))
    if problems:
        raise OptionsError([f"{path}: {problem}" for problem in problems])
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
        settings = column if isinstance(column, Mapping) else {}
        named = _named(settings.get("checks")) | {str(key) for key in settings.keys() - _COLUMN_KEYS}
        yield from _lost_checks(f"column `{name}`", named, loaded.checks)


def _named(checks: Any) -> set[str]:
    """Return the names of checks in either of pandera's forms: a mapping, or a list of mappings."""
    if isinstance(checks, Mapping):
        return {str(key) for key in checks if key != "options"}
    if isinstance(checks, list):
        return {
            str(item.get("check_name") or next(iter(item))) for item in checks if isinstance(item, Mapping) and item
        }
    return set()


def _lost_checks(where: str, named: set[str], loaded: Any) -> Iterator[str]:
    """Yield the checks of one place that were named and not loaded."""
    names = {check.name for check in loaded}
    for name in sorted(named - names):
        yield f"{where} names the check `{name}`, which pandera did not load{nearest(name, _COLUMN_KEYS)}"


def _from_module(source: str, directory: Path) -> Any:
    """Import the schema object from the caller's code."""
    import pandera.pandas as pa

    module_name, _, attribute = source.partition(":")
    with _importable(directory):
        try:
            found: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                found = getattr(found, part)
        except ModuleNotFoundError as error:
            raise UnavailableError(f"schema {source}: {error}.") from error
        except AttributeError as error:
            raise OptionsError(f"schema {source}: {error}") from error
    if isinstance(found, type) and issubclass(found, pa.DataFrameModel):
        model: Any = found
        return model.to_schema()
    if isinstance(found, pa.DataFrameSchema):
        return found
    raise OptionsError(
        f"schema {source} is a {type(found).__name__}, not a pandera.pandas DataFrameSchema or DataFrameModel"
    )


@contextmanager
def _importable(directory: Path) -> Iterator[None]:
    """Let modules of the caller's project be imported for as long as the schema is loaded."""
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))


def _untrustworthy(schema: Any) -> Iterator[str]:
    """Yield why a schema that loaded would pass what it should not."""
    if not schema.columns:
        yield "the schema names no columns"
    elif not any(_decides(column) for column in schema.columns.values()) and not schema.checks:
        yield "the schema checks nothing: no type, no bounds, no nulls, no check"
    if getattr(schema, "drop_invalid_rows", False) or any(
        getattr(column, "drop_invalid_rows", False) for column in schema.columns.values()
    ):
        yield "drop_invalid_rows drops the rows that should fail"


def _decides(column: Any) -> bool:
    """Whether a column's schema can fail on any value."""
    return bool(column.dtype is not None or column.checks or not column.nullable or column.unique)
