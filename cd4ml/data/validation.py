"""Running a pandera schema over a table, all failures collected."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schemas import Schema

if TYPE_CHECKING:
    import pandas as pd


MOST_SAMPLES: Final = 10


@dataclass(kw_only=True)
class Finding:
    """What was found about a rule.

    Attributes:
        failing: number of rows (or columns) that break the rule.
        samples: bounded (row number, value) pairs; the row number counts from 0 without the header.
        crash: why the rule could not be evaluated, if it could not.
    """

    failing: int = 0
    samples: list[tuple[Any, Any]] = field(default_factory=list)
    crash: str | None = None


def validate(frame: pd.DataFrame, schema: Schema) -> dict[tuple[str, str], Finding]:
    """Return what breaks the schema, by (rule name, column); nothing is returned for what holds.

    Args:
        frame: shape (n, k).

    Raises:
        Nothing of pandera's: a check that raises becomes a finding with `crash`.
    """
    import pandera.pandas as pa
    from pandera.config import ValidationDepth, config_context

    strict = _without_warnings(schema.pandera)
    # The environment can switch validation off (PANDERA_VALIDATION_ENABLED); a gate does not listen to that.
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                strict.validate(frame, lazy=True)
            except pa.errors.SchemaErrors as errors:
                return _findings(errors.schema_errors)
            except pa.errors.SchemaError as error:
                return _findings([error])
            except (pa.errors.ParserError, TypeError, ValueError, KeyError, AttributeError) as error:
                return {("schema", ""): Finding(crash=f"{type(error).__name__}: {error}")}
    return {}


def _without_warnings(schema: Any) -> Any:
    """Return the schema with every check blocking: a check that only warns is a check that passes."""
    import copy

    strict = copy.deepcopy(schema)
    for check in (*strict.checks, *(check for column in strict.columns.values() for check in column.checks)):
        check.raise_warning = False
    return strict


def _findings(errors: Any) -> dict[tuple[str, str], Finding]:
    """Collect pandera's errors by rule and column."""
    found: dict[tuple[str, str], Finding] = {}
    for error in errors:
        finding = found.setdefault(_rule(error), Finding())
        reason = error.reason_code.name if error.reason_code else ""
        if reason == "CHECK_ERROR":
            finding.crash = " ".join(str(error).split())[:300]
            continue
        cases = _cases(error)
        finding.failing += max(1, len(cases))
        finding.samples.extend(cases[: MOST_SAMPLES - len(finding.samples)])
    return found


def _rule(error: Any) -> tuple[str, str]:
    """Return which rule of which column an error is about."""
    reason = error.reason_code.name if error.reason_code else "UNKNOWN"
    name = getattr(error.schema, "name", None)
    column = "" if name is None else str(name)
    if reason in ("DATAFRAME_CHECK", "CHECK_ERROR"):
        return error.check.name or "check", column
    if reason == "COLUMN_NOT_IN_DATAFRAME":
        return "present", str(error.failure_cases)
    rules = {
        "WRONG_DATATYPE": "dtype",
        "DATATYPE_COERCION": "dtype",
        "SERIES_CONTAINS_NULLS": "not-nullable",
        "SERIES_CONTAINS_DUPLICATES": "unique",
        "COLUMN_NOT_ORDERED": "ordered",
        "COLUMN_NOT_IN_SCHEMA": "strict",
    }
    if reason == "DUPLICATES":
        return "unique", ", ".join(error.schema.unique or ())
    frame_wide = reason in ("COLUMN_NOT_ORDERED", "COLUMN_NOT_IN_SCHEMA")
    return rules.get(reason, reason.lower().replace("_", "-")), "" if frame_wide else column


def _cases(error: Any) -> list[tuple[Any, Any]]:
    """Return (row number, value) of each failing row, as far as the error names rows."""
    cases = error.failure_cases
    if hasattr(cases, "columns") and {"index", "failure_case"} <= set(cases.columns):
        unique = cases.drop_duplicates(subset=["index"])
        rows, values = unique["index"].tolist(), unique["failure_case"].tolist()
        return [(row, value) for row, value in zip(rows, values, strict=True) if row is not None and row == row]
    return []
