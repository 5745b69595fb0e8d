"""Decisions as counts: how many rows have each (sensitive features, label, decision), without holding the rows.

Every fairness number is a function of these counts, and of sums of scores or errors beside them. A Parquet table is
read in batches, and only the columns that are needed, so that ten million rows cost one group-by and the memory of one
batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.groups import as_groups, bin_names, bin_positions
from cd4ml.data.predictions.table import (
    Predictions,
    described,
    lacking_columns,
    no_column,
    no_row_counts,
    read_predictions,
    repeated_numbers,
    standard_names,
)
from cd4ml.data.tables.arrow_columns import is_number, numbers_of, plain, replaced, that_count, weights_of
from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.frames import PARQUET, parquet_dataset, parquet_errors, readable
from cd4ml.data.tables.places import Place, place
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LABELS: Final = ("y_true", "y_pred", "production_y_pred")
# Sums that each count carries: of 1, w and w squared. A quantity v adds those of w v, w^2 v and w^2 v^2.
SUMS: Final = ("n", "weight", "squares")
_BATCH: Final = 1 << 18
# More combinations than this are no counts of groups and classes.
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


def count_decisions(named: str | Path | Place, wanted: Wanted, *, reading: Reading | None = None) -> Predictions:
    """Return a predictions table whose frame holds counts: one row for each combination that occurs.

    Args:
        named: as a user names tables, see `place`.
        reading: how CSV files are written; what there is to say of this one is added.

    Returns:
        Columns `feature:<name>` (texts), the LABELS that the table has (as stored), the SUMS, and the quantities. Rows
        of weight 0 are not counted.

    Raises:
        UnavailableError: the table is missing or cannot be opened.
        OptionsError: it cannot be audited; columns are missing or hold no values, weights are below 0, a feature
            is a quantity or an identifier.
    """
    table = place(named)
    path = table.path
    readable(path)
    if path.is_dir() or path.name.endswith(PARQUET):
        found = _count_parquet(path, wanted)
    else:
        predictions = read_predictions(path, columns=wanted.columns, labels=wanted.needs_labels, reading=reading)
        found = _count_rows(predictions, wanted, path)
    return replace(found, digest=table.named(found.digest))


def _count_rows(predictions: Predictions, wanted: Wanted, path: Path) -> Predictions:
    """Count the rows of a table in memory."""
    import pyarrow as pa

    frame = predictions.frame
    found = list(map(str, frame.columns))
    _check_columns(found, wanted, path)
    table = pa.table(
        {name: pa.array(frame[own], from_pandas=True) for name, own in _read_columns(found, wanted).items()}
    )
    counts = _count_batch(table, _without_useless_scores(table, wanted), path)
    cut = _cut_already(wanted, table.schema)
    return described(_named(counts.to_pandas(), wanted, cut), path, len(frame))


def _named(counts: pd.DataFrame, wanted: Wanted, cut: Collection[str]) -> pd.DataFrame:
    """Replace each feature's values by its groups' names, but for those that were cut already."""
    import pandas as pd

    named = {
        f"feature:{name}": as_groups(counts[f"feature:{name}"], name, wanted.bins.get(name))
        for name in wanted.features
        if name not in cut
    }
    return pd.concat([pd.DataFrame(named), counts.drop(columns=list(named))], axis=1)


def _cut_already(wanted: Wanted, schema: pa.Schema) -> set[str]:
    """Return the features whose numbers were cut while they were read."""
    return {name for name in wanted.bins if is_number(schema.field(f"feature:{name}").type)}


def _count_parquet(path: Path, wanted: Wanted) -> Predictions:
    """Count the rows of a Parquet file or folder, batch by batch."""
    with parquet_errors(path):
        dataset = parquet_dataset(path)
        own = standard_names(dataset.schema.names, path, wanted.columns)
        stored = {own.get(name, name): name for name in dataset.schema.names}
        _check_columns(list(stored), wanted, path)
        columns = {name: stored[read] for name, read in _read_columns(list(stored), wanted).items()}
        counts = _sum_up(_count_batches(_batches(dataset, columns), wanted, path))
        counts = _with_whole_labels(counts, wanted)
        problems = [*_lacking(counts, path), *_repeated_ids(dataset, stored, path)]
    if problems:
        raise OptionsError(sorted(problems))
    frame = counts.to_pandas()
    cut = {name for name in wanted.bins if is_number(dataset.schema.field(stored[name]).type)}
    return described(_named(frame, wanted, cut), path, int(frame["n"].sum()))


def _check_columns(found: Sequence[str], wanted: Wanted, path: Path) -> None:
    """Refuse a table without the columns that the audit needs."""
    needed = ["y_pred"] + ["y_true"] * wanted.needs_labels + ["y_score"] * wanted.needs_scores
    problems = [no_column(name, found, path) for name in needed if name not in found]
    if problems:
        raise OptionsError(problems)
    missing = [name for name in wanted.features if name not in found]
    if missing:
        raise lacking_columns(missing, found, path)


def _read_columns(found: Collection[str], wanted: Wanted) -> dict[str, str]:
    """Return the standard name of each column that is read, by the name that the counts give it."""
    scores = ("y_score",) if wanted.quantities is Quantities.SCORES else ()
    names = [name for name in (*LABELS, "sample_weight", *scores) if name in found]
    return {**{name: name for name in names}, **{f"feature:{name}": name for name in wanted.features}}


def _batches(dataset: Any, columns: Mapping[str, str]) -> Iterator[pa.Table]:
    """Yield the rows' columns, under the names of the counts."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    scanner = dataset.scanner(
        columns={name: ds.field(stored) for name, stored in columns.items()},
        batch_size=_BATCH,
        batch_readahead=2,
        fragment_readahead=1,
    )
    for batch in scanner.to_batches():
        if batch.num_rows:
            yield pa.Table.from_batches([batch])


