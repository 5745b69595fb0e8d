"""Running a pandera schema over a table, all failures collected."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schemas import Schema
from cd4ml.data.user_code import Raised, UserCodeError, raised, user_code

if TYPE_CHECKING:
    import pandas as pd

MOST_SAMPLES: Final = 10
INDEX: Final = "(index)"
_RULES: Final = {
    "WRONG_DATATYPE": "dtype",
    "DATATYPE_COERCION": "dtype",
    "SERIES_CONTAINS_NULLS": "not-nullable",
    "SERIES_CONTAINS_DUPLICATES": "unique",
    "COLUMN_NOT_ORDERED": "ordered",
    "COLUMN_NOT_IN_SCHEMA": "strict",
}


@dataclass(kw_only=True)
class Finding:
    """What was found about a rule.

    Attributes:
        failing: number of rows that break the rule; of columns, if it is about columns or a whole column.
        samples: bounded (row number, value) pairs; the row number counts from 0 without the header.
        columns: columns that the rule refuses or misses.
        crash: why the rule could not be evaluated, if it could not.
    """

    failing: int = 0
    samples: list[tuple[Any, Any]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    crash: Raised | None = None

    @property
    def by_row(self) -> bool:
        """Whether `failing` counts rows."""
        return bool(self.samples)


def validate(frame: pd.DataFrame, schema: Schema) -> dict[tuple[str, str], Finding]:
    """Return what breaks the schema, by (rule name, column); nothing is returned for what holds.

    Args:
        frame: shape (n, k), rows numbered from 0.

    Raises:
        UserCodeError: pandera came to no end, because of the schema's own code or a type that it cannot handle.
    """
    import pandera.pandas as pa
    from pandera.config import ValidationDepth, config_context

    crashes: dict[int, Raised] = {}
    with user_code(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strict = _strict(schema.pandera, crashes)
        # The environment can switch validation off (PANDERA_VALIDATION_ENABLED); a gate does not listen to that.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            try:
                strict.validate(frame, lazy=True)
            except pa.errors.SchemaErrors as errors:
                return _findings(errors.schema_errors, crashes)
            except pa.errors.SchemaError as error:
                return _findings([error], crashes)
    return {}


def check_names(checks: Sequence[Any]) -> list[str]:
    """Return a name for each of a column's checks; the second of one name is called `name#2`."""
    names: list[str] = []
    for check in checks:
        name = (check.name or "check").strip("<>")
        same = sum(known.partition("#")[0] == name for known in names)
        names.append(f"{name}#{same + 1}" if same else name)
    return names


def _strict(schema: Any, crashes: dict[int, Raised]) -> Any:
    """Return the schema as a gate needs it.

    A check that only warns is a check that passes, so it blocks; a limit on reported cases would falsify counts; and
    the table is judged as it is: nothing missing is filled in first.
    """
    from pandera.api.function_dispatch import Dispatcher
    from pandera.api.hypotheses import Hypothesis

    strict = copy.deepcopy(schema)
    strict.add_missing_columns = False
    indexes = getattr(strict.index, "indexes", None) or [strict.index]
    for part in (strict, *strict.columns.values(), *indexes):
        if part is None:
            continue
        if hasattr(part, "default"):
            part.default = None
        for check in part.checks:
            check.raise_warning = False
            check.n_failure_cases = None
            # pandera's own checks are dispatchers, and a hypothesis test returns a statistic that pandera turns into a
            # decision. What the caller wrote is wrapped, also if it has the name of one of pandera's checks: pandera
            # would run its own in its place.
            if not isinstance(check._check_fn, Dispatcher) and not isinstance(check, Hypothesis):
                check._check_fn = _guarded(check._check_fn, crashes, id(check))
    return strict


def _guarded(function: Callable[..., Any], crashes: dict[int, Raised], key: int) -> Callable[..., Any]:
    """Return a check function that must answer in booleans: anything else is true to pandera more often than not."""

    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            output = function(*args, **kwargs)
        except (Exception, SystemExit) as error:
            crashes[key] = raised(error)
            raise UserCodeError(crashes[key]) from error
        if not _is_boolean(output):
            crashes[key] = Raised(where=f"it returned {_described(output)}, not booleans", text="")
            raise TypeError("not booleans")
        return output

    return guarded


def _is_boolean(output: Any) -> bool:
    """Whether a check's answer is a boolean, or a column or table of booleans without gaps."""
    import numpy as np
    import pandas as pd

    if isinstance(output, pd.DataFrame):
        return all(_is_boolean(output.iloc[:, position]) for position in range(output.shape[1]))
    if isinstance(output, pd.Series):
        if output.empty:
            return True
        kind = pd.api.types.infer_dtype(output, skipna=False)
        return kind == "boolean" and not output.isna().any()
    return isinstance(output, bool | np.bool_)


def _described(output: Any) -> str:
    """Return what a check answered with, without its values."""
    kind = type(output).__name__
    return f"{kind} of {output.dtype}" if hasattr(output, "dtype") else kind


