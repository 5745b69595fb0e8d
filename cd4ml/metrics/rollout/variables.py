"""What is counted of each event: every variable falls into cells, so that memory grows with minutes and not with rows.

The cells of scores are fixed; those of features and of predicted numbers come from the first stable events, so that
each look at the same events has the same ones.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from cd4ml.data.tables import by_name

ANSWERED: Final = "answered"
REFUSED: Final = "refused"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"
MISSING: Final = "missing"
OTHER: Final = "other"
# Borders of latency grow by this factor: a quantile is known to 2 %.
GROWTH: Final = 1.02
_FASTEST: Final = 1e-3
LATENCY_CELLS: Final = math.ceil(math.log(1e7 / _FASTEST) / math.log(GROWTH))
_STEPS: Final = 20
_MOST_CLASSES: Final = 50
_MOST_CATEGORIES: Final = 20


@dataclass(frozen=True, kw_only=True)
class Feature:
    """How a feature falls into cells.

    Attributes:
        borders: of a number; None for a category.
        categories: that have a cell of their own.
    """

    name: str
    borders: tuple[float, ...] | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The cells of what only the events know.

    Attributes:
        predictions: borders, if the model predicts numbers; None if it predicts classes.
        scored: whether the model gives scores.
        scores: borders of scores that are no probabilities; None if all lie in [0, 1].
    """

    features: tuple[Feature, ...] = ()
    predictions: tuple[float, ...] | None = None
    scored: bool = False
    scores: tuple[float, ...] | None = None