def _count_batches(batches: Iterator[pa.Table], wanted: Wanted, path: Path) -> Iterator[pa.Table]:
    """Yield the counts of each batch."""
    for batch in batches:
        wanted = _without_useless_scores(batch, wanted)
        yield _count_batch(batch, wanted, path)


def _without_useless_scores(table: pa.Table, wanted: Wanted) -> Wanted:
    """Leave scores out that no option asks for and that are no probabilities."""
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


def _count_batch(table: pa.Table, wanted: Wanted, path: Path) -> pa.Table:
    """Count the rows of one batch."""
    import pyarrow as pa

    table = that_count(plain(table), path)
    for name in wanted.features:
        key = f"feature:{name}"
        if name in wanted.bins and is_number(table.schema.field(key).type):
            table = replaced(table, key, _cut(table[key], name, wanted.bins[name]))
    for field in table.schema:
        if pa.types.is_dictionary(field.type):
            table = replaced(table, field.name, table[field.name].cast(field.type.value_type))
    labels = [name for name in LABELS if name in table.column_names]
    keys = wanted.keys if wanted.quantities is Quantities.ERRORS else [*wanted.keys, *labels]
    table, sums = _with_sums(table, weights_of(table), _quantities(table, wanted, path))
    counted = _added_up(table, keys, sums)
    _refuse_many(counted, wanted)
    return counted


def _quantities(table: pa.Table, wanted: Wanted, path: Path) -> dict[str, Any]:
    """Return what is summed up beside the counts."""
    if wanted.quantities is Quantities.SCORES:
        return {"score": _probabilities(table, path)}
    if wanted.quantities is Quantities.NONE:
        return {}
    errors = _errors(table, "y_pred", path)
    if "production_y_pred" in table.column_names:
        errors |= {f"production_{name}": values for name, values in _errors(table, "production_y_pred", path).items()}
    return errors


def _probabilities(table: pa.Table, path: Path) -> Any:
    """Return the scores; refuse those that are no probabilities."""
    import pyarrow.compute as pc

    scores = numbers_of(table, "y_score", path)
    extremes = pc.min_max(scores).as_py()
    if not (extremes["min"] >= 0 and extremes["max"] <= 1):
        raise OptionsError(
            f"y_score lies between {extremes['min']:g} and {extremes['max']:g}: these are no probabilities",
            advice="Take maximum-calibration-gap off, or let the model return probabilities.",
        )
    return scores


