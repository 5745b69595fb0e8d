"""What is wrong with check-split before any row is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from cd4ml.data.tables.header import header, lacking
from cd4ml.errors import OptionsError
from cd4ml.inputs.options import OTHERS
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.preflight import Early, Finding, tried
from cd4ml.wording import nearest

# Limits that are shares of rows.
SHARES: Final = (
    "maximum_overlap",
    "maximum_near_overlap",
    "maximum_duplicates",
    "maximum_duplicate_keys",
    "maximum_key_overlap",
    "maximum_group_overlap",
    "maximum_time_overlap",
    "maximum_late_features",
)


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(lambda: check_options(options), lambda: options.reading)
    if early.here:
        for name in (options.train_data, options.test_data):
            yield from tried(partial(early.table, name), partial(_check_columns, name, options, early))
        yield from tried(partial(_check_excluded, options, early))


def _check_columns(name: str, options: Options, early: Early) -> None:
    """Refuse a table that lacks a column, if its columns are known."""
    found = _header(name, options, early)
    problems = lacking(name, named_columns(options), found) if found is not None else []
    if problems:
        raise OptionsError(problems)


def _check_excluded(options: Options, early: Early) -> None:
    """Refuse to exclude what is in neither table, if the columns of both are known."""
    train, test = (_header(name, options, early) for name in (options.train_data, options.test_data))
    problems = in_neither(options, [*train, *test]) if train is not None and test is not None else []
    if problems:
        raise OptionsError(problems)


def _header(name: str, options: Options, early: Early) -> list[str] | None:
    """Return the columns of a table, if they are known before its rows are read."""
    return header(name, options.reading) if early.columns_made(name) is None else None


def in_neither(options: Options, columns: Collection[str]) -> list[str]:
    """Return a problem for each excluded column that is not among those of both tables."""
    return [
        f"exclude: neither {options.train_data} nor {options.test_data} has a column `{name}`{nearest(name, columns)}"
        for name in dict.fromkeys(options.exclude)
        if name not in columns
    ]


def named_columns(options: Options) -> tuple[str, ...]:
    """Return the columns that both tables must have."""
    return (options.target, *options.key, *options.group, *times(options))


def times(options: Options) -> tuple[str, ...]:
    """Return the columns of times."""
    return tuple(name for name in (options.time, options.label_time, *options.feature_times) if name)


def not_features(options: Options) -> tuple[str, ...]:
    """Return the columns beside the target that are no features, as far as the options say so."""
    return (*options.key, *options.group, *times(options), *options.exclude)


def check_options(options: Options) -> None:
    """Refuse what decides nothing, and options that contradict each other."""
    problems = [
        f"{name.replace('_', '-')} must be from 0 to 1, got {getattr(options, name):g}"
        for name in SHARES
        if not 0 <= getattr(options, name) <= 1
    ]
    problems += _power_problems(options)
    problems += [
        f"{option}: `{options.target}` is the target"
        for option, names in (
            ("key", options.key),
            ("group", options.group),
            ("the times", times(options)),
        )
        if options.target in names
    ]
    problems += [
        f"{option}: `{name}` is listed more than once"
        for option, names in (("key", options.key), ("group", options.group), ("feature-times", options.feature_times))
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if options.feature_times and not (options.label_time or options.time):
        problems.append("feature-times: set label-time (or time), the time that no feature may be later than")
    if options.label_time and not options.feature_times:
        problems.append("label-time is for feature-times: set them")
    problems += _contract_problems(options)
    if options.train_data == options.test_data:
        problems.append(f"train-data and test-data are both {options.test_data}")
    if problems:
        raise OptionsError(problems)


def _power_problems(options: Options) -> Iterator[str]:
    """Yield limits of power that allow nothing, or more than there can be."""
    own = {
        "" if name == OTHERS else f" of {name}": limit for name, limit in options.maximum_feature_power.values.items()
    }
    limits: dict[str, float | None] = {f"maximum-feature-power{of}": limit for of, limit in own.items()}
    for name in ("maximum_pair_power", "maximum_identifier_power", "maximum_one_label_power", "model_power"):
        limits[name.replace("_", "-")] = getattr(options, name)
    for name, limit in limits.items():
        if limit is not None and not 0 < limit <= 1:
            yield f"{name} must be above 0 and at most 1, got {limit:g}"


def _contract_problems(options: Options) -> Iterator[str]:
    """Yield limits of the contract that decide nothing."""
    for name in ("maximum_unseen_categories", "maximum_class_difference"):
        share = getattr(options, name)
        if share is not None and not 0 <= share < 1:
            yield f"{name.replace('_', '-')} must be at least 0 and below 1, got {share:g}"
    if options.maximum_shift is not None and not options.maximum_shift > 0:
        yield f"maximum-shift must be above 0, got {options.maximum_shift:g}"
    if options.minimum_class_rows is not None and options.minimum_class_rows < 1:
        yield f"minimum-class-rows must be at least 1, got {options.minimum_class_rows}"
