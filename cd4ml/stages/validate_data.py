"""Hold tables against a pandera schema; every row is read and every check of the schema is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import option
from cd4ml.report import Check, InputDigest, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    import pandas as pd

    from cd4ml.data.schemas import Schema

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
    from cd4ml.data.tables import digest, read_table

    if options.minimum_rows < 1:
        raise OptionsError("minimum-rows must be at least 1")
    schema = load_schema(options.schema, context.directory)
    checks: list[Check] = []
    inputs: list[InputDigest] = []
    details: dict[str, Any] = {}
    rows: dict[str, int] = {}
    for path in options.data:
        context.progress(f"Validating {path}")
        frame = read_table(Path(path))
        found, samples = _table(frame, schema, options)
        checks += [replace(check, id=f"{check.id}@{path}") for check in found] if len(options.data) > 1 else found
        details[path] = {"samples": samples}
        rows[path] = len(frame)
        inputs.append(digest(Path(path), "data", len(frame)))
    if Path(options.schema).is_file():
        inputs.append(InputDigest(name="schema", path=options.schema, sha256=file_sha256(Path(options.schema))))
    summary = _summary(checks, options)
    return Report(stage=STAGE, checks=checks, summary=summary, metrics={"rows": rows}, details=details, inputs=inputs)


def _table(
    frame: pd.DataFrame, schema: Schema, options: Options
) -> tuple[list[Check], dict[str, list[dict[str, Any]]]]:
    """Check one table; return the checks and samples of failing rows."""
    from cd4ml.checks.schema import checks, rules, shortened, unfinished
    from cd4ml.checks.table import enough_rows, finite, has_values, looked_at, lossless
    from cd4ml.data.user_code import UserCodeError
    from cd4ml.data.validation import infinite, lossy, validate

    n, columns = len(frame), [str(name) for name in frame.columns]
    targets = schema.targets(columns)
    filled = [(target.name, int(frame[target.name].notna().sum())) for target in targets if target.rules.nullable and n]
    own = [
        enough_rows(n, options.minimum_rows),
        *looked_at(len(targets), schema.source, n),
        *finite(infinite(frame, schema), n, options.allow_infinite),
        *lossless(lossy(frame, schema), n),
        *has_values(filled, n),
    ]
    try:
        found = validate(frame, schema)
    except UserCodeError as error:
        return [*own, unfinished(error.raised, n, options.include_values)], {}
    held = checks(found, list(rules(schema, columns)), rows=n, values=options.include_values)
    samples = {
        f"{name}:{column}" if column else name: [
            {"row": row, **({"value": shortened(value)} if options.include_values else {})}
            for row, value in finding.samples
        ]
        for (name, column), finding in found.items()
        if finding.samples
    }
    return [*own, *held], samples


def _summary(checks: Sequence[Check], options: Options) -> str:
    """Say in one sentence what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return f"{', '.join(options.data)}: all {len(checks)} checks of {options.schema} hold."
    return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
