"""Rows whose labels have arrived: their losses, their order in time, and their inputs as numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.labels import common_names, label_text, some
from cd4ml.data.tables.by_name import column, columns, values
from cd4ml.data.tables.columns import as_label
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.wording import nearest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

# A category takes part as an input if it has this share of the rows.
_SMALLEST_SHARE: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The labelled rows of one table, in the order of time where there is one.

    Attributes:
        frame: the features of these rows.
        losses: shape (n,): 0 or 1 for decisions, the absolute error for numbers.
        times: texts, shape (n,), or None.
    """

    frame: pl.DataFrame
    losses: npt.NDArray[np.float64]
    times: Sequence[str] | None


def read_labelled(
    source: Source, *, label: str, prediction: str, features: Sequence[str], time: str | None, numeric: bool
) -> Labelled:
    """Read the rows of a table that have a label.

    Raises:
        OptionsError: a column is missing, or labelled rows have no prediction or no time.
    """
    import polars as pl

    wanted = [label, prediction, *([time] if time else [])]
    problems = [
        f"{source.name} has no column `{name}`{nearest(name, source.schema)}"
        for name in wanted
        if name not in source.schema
    ]
    if problems:
        raise OptionsError(problems)
    with refused(source.name):
        frame = (
            source.lazy()
            .select(columns(dict.fromkeys([*wanted, *features])))
            .filter(column(label).is_not_null())
            .collect(engine="streaming")
        )
    if source.schema[label].is_float():
        frame = frame.filter(column(label).is_not_nan())
    for name in wanted[1:]:
        found = values(frame, name)
        gaps = found.null_count() + int(found.is_nan().sum() if found.dtype.is_float() else 0)
        if gaps:
            raise OptionsError(f"{source.name}: {gaps} rows have a label, but no `{name}`")
    if time:
        frame = frame.sort(column(time))
    losses = (_absolute_errors if numeric else _errors)(frame, label, prediction, source)
    times = values(frame, time).cast(pl.String).to_list() if time else None
    return Labelled(frame=frame.select(columns(features)), losses=losses, times=times)


def _errors(frame: pl.DataFrame, label: str, prediction: str, source: Source) -> npt.NDArray[np.float64]:
    """Return 1 for each wrong decision; 1 of one column is the 1.0 of another, and True the 1 of another."""
    import numpy as np

    texts = [_texts(values(frame, name), label_text) for name in (label, prediction)]
    found = [set(column.unique().to_list()) for column in texts]
    names = common_names(found)
    of_label, of_prediction = ({names[text] for text in part} for part in found)
    if not of_label & of_prediction and len(of_label | of_prediction) > 2:
        raise OptionsError(
            f"{source.name}: `{label}` ({some(found[0])}) and `{prediction}` ({some(found[1])}) share no label",
            advice="Write the labels the same way in both columns.",
        )
    same = [column.replace_strict(list(names), list(names.values()), return_dtype=column.dtype) for column in texts]
    wrong: npt.NDArray[np.float64] = (same[0] != same[1]).to_numpy().astype(np.float64)
    return wrong


def _texts(series: pl.Series, name: Callable[[object], str]) -> pl.Series:
    """Return values by the names that a function gives them, the empty text where there is none."""
    import polars as pl

    distinct = series.unique()
    labels = ["" if value is None else name(value) for value in distinct.to_list()]
    return series.replace_strict(distinct, pl.Series(labels, dtype=pl.String), return_dtype=pl.String).alias("text")


def _absolute_errors(frame: pl.DataFrame, label: str, prediction: str, source: Source) -> npt.NDArray[np.float64]:
    """Return the absolute error of each row."""
    import numpy as np

    pair = [values(frame, name) for name in (label, prediction)]
    if not all(column.dtype.is_numeric() for column in pair):
        raise OptionsError(f"{source.name}: `{label}` and `{prediction}` must be numbers where task is regression")
    truth, guess = (column.to_numpy().astype(np.float64) for column in pair)
    errors: npt.NDArray[np.float64] = np.abs(truth - guess)
    if not np.isfinite(errors).all():
        raise OptionsError(f"{source.name}: `{label}` or `{prediction}` holds values that are not finite numbers")
    return errors


def inputs(
    reference: pl.DataFrame, current: pl.DataFrame, categorical: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the features of both samples as numbers without gaps, shapes (n, k) and (m, k).

    A number keeps its value, with the median in place of a gap and a column that says so; a category is a column of 0
    and 1 for each of its frequent values.
    """
    import numpy as np

    columns: list[tuple[Any, Any]] = []
    for name in reference.columns:
        pair = (values(reference, name), values(current, name))
        columns += _categories(*pair) if name in categorical else _numbers(*pair)
    first, second = (np.column_stack([pair[side] for pair in columns]).astype(np.float64) for side in (0, 1))
    return first, second


def _numbers(reference: pl.Series, current: pl.Series) -> list[tuple[Any, Any]]:
    """Return a column of numbers, and one that marks its gaps if there are any."""
    import numpy as np
    import polars as pl

    values = [series.to_physical().cast(pl.Float64).to_numpy() for series in (reference, current)]
    gaps = [~np.isfinite(part) for part in values]
    usable = values[0][~gaps[0]]
    middle = float(np.median(usable)) if len(usable) else 0.0
    filled = tuple(np.where(gap, middle, part) for part, gap in zip(values, gaps, strict=True))
    marks = [(gaps[0], gaps[1])] if any(gap.any() for gap in gaps) else []
    return [(filled[0], filled[1]), *marks]


def _categories(reference: pl.Series, current: pl.Series) -> list[tuple[Any, Any]]:
    """Return a column for each frequent category; rows without one are a category as well."""
    import polars as pl

    texts = [_texts(series, as_label) for series in (reference, current)]
    shares = pl.concat(texts).value_counts(normalize=True)
    frequent = sorted(shares.filter(pl.col("proportion") >= _SMALLEST_SHARE).get_column("text").to_list())
    return [tuple((text == label).to_numpy() for text in texts) for label in frequent]