def _errors(table: pa.Table, model: str, path: Path) -> dict[str, Any]:
    """Return a regression model's errors and their absolute values."""
    import pyarrow.compute as pc

    error = pc.subtract(numbers_of(table, model, path), numbers_of(table, "y_true", path))
    return {"error": error, "absolute_error": pc.abs(error)}


def _added_up(table: pa.Table, keys: Sequence[str], sums: Sequence[str]) -> pa.Table:
    """Return the sums of each combination of keys."""
    counted = table.group_by(list(keys)).aggregate([(name, "sum") for name in sums])
    return counted.select([*keys, *(f"{name}_sum" for name in sums)]).rename_columns([*keys, *sums])


def _cut(values: Any, name: str, edges: str) -> pa.Array:
    """Return the name of each number's bin."""
    import pyarrow as pa

    positions = bin_positions(values.cast(pa.float64()).to_numpy(), name, edges)
    return pa.DictionaryArray.from_arrays(positions, bin_names(name, edges)).cast(pa.string())


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


def _refuse_many(counted: pa.Table, wanted: Wanted) -> None:
    """Refuse values that are no groups and no classes before their combinations fill the memory."""
    import pyarrow.compute as pc

    for name in wanted.features:
        if name not in wanted.bins:
            as_groups(pc.unique(counted[f"feature:{name}"]).to_pandas(), name, None)
    if counted.num_rows > _MOST_COUNTS:
        raise OptionsError(
            f"y_true, y_pred and the features have more than {_MOST_COUNTS:,} different combinations of values",
            advice="y_true and y_pred hold decisions, not scores or quantities; cut numeric features with `bins`.",
        )


def _sum_up(parts: Iterable[pa.Table]) -> pa.Table:
    """Add up the counts of the batches; sums that not every batch has are left out."""
    import pyarrow as pa

    parts = list(parts)
    if not parts:
        return None
    shared = [name for name in parts[-1].column_names if all(name in part.column_names for part in parts)]
    together = pa.concat_tables([part.select(shared) for part in parts])
    keys = [name for name in shared if name in LABELS or name.startswith("feature:")]
    return _added_up(together, keys, [name for name in shared if name not in keys])


def _with_whole_labels(counts: pa.Table, wanted: Wanted) -> pa.Table:
    """Return the counts without labels that nothing needs and some row lacks: these may not have arrived yet."""
    if counts is None or wanted.needs_labels or "y_true" not in counts.column_names:
        return counts
    lacking = counts["y_true"].is_null(nan_is_null=True).to_numpy().any()
    return counts.drop_columns(["y_true"]) if lacking else counts


def _lacking(counts: pa.Table, path: Path) -> list[str]:
    """Return what keeps the counts from being audited."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if counts is None:
        return [f"{path}: the table has no rows"]
    if not counts.num_rows:
        return [no_row_counts(path)]
    problems = []
    for name in LABELS:
        if name not in counts.column_names:
            continue
        column, infinite = counts[name], 0
        missing = column.is_null(nan_is_null=True)
        nulls = pc.sum(pc.filter(counts["n"], missing)).as_py() or 0
        if pa.types.is_floating(column.type):
            infinite = pc.sum(pc.filter(counts["n"], pc.is_inf(column))).as_py() or 0
        if nulls:
            problems.append(f"{path}: column `{name}` has {nulls} rows without a value")
        if infinite:
            problems.append(f"{path}: column `{name}` has infinite values")
    return problems


def _repeated_ids(dataset: Any, stored: Mapping[str, str], path: Path) -> list[str]:
    """Return what is wrong with the row ids; they are read alone, and forgotten."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "row_id" not in stored:
        return []
    column = dataset.to_table(columns=[stored["row_id"]]).column(0)
    if column.null_count:
        return [f"{path}: column `row_id` has {column.null_count} rows without a value"]
    if pa.types.is_integer(column.type):
        repeated = repeated_numbers(column.to_numpy())
    else:
        repeated = len(column) - pc.count_distinct(column).as_py()
    return [f"{path}: {repeated} row ids occur more than once"] if repeated else []
