"""Hold tables against a pandera schema; every row is read and every check of the schema is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        suffix = f"@{path}" if len(options.data) > 1 else ""
        found, samples = _table(frame, schema, options, suffix)
        checks += found
        details[path] = {"samples": samples}
        rows[path] = len(frame)
        inputs.append(digest(Path(path), "data", len(frame)))
    if Path(options.schema).is_file():
        inputs.append(InputDigest(name="schema", path=options.schema, sha256=file_sha256(Path(options.schema))))
    summary = _summary(checks, options)
    return Report(stage=STAGE, checks=checks, summary=summary, metrics={"rows": rows}, details=details, inputs=inputs)


def _table(
    frame: pd.DataFrame, schema: Schema, options: Options, suffix: str
) -> tuple[list[Check], dict[str, list[dict[str, Any]]]]:
    """Check one table; return the checks and samples of failing rows."""
    from cd4ml.checks.schema import checks, rules
    from cd4ml.data.validation import validate

    first = [_enough_rows(len(frame), options, suffix), *_finite(frame, schema, options, suffix)]
    demanded = list(rules(schema.pandera, [str(name) for name in frame.columns]))
    found = validate(frame, schema)
    samples = {
        f"{name}:{column}" if column else name: [
            {"row": row, **({"value": repr(value)} if options.include_values else {})} for row, value in finding.samples
        ]
        for (name, column), finding in found.items()
        if finding.samples
    }
    held = checks(found, demanded, rows=len(frame), values=options.include_values, suffix=suffix)
    return [*first, *_has_values(frame, schema, suffix), *held], samples


def _enough_rows(n: int, options: Options, suffix: str) -> Check:
    """Check that the table is not empty or cut short: an empty one meets every rule about rows."""
    enough = n >= options.minimum_rows
    return Check(
        id=f"minimum-rows{suffix}",
        status=Status.PASSED if enough else Status.FAILED,
        reason=None if enough else "too-few-rows",
        metric="rows",
        value=n,
        limit=options.minimum_rows,
        n=n,
        message=f"The table has {n} rows; the minimum is {options.minimum_rows}.",
        advice=None if enough else "Find out where the rows went, or lower minimum-rows in a reviewed change.",
    )


def _finite(frame: pd.DataFrame, schema: Schema, options: Options, suffix: str) -> Iterator[Check]:
    """Check for infinities: they meet `ge(0)` and every other one-sided bound."""
    import numpy as np
    import pandas as pd

    for name in schema.pandera.columns:
        if name not in frame.columns or name in options.allow_infinite:
            continue
        if not pd.api.types.is_float_dtype(frame[name]):
            continue
        count = int(np.isinf(frame[name].to_numpy(dtype="float64", na_value=np.nan)).sum())
        yield Check(
            id=f"finite:{name}{suffix}",
            status=Status.FAILED if count else Status.PASSED,
            reason="infinite-values" if count else None,
            metric="failing-rows",
            value=count,
            limit=0,
            n=len(frame),
            message=f"{name}: {count} of {len(frame)} values are infinite.",
            advice="Mend the data, or name the column in allow-infinite." if count else None,
        )


def _has_values(frame: pd.DataFrame, schema: Schema, suffix: str) -> Iterator[Check]:
    """Check that a nullable column holds any value at all: one without meets every rule about values."""
    for name, column in schema.pandera.columns.items():
        if name in frame.columns and column.nullable and len(frame):
            count = int(frame[name].notna().sum())
            yield Check(
                id=f"has-values:{name}{suffix}",
                status=Status.PASSED if count else Status.FAILED,
                reason=None if count else "all-null",
                metric="rows-with-value",
                value=count,
                limit=1,
                n=len(frame),
                message=f"{name}: {count} of {len(frame)} rows have a value.",
                advice=None if count else "Find out why the column is empty.",
            )


def _summary(checks: Sequence[Check], options: Options) -> str:
    """Say in one sentence what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return f"{', '.join(options.data)}: all {len(checks)} checks of {options.schema} hold."
    return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
