"""Running a pandera schema over a table, all failures collected."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.findings import MOST_SAMPLES, Finding
from cd4ml.data.schema.load import Schema
from cd4ml.user_code import Raised, UserCodeError, raised, user_code

if TYPE_CHECKING:
    import pandas as pd

_RULES: Final = {
    "WRONG_DATATYPE": "dtype",
    "DATATYPE_COERCION": "dtype",
    "SERIES_CONTAINS_NULLS": "not-nullable",
    "SERIES_CONTAINS_DUPLICATES": "unique",
    "COLUMN_NOT_ORDERED": "ordered",
    "COLUMN_NOT_IN_SCHEMA": "strict",
}


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What pandera must decide of a schema.

    Attributes:
        whole: columns with all of whose rules it must deal.
        left: names of checks by column, or by "" for those of the whole table.
        together: columns whose values together may not repeat, if it must look at that.
    """

    whole: Sequence[str]
    left: Mapping[str, Sequence[str]]
    together: Sequence[str] = ()

    def columns(self, all_columns: Sequence[str], schema: Schema) -> list[str]:
        """Return the columns that it must see: those in question and what they are grouped by, or all of them."""
        wanted = {*self.whole, *self.left, *self.together}
        groups = [check.groupby for name in wanted & set(all_columns) for check in schema.checks_of(name, all_columns)]
        everything = "" in wanted or any(callable(group) for group in groups)
        wanted |= {name for group in groups if isinstance(group, list) for name in group}
        return [name for name in all_columns if everything or name in wanted]


def partial(schema: Schema, rest: Rest, columns: Sequence[str]) -> tuple[Any, dict[str, list[str]]]:
    """Return a pandera schema of the rest alone, and the names of its checks by part ("" for the table's own)."""
    import pandera.pandas as pa

    whole = schema.pandera
    names: dict[str, list[str]] = {"": [test.name for test in schema.rules.tests]}
    types = schema.coercions([*columns], columns)
    parts = {}
    for name, part in schema.targets(columns):
        original = schema.column(part)
        if name in rest.whole:
            # A pattern is resolved here: pandera's own errors name the last column that it is about for all of them.
            key = name if name not in parts else part.name
            parts[key] = copy.copy(original)
            parts[key].required = False
            if key == name:
                parts[key].set_name(name)
                parts[key].regex = False
            names[key] = names[name] = [test.name for test in part.tests]
        elif name in rest.left or (types[name] is not None and ("" in rest.left or name in rest.together)):
            # Checks see the column as it is coerced, and so do those of the whole table.
            left = rest.left.get(name, ())
            chosen = [position for position, test in enumerate(part.tests) if test.name in left]
            checks = [original.checks[position] for position in chosen]
            dtype = types[name]
            parts[name] = pa.Column(dtype, checks=checks, nullable=True, coerce=dtype is not None, name=name)
            names[name] = [part.tests[position].name for position in chosen]
    sub = copy.copy(whole)
    sub.columns, sub.index = parts, None
    sub.strict, sub.ordered, sub.unique = False, False, list(rest.together) or None
    sub.checks = whole.checks if "" in rest.left else []
    return sub, names


def validate(
    frame: pd.DataFrame, schema: Any, names: Mapping[str, Sequence[str]], index: pd.Index[Any] | None = None
) -> dict[tuple[str, str], Finding]:
    """Return what breaks a pandera schema, by (rule name, column); nothing is returned for what holds.

    Args:
        frame: shape (n, k), rows numbered from 0.
        names: names of the checks, by the key of the column that has them, "" for the whole table's.
        index: what the caller's own checks see as the index of the rows, where that is not their numbers.

    Raises:
        UserCodeError: pandera came to no end, because of the schema's own code or a type that it cannot handle.
    """
    import pandera.pandas as pa
    from pandera.config import ValidationDepth, config_context

    crashes: dict[int, Raised] = {}
    with user_code(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strict = _strict(schema, crashes, index)
        labels = dict(_labels(strict, names))
        # The environment can switch validation off (PANDERA_VALIDATION_ENABLED); a gate does not listen to that.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            try:
                strict.validate(frame, lazy=True)
            except pa.errors.SchemaErrors as errors:
                return _findings(errors.schema_errors, crashes, labels)
            except pa.errors.SchemaError as error:
                return _findings([error], crashes, labels)
    return {}


def _labels(schema: Any, names: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, str]]:
    """Yield the name of each check by its identity."""
    for key, part in [("", schema), *schema.columns.items()]:
        yield from zip(map(id, part.checks), names.get(str(key), []), strict=False)


