"""The counts of one batch of rows, and the sum of those of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.arrow_columns import is_number, numbers_of, plain, replaced, that_count, weights_of
from cd4ml.data.predictions.groups import as_groups, bin_names, bin_positions
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pyarrow as pa

LABELS: Final = ("y_true", "y_pred", "production_y_pred")
# Sums that each count carries: of 1, w and w squared. A quantity v adds those of w v, w^2 v and w^2 v^2.
SUMS: Final = ("n", "weight", "squares")
# More combinations than this are not counts of groups and classes.
_MOST_COUNTS: Final = 100_000


class Quantities(StrEnum):
    """What is summed up beside the counts."""

    NONE = "none"
    SCORES = "scores"
    ERRORS = "errors"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to count.

    Attributes:
        features: sensitive columns; the counts name them `feature:<name>`.
        bins: edges by feature, for numeric ones.
        columns: the table's own name by standard name.
        quantities: `scores` also sums up `score`; `errors` sums up `error` and `absolute_error` of both models (those
            of production with the prefix `production_`), and counts by features alone.
        needs_scores: whether a table without scores that are probabilities is refused; else they are left out.
        needs_labels: whether a table without `y_true` in every row is refused; else the labels are left out.
    """

    features: Sequence[str]
    bins: Mapping[str, str]
    columns: Mapping[str, str]
    quantities: Quantities = Quantities.NONE
    needs_scores: bool = False
    needs_labels: bool = True

    @property
    def keys(self) -> list[str]:
        """The columns of the counts that hold features."""
        return [f"feature:{name}" for name in self.features]


def count_batch(table: pa.Table, wanted: Wanted, called: str) -> pa.Table:
    """Count the rows of one batch."""
    import pyarrow as pa

    table = that_count(plain(table), called)
    for name in wanted.features:
        key = f"feature:{name}"
        if name in wanted.bins and is_number(table.schema.field(key).type):
            table = replaced(table, key, _cut(table[key], name, wanted.bins[name]))
    for field in table.schema:
        if pa.types.is_dictionary(field.type):
            table = replaced(table, field.name, table[field.name].cast(field.type.value_type))
    labels = [name for name in LABELS if name in table.column_names]
    keys = wanted.keys if wanted.quantities is Quantities.ERRORS else [*wanted.keys, *labels]
    table, sums = _with_sums(table, weights_of(table), _quantities(table, wanted, called))
    counted = _added_up(table, keys, sums)
    _refuse_many(counted, wanted)
    return counted


def _quantities(table: pa.Table, wanted: Wanted, called: str) -> dict[str, Any]:
    """Return what is summed up beside the counts."""
    if wanted.quantities is Quantities.SCORES:
        return {"score": _probabilities(table, called)}
    if wanted.quantities is Quantities.NONE:
        return {}
    errors = _errors(table, "y_pred", called)
    if "production_y_pred" in table.column_names:
        errors |= {f"production_{name}": values for name, values in _errors(table, "production_y_pred", called).items()}
    return errors


def _probabilities(table: pa.Table, called: str) -> Any:
    """Return the scores; refuse those that are not probabilities."""
    import pyarrow.compute as pc

    scores = numbers_of(table, "y_score", called)
    extremes = pc.min_max(scores).as_py()
    if not (extremes["min"] >= 0 and extremes["max"] <= 1):
        raise OptionsError(
            f"y_score lies between {extremes['min']:g} and {extremes['max']:g}: these are not probabilities",
            advice="Take maximum-calibration-gap off, or let the model return probabilities.",
        )
    return scores


def _errors(table: pa.Table, model: str, called: str) -> dict[str, Any]:
    """Return a regression model's errors and their absolute values."""
    import pyarrow.compute as pc

    error = pc.subtract(numbers_of(table, model, called), numbers_of(table, "y_true", called))
    return {"error": error, "absolute_error": pc.abs(error)}


def _with_sums(table: pa.Table, weight: Any, quantities: Mapping[str, Any]) -> tuple[pa.Table, list[str]]:
    """Add what the counts sum up."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ones = pa.chunked_array([pa.repeat(pa.scalar(1, pa.int64()), table.num_rows)])
    squares = pc.multiply(weight, weight)
    summed = dict(zip(SUMS, (ones, weight, squares), strict=True))
    for name, values in quantities.items():
        square = pc.multiply(squares, values)
        summed |= {name: pc.multiply(weight, values), f"square_{name}": square}
        summed[f"square_{name}_square"] = pc.multiply(square, values)
    for name, column in summed.items():
        table = table.append_column(name, column)
    return table, list(summed)


def _cut(values: Any, name: str, edges: str) -> pa.Array:
    """Return the name of each number's bin."""
    import pyarrow as pa

    positions = bin_positions(values.cast(pa.float64()).to_numpy(), name, edges)
    return pa.DictionaryArray.from_arrays(positions, bin_names(name, edges)).cast(pa.string())


def _refuse_many(counted: pa.Table, wanted: Wanted) -> None:
    """Refuse values that are neither groups nor classes before their combinations fill the memory."""
    import pyarrow.compute as pc

    for name in wanted.features:
        if name not in wanted.bins:
            as_groups(pc.unique(counted[f"feature:{name}"]).to_pandas(), name, None)
    if counted.num_rows > _MOST_COUNTS:
        raise OptionsError(
            f"y_true, y_pred and the features have more than {_MOST_COUNTS:,} different combinations of values",
            advice="y_true and y_pred hold decisions, not scores or quantities; cut numeric features with `bins`.",
        )


def without_useless_scores(table: pa.Table, wanted: Wanted) -> Wanted:
    """Leave scores out that no option asks for and that are not probabilities."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if wanted.quantities is not Quantities.SCORES or wanted.needs_scores:
        return wanted
    useful = "y_score" in table.column_names and is_number(table.schema.field("y_score").type)
    if useful:
        scores = table["y_score"].cast(pa.float64())
        useful = (
            scores.null_count == 0 and pc.all(pc.and_(pc.greater_equal(scores, 0), pc.less_equal(scores, 1))).as_py()
        )
    return wanted if useful else replace(wanted, quantities=Quantities.NONE)


def sum_up(parts: Iterable[pa.Table]) -> pa.Table:
    """Add up the counts of the batches; sums that not every batch has are left out."""
    import pyarrow as pa

    parts = list(parts)
    if not parts:
        return None
    shared = [name for name in parts[-1].column_names if all(name in part.column_names for part in parts)]
    together = pa.concat_tables([part.select(shared) for part in parts])
    keys = [name for name in shared if name in LABELS or name.startswith("feature:")]
    return _added_up(together, keys, [name for name in shared if name not in keys])


def _added_up(table: pa.Table, keys: Sequence[str], sums: Sequence[str]) -> pa.Table:
    """Return the sums of each combination of keys."""
    counted = table.group_by(list(keys)).aggregate([(name, "sum") for name in sums])
    return counted.select([*keys, *(f"{name}_sum" for name in sums)]).rename_columns([*keys, *sums])