def latency_borders() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the lower border of each cell of latency in milliseconds, and the end of the last."""
    return np.asarray(_FASTEST * GROWTH ** np.arange(LATENCY_CELLS + 1), dtype=np.float64)


def layout_of(sample: pl.DataFrame, features: Collection[str], exclude: Collection[str]) -> Layout:
    """Return the cells, from the first stable events.

    Args:
        features: to look at; empty for all that are numbers or categories.
    """
    scores = sample["y_score"].drop_nulls()
    return Layout(
        features=tuple(_features(sample["features"].drop_nulls().to_list(), features, exclude)),
        predictions=_prediction_borders(sample),
        scored=bool(len(scores)),
        scores=None if scores.is_between(0, 1).all() else _borders(scores),
    )


def _prediction_borders(sample: pl.DataFrame) -> tuple[float, ...] | None:
    """Return the borders of predicted numbers; None where the predictions are classes, as a few whole numbers are."""
    predictions = sample["y_pred"].drop_nulls()
    numbers = predictions.cast(pl.Float64, strict=False)
    if numbers.is_null().any():
        return None
    fractions = bool((numbers != numbers.floor()).any())
    return _borders(numbers) if fractions or predictions.n_unique() > _MOST_CLASSES else None


def _features(rows: Sequence[str], wanted: Collection[str], exclude: Collection[str]) -> list[Feature]:
    """Return the cells of features; lists and objects, as tensors are, have none."""
    kinds: dict[str, set[type]] = {}
    for row in rows:
        for name, value in _object(row).items():
            kinds.setdefault(name, set()).add(type(value))
    names = [name for name in kinds if name not in exclude and (not wanted or name in wanted)]
    names = [name for name in names if not kinds[name] & {list, dict}]
    if not names:
        return []
    # The texts are made as those are that will be counted.
    texts = _decoded(pl.Series(rows), pl.Struct(dict.fromkeys(names, pl.String))).struct.unnest()
    found = [_feature(name, by_name.values(texts, name).drop_nulls(), kinds[name]) for name in names]
    return [feature for feature in found if feature is not None]


def _object(row: str) -> dict[str, Any]:
    """Return what a row says by name; nothing if it is no object."""
    try:
        found = json.loads(row)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _feature(name: str, texts: pl.Series, kinds: set[type]) -> Feature | None:
    """Return the cells of a feature, None for one whose values name rows."""
    if len(texts) and kinds <= {int, float, type(None)}:
        numbers = texts.cast(pl.Float64, strict=False)
        if numbers.n_unique() > _MOST_CATEGORIES:
            return Feature(name=name, borders=_borders(numbers))
    counts = Counter(texts.to_list())
    if len(counts) > 200:
        return None
    return Feature(name=name, categories=tuple(text for text, _ in counts.most_common(_MOST_CATEGORIES)))


def _borders(numbers: pl.Series) -> tuple[float, ...]:
    """Return the deciles, which are the borders between cells."""
    finite = numbers.filter(numbers.is_finite().fill_null(False)).to_numpy()
    return tuple(float(value) for value in np.unique(np.quantile(finite, np.arange(1, 10) / 10))) if len(finite) else ()


def request_cells(events: pl.DataFrame) -> pl.DataFrame:
    """Return what came of each request; of the rows of one request the first stands for it."""
    status = pl.col("status")
    outcome = pl.when(status >= 500).then(pl.lit(FAILED)).when(status >= 400).then(pl.lit(REFUSED))
    known = outcome.when(status.is_null()).then(pl.lit(UNKNOWN)).otherwise(pl.lit(ANSWERED))
    return events.filter(pl.col("row").fill_null(0) == 0).with_columns(known.alias("cell"))


def latency_cells(requests: pl.DataFrame) -> pl.DataFrame:
    """Return the latency of the requests that were answered."""
    cell = ((pl.col("latency_ms") / _FASTEST).log() / math.log(GROWTH)).floor().clip(0, LATENCY_CELLS - 1)
    answered = requests.filter(pl.col("cell").is_in([ANSWERED, UNKNOWN]) & pl.col("latency_ms").is_not_null())
    return answered.with_columns(_numbered(cell).alias("cell"))


def prediction_cells(events: pl.DataFrame, layout: Layout) -> dict[str, pl.DataFrame]:
    """Return predictions, scores and entropies of the rows that were answered."""
    rows = events.filter(pl.col("status").fill_null(200) < 400)
    if layout.predictions is None:
        predicted = pl.col("y_pred").fill_null(MISSING)
    else:
        predicted = _cut(pl.col("y_pred").cast(pl.Float64, strict=False), layout.predictions)
    found = {"prediction": rows.with_columns(predicted.alias("cell"))}
    score = pl.col("y_score")
    none = pl.when(score.is_null()).then(pl.lit(MISSING))
    if layout.scores is not None:
        found["score"] = rows.with_columns(none.otherwise(_cut(score, layout.scores)).alias("cell"))
    elif layout.scored:
        usable = score.is_between(0, 1).fill_null(False)
        place = _numbered((score * _STEPS).floor().clip(0, _STEPS - 1))
        bits = -(score * score.log(2) + (1 - score) * (1 - score).log(2)).fill_nan(0.0)
        shown = _numbered((bits * _STEPS).floor().clip(0, _STEPS - 1))
        odd = pl.lit("no probability")
        found["score"] = rows.with_columns(none.when(usable).then(place).otherwise(odd).alias("cell"))
        found["entropy"] = rows.with_columns(none.when(usable).then(shown).otherwise(odd).alias("cell"))
    return found


def feature_cells(events: pl.DataFrame, layout: Layout) -> dict[str, pl.DataFrame]:
    """Return the cells of each feature, of the rows that say their features."""
    rows = events.filter(pl.col("features").is_not_null())
    if not layout.features or not len(rows):
        return {}
    kind = pl.Struct({feature.name: pl.String for feature in layout.features})
    values = _decoded(rows["features"], kind).struct.unnest()
    keys = rows.select("track", "minute")
    return {
        feature.name: keys.with_columns(values.select(_feature_cell(feature)).to_series().alias("cell"))
        for feature in layout.features
    }


def _decoded(texts: pl.Series, kind: pl.Struct) -> pl.Series:
    """Return features as columns of texts; a row that cannot be decoded says nothing."""
    try:
        return texts.str.json_decode(kind)
    except PolarsError:
        half = len(texts) // 2
        if not half:
            return pl.Series(["{}"]).str.json_decode(kind)
        return pl.concat([_decoded(texts[:half], kind), _decoded(texts[half:], kind)])


def _feature_cell(feature: Feature) -> pl.Expr:
    """Return the cell of a value."""
    value = by_name.column(feature.name)
    if feature.borders is None:
        inside = value.is_in(list(feature.categories))
        return pl.when(value.is_null()).then(pl.lit(MISSING)).when(inside).then(value).otherwise(pl.lit(OTHER))
    number = value.cast(pl.Float64, strict=False)
    return pl.when(value.is_null()).then(pl.lit(MISSING)).otherwise(_cut(number, feature.borders))


def _cut(number: pl.Expr, borders: Sequence[float]) -> pl.Expr:
    """Return the cell of a number between borders; a text or not-a-number has one of its own."""
    places = pl.sum_horizontal([(number > border).cast(pl.Int32) for border in borders] or [pl.lit(0)])
    return pl.when(number.is_finite().fill_null(False)).then(_numbered(places)).otherwise(pl.lit("no number"))


def _numbered(place: pl.Expr) -> pl.Expr:
    """Return the names of ordered cells, which sort as their numbers do."""
    return place.cast(pl.Int32).cast(pl.String).str.zfill(4)
