"""What is wrong with validate-data before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cd4ml.data.schema.files import is_file, read_yaml
from cd4ml.errors import OptionsError
from cd4ml.stages.preflight import Early, Finding, tried
from cd4ml.stages.validate_data.options import LOCAL, SKEW, OnPersonalData, Options


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(
        lambda: check_options(options, here=early.here),
        lambda: options.reading,
        lambda: _read_schema(options.schema, here=early.here),
    )
    if early.here and options.backend == LOCAL:
        for name in (*options.data, *([options.serving] if options.serving else ())):
            yield from tried(partial(early.table, name))


def _read_schema(source: str, *, here: bool) -> None:
    """Read a schema in a file, if it is there or must be."""
    if is_file(source) and (here or Path(source).exists()):
        read_yaml(Path(source))


def check_options(options: Options, *, here: bool = True) -> None:
    """Refuse what would decide nothing.

    Args:
        here: whether the options are all that there will be.
    """
    problems = _unpaired(options) if here else []
    if options.backend != LOCAL and (options.freshness or options.read_everything):
        problems.append(
            "freshness and read-everything are for the local backend; other backends read everything anyway"
        )
    problems += [f"data: {name} is named twice" for name, n in Counter(options.data).items() if n > 1]
    if options.serving in options.data:
        problems.append(f"serving: {options.serving} is among data: nothing would be compared")
    if options.minimum_rows < 1:
        problems.append("minimum-rows must be at least 1")
    problems += [
        f"freshness: {name} must be above 0, got {age:g}" for name, age in options.freshness.items() if age <= 0
    ]
    if options.maximum_row_change is not None and options.maximum_row_change < 0:
        problems.append(f"maximum-row-change must not be negative, got {options.maximum_row_change:g}")
    problems += _personal(options)
    if problems:
        raise OptionsError(problems)


def _personal(options: Options) -> Iterator[str]:
    """Yield what is wrong with the search for personal data."""
    if options.personal_data_rows < 1:
        yield "personal-data-rows must be at least 1"
    if options.backend != LOCAL and options.on_personal_data is OnPersonalData.FAIL:
        yield "on-personal-data: fail is for the local backend; other backends do not search for personal data"
    if options.allow_personal_data and options.on_personal_data is OnPersonalData.IGNORE:
        yield "allow-personal-data decides nothing with on-personal-data: ignore"


def _unpaired(options: Options) -> list[str]:
    """Return a problem for each option that decides nothing without another."""
    problems = []
    if options.training_only and not options.serving:
        problems.append("training-only is for serving data: set serving")
    if not options.serving and any(name.startswith(SKEW) for name in options.warn):
        problems.append("warn: there is no skew check without serving data")
    if (options.previous_report is None) != (options.maximum_row_change is None):
        problems.append("previous-report and maximum-row-change belong together: set both, or neither")
    return problems
