"""Schemas in pandera's YAML: read without pandera, and refused where pandera would pass over what they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import Cd4mlError, OptionsError
from cd4ml.reading import missing_file, text_file
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import nearest
from cd4ml.yaml_text import Lined
from cd4ml.yaml_text import document as yaml_document

# JSON writes characters beyond 16 bits as two escapes; a backslash before an escape makes it none.
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_HALF: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89a-fA-F][0-9a-fA-F]{2})")
_NUMERIC: Final = re.compile(r"u?int|float", re.I)
_EXPONENT: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
_OLD_KEYS: Final = frozenset({"pandas_dtype", "allow_duplicates"})
# Keys of a column in pandera's YAML that are not checks.
_COLUMN_KEYS: Final = frozenset(
    "title description dtype nullable checks unique coerce required regex report_duplicates metadata default "
    "name parsers drop_invalid_rows".split()
)
_FRAME_KEYS: Final = frozenset(
    "schema_type api version columns checks index dtype coerce strict name ordered unique report_duplicates "
    "unique_column_names add_missing_columns title description metadata parsers drop_invalid_rows "
    "multiindex dataframe_library".split()
)


def is_file(source: str) -> bool:
    """Whether a schema is named by its file, and not as `module:object`.

    Raises:
        OptionsError: it is named by neither.
    """
    if source.endswith((".yaml", ".yml", ".json")):
        return True
    if ":" not in source:
        raise OptionsError(f"schema {source!r} is neither a .yaml file nor module:object")
    return False


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Read pandera's YAML without pandera."""
    try:
        text = text_file(path)
    except FileNotFoundError:
        raise missing_file(path) from None
    text = _without_surrogates(text, path)
    written = yaml_document(text, path)
    if not isinstance(written, Mapping) or not isinstance(written.get("columns"), Mapping):
        raise OptionsError(f"{path}: not a pandera schema: it has no mapping `columns`")
    if "polars" in str(written.get("api", "")) + str(written.get("schema_type", "")):
        raise OptionsError(f"{path}: a Polars schema; write it with api: pandas")
    problems = [f"{path}: {problem}" for problem in _texts_for_numbers(written["columns"])]
    if problems:
        raise OptionsError(problems)
    return _modern(written)


def read_lines(path: Path) -> Lined:
    """Read the YAML of a schema that was loaded once more, with the lines of its keys; nothing if it changed since."""
    try:
        written = yaml_document(_without_surrogates(text_file(path), path), path, lines=True)
    except (OSError, Cd4mlError):
        return Lined()
    return written if isinstance(written, Lined) else Lined()


def _texts_for_numbers(columns: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with `1e3` in a check of numbers: to YAML 1.1, which pandera reads and writes, it is text."""
    for name, column in columns.items():
        numeric = isinstance(column, Mapping) and _NUMERIC.match(str(column.get("dtype")))
        for text in _texts(column.get("checks")) if numeric else ():
            if _EXPONENT.fullmatch(text):
                written = repr(float(text))
                number = written if "." in written else written.replace("e", ".0e")
                yield f"column `{name}`: YAML reads `{text}` as a text, not as a number: write {number}"


def _texts(checks: Any) -> Iterator[str]:
    """Yield every text among the settings of checks."""
    if isinstance(checks, str):
        yield checks
    elif isinstance(checks, Mapping | list):
        for item in checks.values() if isinstance(checks, Mapping) else checks:
            yield from _texts(item)


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


def _modern(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema of pandera 0.6 or 0.7 as later versions write it: they pass over its settings in silence."""
    index = written.get("index") or []
    parts = [*written["columns"].values(), *(index if isinstance(index, list) else [])]
    old = [part for part in parts if isinstance(part, dict) and part.keys() & _OLD_KEYS]
    for part in old:
        if "pandas_dtype" in part:
            part["dtype"] = part.pop("pandas_dtype")
        if isinstance(part.get("allow_duplicates"), bool):
            part["unique"] = not part.pop("allow_duplicates")
    return written


def _as_pandera_reads(written: Mapping[str, Any]) -> str:
    """Return a document as YAML that pandera reads as it was read here."""
    import yaml  # what pandera reads with: nothing else is sure to write what it reads

    # ASCII: line separators of Unicode are read as line ends. Columns have an order.
    return str(yaml.safe_dump(written, sort_keys=False, allow_unicode=False))


def through_pandera(path: Path, written: Mapping[str, Any]) -> Any:
    """Load a schema by pandera and compare what the file names with what was loaded."""
    import pandera.pandas as pa

    try:
        with user_code():
            schema = pa.DataFrameSchema.from_yaml(_as_pandera_reads(written))
    except UserCodeError as error:
        raise OptionsError(f"{path}: pandera cannot load the schema: {error.raised.text}") from error
    lost = [f"{path}: {problem}" for problem in _lost(written, schema)]
    if lost:
        raise OptionsError(lost)
    return schema


def _lost(written: Mapping[str, Any], schema: Any) -> Iterator[str]:
    """Yield what the file names and the loaded schema lacks: pandera passes over what it does not know."""
    for key in written.keys() - _FRAME_KEYS - {check.name for check in schema.checks}:
        yield f"unknown schema setting `{key}`{nearest(key, _FRAME_KEYS)}"
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
        return {listed_name(item) for item in checks if isinstance(item, Mapping) and item}
    return set()


def listed_name(check: Mapping[str, Any]) -> str:
    """Return the name of a check in a list, which stands among its options."""
    options = check.get("options")
    named = options.get("check_name") if isinstance(options, Mapping) else None
    return str(named or check.get("check_name") or next(iter(check)))


def _lost_checks(where: str, named: set[str], loaded: Any) -> Iterator[str]:
    """Yield the checks of one place that were named and not loaded."""
    names = {check.name for check in loaded}
    for name in sorted(named - names):
        yield f"{where} names the check `{name}`, which pandera did not load{nearest(name, _COLUMN_KEYS)}"
