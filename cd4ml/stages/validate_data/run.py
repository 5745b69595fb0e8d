"""Hold tables against a pandera schema; every row is read and every check of the schema is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.data.schema import rule_checks, rules, shortened, tolerated_checks, unfinished_check
from cd4ml.checks.data.skew import compared, skew_checks
from cd4ml.checks.data.table import (
    minimum_rows_check,
    finite_checks,
    freshness_check,
    has_values_checks,
    columns_checks,
    lossless_checks,
    row_change_check,
)
from cd4ml.context import Context
from cd4ml.data.personal.search import Searched
from cd4ml.data.schema.audit import audited
from cd4ml.data.schema.engine.audit import Audit
from cd4ml.data.schema.engine.connections import table_of
from cd4ml.data.schema.engine.warehouse import audit_table, columns_of
from cd4ml.data.schema.lines import Lines
from cd4ml.data.schema.load import Schema, load_schema
from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.scratch import Folder
from cd4ml.data.tables.source import Source
from cd4ml.digests import file_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.report import Check, InputDigest, Location, Report, Status, headline
from cd4ml.report.ids import check_id, parts_of, table_id
from cd4ml.report.reading import read_file
from cd4ml.stages.validate_data.options import LOCAL, SKEW, Options
from cd4ml.stages.validate_data.personal import hide, personal_checks, searched
from cd4ml.stages.validate_data.preflight import check_options
from cd4ml.user_code import UserCodeError

STAGE: Final = "validate-data"


def run(options: Options, context: Context) -> Report:
    """Validate every table.

    Raises:
        OptionsError: the schema cannot be trusted to run all of its checks, or a file is not a table.
        UnavailableError: a file is missing.
    """
    check_options(options)
    before = _rows_before(options)
    context.progress(f"Reading {options.schema}")
    schema = load_schema(options.schema, context.directory)
    checks: list[Check] = []
    training: list[Check] = []
    inputs: list[InputDigest] = []
    details: dict[str, Any] = {}
    rows: dict[str, int] = {}
    for path in [*options.data, *([options.serving] if options.serving else [])]:
        context.progress(f"Validating {path}")
        served = path == options.serving
        demanded = _for_serving(schema, options.training_only) if served else schema
        if options.backend == LOCAL:
            source = open_table(path, hashed=True, reading=options.reading).source()
            looked = searched(source, options)
            found, details[path] = _table(source, demanded, options, looked)
            remarks, details[path]["personal_data"] = personal_checks(looked, options)
            found += [] if served else _over_time(source, path, options, before)
            rows[path] = source.rows
            inputs.append(source.digest("serving" if served else "data"))
        else:
            found, rows[path], proofs = _warehouse_table(path, demanded, options)
            found += [] if served else _row_change(path, rows[path], options, before)
            engine = options.backend.partition("@")[0] if "@" in options.backend else options.backend
            details[path] = {"engine": engine, "decided_by": proofs}
            remarks = ()
        if served:
            checks += _skewed(training, found, options, details)
            checks += [replace(check, id=table_id(check.id, path)) for check in remarks]
        else:
            found = tolerated_checks(found, *_tolerances(options))
            several = len(options.data) > 1
            training += found
            found = [*found, *remarks]
            checks += [replace(check, id=table_id(check.id, path)) for check in found] if several else found
    if Path(options.schema).is_file():
        inputs.append(InputDigest(name="schema", path=options.schema, sha256=file_sha256(Path(options.schema))))
    summary = _summary(checks, options)
    report = Report(stage=STAGE, checks=checks, summary=summary, metrics={"rows": rows}, details=details, inputs=inputs)
    return remarked(report, options.reading)


def _for_serving(schema: Schema, training_only: Sequence[str]) -> Schema:
    """Return the schema as serving data must meet it.

    Raises:
        OptionsError: a column that serving data need not have is not in the schema.
    """
    names = [part.name for part in schema.rules.columns]
    unknown = [f"training-only: `{name}` is not a column of the schema" for name in training_only if name not in names]
    if unknown:
        raise OptionsError(unknown)
    parts = [replace(part, required=part.required and part.name not in training_only) for part in schema.rules.columns]
    return replace(schema, rules=replace(schema.rules, columns=parts))


def _tolerances(options: Options, among: Sequence[Check] | None = None) -> tuple[list[str], dict[str, float]]:
    """Return what is tolerated in a table; of the checks of another table, as far as they are among its own."""
    ids = None if among is None else {check.id for check in among}
    warn = [name for name in options.warn if (name in ids if ids is not None else not name.startswith(SKEW))]
    return warn, {name: share for name, share in options.budget.items() if ids is None or name in ids}


def _skewed(
    training: Sequence[Check], found: list[Check], options: Options, details: dict[str, Any]
) -> Iterator[Check]:
    """Yield the checks of serving data, and how they compare with those of training data."""
    found = tolerated_checks(found, *_tolerances(options, found))
    skew = compared(training, found)
    details["skew"] = {
        name: {"training_only": column.training_only, "serving_only": column.serving_only}
        for name, column in skew.items()
    }
    yield from [replace(check, id=table_id(check.id, str(options.serving))) for check in found]
    between = skew_checks(skew, ", ".join(options.data), str(options.serving))
    yield from tolerated_checks(between, [name for name in options.warn if name.startswith(SKEW)], {})


def _rows_before(options: Options) -> dict[str, int]:
    """Return the number of rows by path in the last accepted data.

    Raises:
        UnavailableError: the report is missing.
        OptionsError: it is not a report of this stage, or not one of data that passed.
    """
    if options.previous_report is None:
        return {}
    path = Path(options.previous_report)
    try:
        report = read_file(path, STAGE).report
    except FileNotFoundError as error:
        advice = "Keep the report of the last accepted data there."
        raise UnavailableError(f"{path}: no such file.", advice=advice) from error
    if report.status is not Status.PASSED:
        raise OptionsError(f"{path}: the data of this report did not pass {STAGE} ({report.status})")
    rows = report.metrics.get("rows")
    if not isinstance(rows, Mapping) or not all(isinstance(count, int) for count in rows.values()):
        raise OptionsError(f"{path}: the report does not say how many rows the data had")
    return dict(rows)


def _over_time(source: Source, path: str, options: Options, before: Mapping[str, int]) -> Iterator[Check]:
    """Check how old the table is, and how its number of rows changed."""
    import polars as pl

    now = datetime.now(UTC).replace(tzinfo=None)
    for name, hours in options.freshness.items():
        kind = source.schema.get(name)
        if not isinstance(kind, pl.Datetime):
            raise OptionsError(f"freshness: {source.name} has no column of times `{name}`")
        moment = column(name) if kind.time_zone is None else column(name).dt.convert_time_zone("UTC")
        youngest = source.lazy().select(moment.dt.replace_time_zone(None).max()).collect(engine="streaming").item()
        yield freshness_check(name, youngest, now, hours, source.rows)
    yield from _row_change(path, source.rows, options, before)


def _row_change(path: str, rows: int, options: Options, before: Mapping[str, int]) -> Iterator[Check]:
    """Check how the number of rows changed since the last accepted data."""
    if options.maximum_row_change is not None:
        known = before.get(path, next(iter(before.values())) if len(before) == 1 else None)
        if known is None:
            raise OptionsError(f"{options.previous_report}: holds no row count of {path}")
        yield row_change_check(rows, known, options.maximum_row_change)


def _warehouse_table(name: str, schema: Schema, options: Options) -> tuple[list[Check], int, dict[str, Any]]:
    """Check a table where it lies; return the checks, the number of rows, and how each rule was decided."""
    scratch = Folder()
    table = table_of(options.backend, name, scratch.path, options.reading)
    columns = list(columns_of(table))
    audit, n = audit_table(table, schema.rules, schema.targets(columns))
    return _checks(audit, schema, columns, n, options), n, audit.proofs


def _table(
    source: Source, schema: Schema, options: Options, looked: Searched | None
) -> tuple[list[Check], dict[str, Any]]:
    """Check one table; return the checks, samples of failing rows, and how each rule was decided."""
    n = source.rows
    try:
        audit = audited(source, schema, metadata=not options.read_everything)
    except UserCodeError as error:
        return [
            minimum_rows_check(n, options.minimum_rows),
            unfinished_check(error.raised, n, options.include_values),
        ], {}
    hide(audit, looked)
    samples = {
        check_id(name, column) if column else check_id(name): [
            {"row": row, **({"value": shortened(value)} if options.include_values else {})}
            for row, value in finding.samples
        ]
        for (name, column), finding in audit.findings.items()
        if finding.samples
    }
    found = _checks(audit, schema, audit.columns, n, options)
    return found, {"samples": samples, "decided_by": audit.proofs}


def _checks(audit: Audit, schema: Schema, columns: Sequence[str], n: int, options: Options) -> list[Check]:
    """Return the checks of an audited table: what every table must meet, and what its schema demands."""
    targets = schema.targets(columns)
    labels = schema.rules.index.labels if schema.rules.index else []
    order = list(dict.fromkeys([*(name for name, _ in targets), *labels]))
    return [
        minimum_rows_check(n, options.minimum_rows),
        *columns_checks(len(targets), schema.source, n),
        *finite_checks(_ordered(audit.infinite, order), n, options.allow_infinite),
        *lossless_checks(_ordered(audit.changed, order), n),
        *has_values_checks(_ordered(audit.filled, order) if n else [], n),
        *_placed(
            rule_checks(audit.findings, list(rules(schema, columns)), rows=n, values=options.include_values), schema
        ),
    ]


def _placed(checks: Sequence[Check], schema: Schema) -> Iterator[Check]:
    """Yield the checks of a schema's rules; those that did not pass with the line that sets the rule."""
    lines = Lines(schema.source)
    for check in checks:
        line = None
        if check.status is not Status.PASSED:
            line = lines.of(check.rule, next(iter(parts_of(check.id)), ""))
        yield check if line is None else replace(check, set_at=Location(path=schema.source, line=line))


def _ordered(counts: Mapping[str, int], order: Sequence[str]) -> list[tuple[str, int]]:
    """Return counts by column, in the order of the schema."""
    return [(name, counts[name]) for name in order if name in counts]


def _summary(checks: Sequence[Check], options: Options) -> str:
    """Say in one sentence what was found."""
    tables = [*options.data, *([options.serving] if options.serving else [])]
    return headline(checks) or f"{', '.join(tables)}: all {len(checks):,} checks of {options.schema} hold."