def _strict(schema: Any, crashes: dict[int, Raised], index: pd.Index[Any] | None) -> Any:
    """Return the schema as a gate needs it.

    A check that only warns is a check that passes, so it blocks; a limit on reported cases would falsify counts; and
    the table is judged as it is: nothing missing is filled in first.
    """
    from pandera.api.function_dispatch import Dispatcher
    from pandera.api.hypotheses import Hypothesis

    strict = copy.deepcopy(schema)
    strict.add_missing_columns = False
    for part in (strict, *strict.columns.values()):
        if hasattr(part, "default"):
            part.default = None
        for check in part.checks:
            check.raise_warning = False
            check.n_failure_cases = None
            # pandera's own checks are dispatchers, and a hypothesis test returns a statistic that pandera turns into a
            # decision. What the caller wrote is wrapped, also if it has the name of one of pandera's checks: pandera
            # would run its own in its place.
            if not isinstance(check._check_fn, Dispatcher) and not isinstance(check, Hypothesis):
                function = check._check_fn if index is None or check.element_wise else _seeing(check._check_fn, index)
                check._check_fn = _guarded(function, crashes, id(check))
    return strict


def _seeing(function: Callable[..., Any], index: pd.Index[Any]) -> Callable[..., Any]:
    """Return a check function that sees rows with their index, and answers by their numbers, which pandera reports."""
    import pandas as pd

    def shown(values: Any) -> Any:
        if isinstance(values, dict):  # groups
            return {name: shown(group) for name, group in values.items()}
        rows = isinstance(values, pd.Series | pd.DataFrame)
        return values.set_axis(index.take(values.index)) if rows else values

    def seeing(values: Any, *args: Any, **kwargs: Any) -> Any:
        seen = shown(values)
        output = function(seen, *args, **kwargs)
        rows = isinstance(output, pd.Series | pd.DataFrame) and isinstance(seen, pd.Series | pd.DataFrame)
        return output.set_axis(values.index) if rows and output.index.equals(seen.index) else output

    return seeing


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


def _findings(errors: Any, crashes: dict[int, Raised], labels: Mapping[int, str]) -> dict[tuple[str, str], Finding]:
    """Collect pandera's errors by rule and column."""
    found: dict[tuple[str, str], Finding] = {}
    for error in errors:
        finding = found.setdefault(_rule(error, labels), Finding())
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


def _rule(error: Any, labels: Mapping[int, str]) -> tuple[str, str]:
    """Return which rule of which column an error is about."""
    reason = error.reason_code.name if error.reason_code else "UNKNOWN"
    if reason == "COLUMN_NOT_IN_DATAFRAME":
        return "present", str(error.failure_cases)
    if reason == "DUPLICATES":
        return "unique", ", ".join(error.schema.unique or ())
    column = _column(error.schema)
    if reason in ("DATAFRAME_CHECK", "CHECK_ERROR"):
        return labels[id(error.check)], column
    if reason == "INVALID_COLUMN_NAME":
        return "present", column
    frame_wide = reason in ("COLUMN_NOT_ORDERED", "COLUMN_NOT_IN_SCHEMA")
    return _RULES.get(reason, reason.lower().replace("_", "-")), "" if frame_wide else column


def _column(schema: Any) -> str:
    """Return which column a part of the schema is about, "" for the whole table."""
    from pandera.pandas import DataFrameSchema

    return "" if isinstance(schema, DataFrameSchema) else str(schema.name)


def _cases(error: Any) -> tuple[int, list[tuple[Any, Any]]]:
    """Return the number of failing rows and a few (row number, value) pairs, as far as the error names rows."""
    cases = error.failure_cases
    if not (hasattr(cases, "columns") and {"index", "failure_case"} <= set(cases.columns)):
        return 0, []
    by_row = cases[cases["index"].notna()].drop_duplicates(subset=["index"])
    few = by_row.head(MOST_SAMPLES)
    pairs = zip(few["index"].tolist(), few["failure_case"].tolist(), strict=True)
    return len(by_row), [(int(row), value) for row, value in pairs]
