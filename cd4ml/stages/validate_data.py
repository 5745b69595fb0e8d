"""Hold tables against a pandera schema; every row is read and every check of the schema is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import option
from cd4ml.report import Check, InputDigest, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    from cd4ml.data.schemas import Schema
    from cd4ml.data.sources import Source

STAGE: Final = "validate-data"
OUTPUTS: Final[dict[str, str]] = {}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of validate-data."""

    data: tuple[str, ...] = option(
        "Tables to validate: CSV, Parquet, or folders of Parquet.", required=True, example="data/train.parquet"
    )
    schema: str = option(
        "The pandera schema: a YAML file, or module:object of a DataFrameSchema or DataFrameModel.",
        required=True,
        example="schema.yaml",
    )
    minimum_rows: int = option("Rows below which a table is taken for truncated.", default=2)
    include_values: bool = option(
        "Show values of failing rows in the report; without it only row numbers and counts.", default=False
    )
    allow_infinite: tuple[str, ...] = option("Columns that may hold infinities, which pass bounds such as `ge(0)`.")


def run(options: Options, context: Context) -> Report:
    """Validate every table.

    Raises:
        OptionsError: the schema cannot be trusted to run all of its checks, or a file is no table.
        UnavailableError: a file is missing.
    """
    from cd4ml.data.digests import file_sha256
    from cd4ml.data.schemas import load_schema
    from cd4ml.data.sources import open_source

    if options.minimum_rows < 1:
        raise OptionsError("minimum-rows must be at least 1")
    schema = load_schema(options.schema, context.directory)
    checks: list[Check] = []
    inputs: list[InputDigest] = []
    details: dict[str, Any] = {}
    rows: dict[str, int] = {}
    for path in options.data:
        context.progress(f"Validating {path}")
        source = open_source(Path(path))
        found, details[path] = _table(source, schema, options)
        checks += [replace(check, id=f"{check.id}@{path}") for check in found] if len(options.data) > 1 else found
        rows[path] = source.rows
        inputs.append(source.digest("data"))
    if Path(options.schema).is_file():
        inputs.append(InputDigest(name="schema", path=options.schema, sha256=file_sha256(Path(options.schema))))
    summary = _summary(checks, options)
    return Report(stage=STAGE, checks=checks, summary=summary, metrics={"rows": rows}, details=details, inputs=inputs)


def _table(source: Source, schema: Schema, options: Options) -> tuple[list[Check], dict[str, Any]]:
    """Check one table; return the checks, samples of failing rows, and how each rule was decided."""
    from cd4ml.checks.schema import checks, rules, shortened, unfinished
    from cd4ml.checks.table import enough_rows, finite, has_values, looked_at, lossless
    from cd4ml.data.audit import audited
    from cd4ml.data.user_code import UserCodeError

    n, columns = source.rows, source.schema.names()
    targets = schema.targets(columns)
    own = [enough_rows(n, options.minimum_rows), *looked_at(len(targets), schema.source, n)]
    try:
        audit = audited(source, schema)
    except UserCodeError as error:
        return [*own, unfinished(error.raised, n, options.include_values)], {}
    order = list(dict.fromkeys(name for name, _ in targets))
    own += [
        *finite(_ordered(audit.infinite, order), n, options.allow_infinite),
        *lossless(_ordered(audit.changed, order), n),
        *has_values(_ordered(audit.filled, order) if n else [], n),
    ]
    held = checks(audit.findings, list(rules(schema, columns)), rows=n, values=options.include_values)
    samples = {
        f"{name}:{column}" if column else name: [
            {"row": row, **({"value": shortened(value)} if options.include_values else {})}
            for row, value in finding.samples
        ]
        for (name, column), finding in audit.findings.items()
        if finding.samples
    }
    return [*own, *held], {"samples": samples, "decided_by": audit.proofs}


def _ordered(counts: Mapping[str, int], order: Sequence[str]) -> list[tuple[str, int]]:
    """Return counts by column, in the order of the schema."""
    return [(name, counts[name]) for name in order if name in counts]


def _summary(checks: Sequence[Check], options: Options) -> str:
    """Say in one sentence what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return f"{', '.join(options.data)}: all {len(checks)} checks of {options.schema} hold."
    return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
