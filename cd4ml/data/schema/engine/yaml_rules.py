"""Rules straight from pandera's YAML, where that holds nothing unusual.

Importing pandera and pandas costs more than validating a million rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from cd4ml.data.schema.engine.rules import BUILT_IN, REQUIRED, Part, Rules, Test, built_in_test, names_of

# What may stand in YAML that is read without pandera. Everything else is left to pandera's own reader.
_FRAME_KEYS: Final = frozenset(
    "schema_type api version columns checks index dtype coerce strict name ordered unique report_duplicates "
    "title description".split()
)
_COLUMN_KEYS: Final = frozenset(
    "title description dtype nullable checks unique coerce required regex report_duplicates".split()
)
_KEEPS: Final = ("all", "exclude_first", "exclude_last")


class _UnusualError(Exception):
    """The YAML holds something that only pandera can read."""


def from_yaml(written: Mapping[str, Any], dtypes: Mapping[str, str]) -> Rules | None:
    """Return what pandera's YAML demands, None if it holds anything unusual.

    Args:
        written: the parsed document.
        dtypes: pandera's names of the types that it may name, by what may be written.
    """
    try:
        _refuse_unusual(written, _FRAME_KEYS)
        if any(written.get(key) for key in ("checks", "index", "dtype")):
            return None
        strict, unique = written.get("strict", False), written.get("unique") or []
        unique = [unique] if isinstance(unique, str) else unique
        if (not isinstance(strict, bool) and strict != "filter") or not all(isinstance(name, str) for name in unique):
            return None
        columns = [_yaml_column(str(name), column, dtypes) for name, column in written["columns"].items()]
        if _boolean(written, "coerce"):
            columns = [replace(column, coerce=True) for column in columns]
        return Rules(
            columns=columns,
            strict=strict is True,
            ordered=_boolean(written, "ordered"),
            unique=tuple(unique),
            keep=_keep(written),
        )
    except _UnusualError:
        return None


def _refuse_unusual(written: Any, known: frozenset[str]) -> None:
    """Give up on anything but a mapping of known keys."""
    if not isinstance(written, Mapping) or not set(written) <= known:
        raise _UnusualError


def _boolean(written: Mapping[str, Any], key: str, default: bool = False) -> bool:
    """Return a setting that must be a boolean; null is the default."""
    value = written.get(key)
    if value is not None and not isinstance(value, bool):
        raise _UnusualError
    return default if value is None else value


def _keep(written: Mapping[str, Any]) -> Any:
    """Return which duplicates count."""
    keep = written.get("report_duplicates") or "all"
    if keep not in _KEEPS:
        raise _UnusualError
    return keep


def _yaml_column(name: str, written: Any, dtypes: Mapping[str, str]) -> Part:
    """Return what is demanded of one column."""
    _refuse_unusual(written, _COLUMN_KEYS)
    dtype = written.get("dtype")
    if dtype is not None and dtype not in dtypes:
        raise _UnusualError
    timed = dtype is not None and "time" in dtypes[dtype]  # pandera turns settings of times from texts into times
    tests = list(_yaml_tests(written.get("checks")))
    if timed and tests:
        raise _UnusualError
    return Part(
        name=name,
        regex=_boolean(written, "regex"),
        required=_boolean(written, "required", default=True),
        dtype=None if dtype is None else dtypes[dtype],
        coerce=_boolean(written, "coerce"),
        nullable=_boolean(written, "nullable"),
        unique=_boolean(written, "unique"),
        keep=_keep(written),
        tests=tests,
    )


def _yaml_tests(written: Any) -> Iterator[Test]:
    """Yield checks in either of pandera's forms: a mapping by name, or a list of mappings that name themselves."""
    items = []
    for kind, settings in _pairs(written):
        options = settings.pop("options", {}) if isinstance(settings, dict) else {}
        if set(options) - {"check_name"} or kind not in BUILT_IN:
            raise _UnusualError
        items.append((kind, settings))
    for name, (kind, settings) in zip(names_of([kind for kind, _ in items]), items, strict=True):
        single = sorted(REQUIRED[kind])
        named = settings if isinstance(settings, Mapping) else {single[0]: settings} if len(single) == 1 else {}
        if len(single) == 1 and set(named) == {"value"}:  # how a single setting with options is written
            named = {single[0]: named["value"]}
        test = built_in_test(name, kind, named)
        if test is None:
            raise _UnusualError
        yield test


def _pairs(written: Any) -> Iterator[tuple[str, Any]]:
    """Yield each check's name and a copy of its settings."""
    if written is None:
        return
    if isinstance(written, Mapping):
        for kind, settings in written.items():
            yield str(kind), dict(settings) if isinstance(settings, Mapping) else settings
    elif isinstance(written, list) and all(isinstance(item, Mapping) for item in written):
        for item in written:
            yield str((item.get("options") or {}).get("check_name")), dict(item)
    else:
        raise _UnusualError