def _findings(errors: Any, crashes: dict[int, Raised]) -> dict[tuple[str, str], Finding]:
    """Collect pandera's errors by rule and column."""
    found: dict[tuple[str, str], Finding] = {}
    for error in errors:
        finding = found.setdefault(_rule(error), Finding())
        reason = error.reason_code.name if error.reason_code else ""
        if reason == "CHECK_ERROR":
            finding.crash = crashes.get(id(error.check)) or _own_crash(error)
            continue
        failing, samples = _cases(error)
        if samples:  # coercion and type report the same rows
            finding.failing = max(finding.failing, failing)
            finding.samples = finding.samples or samples
        elif not finding.samples:
            finding.failing += 1
        if reason in ("COLUMN_NOT_IN_SCHEMA", "COLUMN_NOT_ORDERED"):
            finding.columns.append(str(error.failure_cases))
    return found


def _own_crash(error: Any) -> Raised:
    """Describe a check that stumbled outside the caller's code: over the type of values, or over its own settings."""
    said = str(error.failure_cases)
    return Raised(where=said.partition("(")[0] or "an exception", text=said)


def _rule(error: Any) -> tuple[str, str]:
    """Return which rule of which column an error is about."""
    reason = error.reason_code.name if error.reason_code else "UNKNOWN"
    if reason == "COLUMN_NOT_IN_DATAFRAME":
        return "present", str(error.failure_cases)
    if reason == "DUPLICATES":
        return "unique", ", ".join(error.schema.unique or ())
    column = _column(error.schema)
    if reason in ("DATAFRAME_CHECK", "CHECK_ERROR"):
        return check_names(error.schema.checks)[error.check_index], column
    if reason == "INVALID_COLUMN_NAME":
        return "present", column
    frame_wide = reason in ("COLUMN_NOT_ORDERED", "COLUMN_NOT_IN_SCHEMA")
    return _RULES.get(reason, reason.lower().replace("_", "-")), "" if frame_wide else column


def _column(schema: Any) -> str:
    """Return which column a part of the schema is about, "" for the whole table."""
    from pandera.pandas import DataFrameSchema, Index

    if isinstance(schema, DataFrameSchema):
        return ""
    return INDEX if isinstance(schema, Index) else str(schema.name)


def _cases(error: Any) -> tuple[int, list[tuple[Any, Any]]]:
    """Return the number of failing rows and a few (row number, value) pairs, as far as the error names rows."""
    cases = error.failure_cases
    if not (hasattr(cases, "columns") and {"index", "failure_case"} <= set(cases.columns)):
        return 0, []
    by_row = cases[cases["index"].notna()].drop_duplicates(subset=["index"])
    few = by_row.head(MOST_SAMPLES)
    pairs = zip(few["index"].tolist(), few["failure_case"].tolist(), strict=True)
    return len(by_row), [(int(row), value) for row, value in pairs]


def lossy(frame: pd.DataFrame, schema: Schema) -> Iterator[tuple[str, int]]:
    """Yield each column that is coerced from one kind of number to another, and how many of its values change by it.

    Coercion to integers cuts 1.5 down to 1 and wraps 300 around to 44; the type then holds, but not for this table.
    """
    from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype
    from pandera.dtypes import is_bool, is_float, is_int

    for target in schema.targets([str(name) for name in frame.columns]):
        coerced_to = target.dtype if target.rules.coerce or schema.pandera.coerce else None
        if coerced_to is None or not (is_int(coerced_to) or is_bool(coerced_to) or is_float(coerced_to)):
            continue
        source = frame[target.name].dropna()
        number = is_numeric_dtype(source.dtype) or is_bool_dtype(source.dtype)
        if number and not (is_float_dtype(source.dtype) and is_float(coerced_to)):
            changed = _changed(source, coerced_to)
            if changed is not None:
                yield target.name, changed


def _changed(source: pd.Series[Any], dtype: Any) -> int | None:
    """Return how many values are others once they have been coerced, None if they cannot be: pandera reports that."""
    import numpy as np

    try:
        with user_code(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int((dtype.coerce(source).astype(source.dtype) != source).sum())
    except UserCodeError:
        return None


def infinite(frame: pd.DataFrame, schema: Schema) -> Iterator[tuple[str, int]]:
    """Yield each column of floating-point numbers that the schema is about, and how many infinities it holds.

    Columns that coercion makes such numbers are among them: the text `inf` becomes one, and so does 1e300 in 32 bits.
    """
    import numpy as np
    import pandas as pd
    from pandera.dtypes import is_float

    for target in schema.targets([str(name) for name in frame.columns]):
        column = frame[target.name]
        coerced = target.rules.coerce or schema.pandera.coerce
        becomes_float = bool(coerced and target.dtype is not None and is_float(target.dtype))
        if becomes_float or pd.api.types.is_float_dtype(column.dtype):
            values = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
            if becomes_float:
                with np.errstate(over="ignore"):
                    values = values.astype(str(target.dtype).lower())
            yield target.name, int(np.isinf(values).sum())
