"""detect-drift where labels have arrived: whether the model got worse, and whether inputs or target explain it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cd4ml.checks.drift import concept as checks
from cd4ml.data.predictions.labelled import inputs, read_labelled
from cd4ml.data.predictions.labels import label_text
from cd4ml.data.profile.losses import ABSOLUTE_ERROR, ERROR_RATE, Baseline, expected_loss, losses_of
from cd4ml.data.tables.by_name import values
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.source import Source
from cd4ml.metrics.drift.concept import increase, origin
from cd4ml.metrics.performance.metric import Task
from cd4ml.report import Check
from cd4ml.stages.detect_drift.options import Options

_SCORE: Final = "y_score"


def performance(
    options: Options, source: Source, current: Source, features: Sequence[str], *, numeric: bool
) -> list[Check]:
    """Compare the performance on labelled rows, window by window, and say where a drop comes from.

    Args:
        source, current: reference and current rows.
        features: columns that were compared.
        numeric: whether labels are numbers, and losses their absolute errors; else they are classes.
    """
    columns = [name for name in features if name not in (options.prediction, "y_pred", "y_score")]
    shared: dict[str, Any] = {"label": options.label, "prediction": options.prediction, "features": columns}
    before = read_labelled(source, time=None, numeric=numeric, **shared)
    after = read_labelled(current, time=options.time_column, numeric=numeric, **shared)
    if min(len(before.losses), len(after.losses)) < options.minimum_sample_size:
        labelled = {"reference": len(before.losses), "current": len(after.losses)}
        return [checks.too_few_labels_check(str(options.label), **labelled, least=options.minimum_sample_size)]
    windows = _windows(
        len(after.losses), options.time_windows if options.time_column else 1, options.minimum_sample_size
    )
    limits = checks.ConceptLimits(
        maximum_increase=options.maximum_performance_drop * (float(before.losses.mean()) if numeric else 1.0),
        minimum_rows=options.minimum_sample_size,
        alpha=options.alpha,
        loss=ABSOLUTE_ERROR if numeric else ERROR_RATE,
    )
    named = [(_window_name(number, part, after.times), part) for number, part in enumerate(windows, start=1)]
    names = [f"window-{number}" for number in range(1, len(windows) + 1)] if after.times else ["labelled-rows"]
    found = [
        replace(check, id=f"performance:{name}")
        for check, name in zip(
            checks.window_checks([(name, increase(before.losses, after.losses[part])) for name, part in named], limits),
            names,
            strict=True,
        )
    ]
    worse = checks.alarming(found)
    if not worse or not columns:
        return [*found, checks.no_drop_check(len(after.losses))] if not worse else found
    rows = [row for position in worse for row in range(*windows[position].indices(len(after.losses)))]
    categorical = [
        name
        for name in columns
        if name in options.categorical or family(source.schema[name]) in (Family.TEXT, Family.BOOLEAN)
    ]
    pair = inputs(before.frame, after.frame[rows], categorical)
    return [*found, checks.origin_check(origin(before.losses, after.losses[rows], *pair))]


def baseline(options: Options, source: Source) -> Baseline | None:
    """Return the performance on the labelled rows of a table as a profile holds it, None of fewer than two.

    Raises:
        OptionsError: a column is missing, or labelled rows have no prediction.
    """
    numeric = options.task is Task.REGRESSION
    scored = options.positive_label is not None and not numeric and _SCORE in source.schema
    found = read_labelled(
        source,
        label=str(options.label),
        prediction=options.prediction,
        features=[options.prediction, *([_SCORE] if scored else [])],
        time=None,
        numeric=numeric,
    )
    if len(found.losses) < 2:
        return None
    return Baseline(
        loss=ABSOLUTE_ERROR if numeric else ERROR_RATE,
        positive_label=options.positive_label if scored else None,
        losses=losses_of(found.losses, _expected(found.frame, options) if scored else None),
    )


def _expected(frame: pl.DataFrame, options: Options) -> npt.NDArray[np.float64]:
    """Return the loss that the probability of each row lets expect, shape (n,); not-a-number without one."""
    said = [label_text(value) == options.positive_label for value in values(frame, options.prediction)]
    score = values(frame, _SCORE).cast(pl.Float64)
    found = pl.select(expected_loss(pl.lit(pl.Series(said, dtype=pl.Boolean)), pl.lit(score))).to_series()
    return found.fill_null(math.nan).to_numpy()


def _windows(rows: int, wanted: int, least: int) -> list[slice]:
    """Return windows of equally many rows, fewer than wanted where they would be too small."""
    number = max(1, min(wanted, rows // least))
    return [slice(rows * index // number, rows * (index + 1) // number) for index in range(number)]


def _window_name(number: int, part: slice, times: Sequence[str] | None) -> str:
    """Return the name of a window of time."""
    if times is None:
        return "all labelled rows"
    return f"window {number} ({times[part.start]} to {times[part.stop - 1]})"
