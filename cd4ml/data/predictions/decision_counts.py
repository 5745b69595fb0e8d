"""Decisions as counts: how many rows have each (sensitive features, label, decision), without holding the rows.

Every fairness number is a function of these counts, and of sums of scores or errors beside them. A table is read in
batches, and only the columns that are needed, so that ten million rows of Parquet cost one group-by and the memory of
one batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.arrow_columns import is_number
from cd4ml.data.predictions.batch_counts import (
    LABELS,
    Quantities,
    Wanted,
    count_batch,
    sum_up,
    without_useless_scores,
)
from cd4ml.data.predictions.groups import as_groups
from cd4ml.data.predictions.table import (
    Predictions,
    described,
    lacking_columns,
    no_column,
    no_row_counts,
    repeated_numbers,
    standard_names,
)
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_BATCH: Final = 1 << 18


def count_decisions(table: Table, wanted: Wanted) -> Predictions:
    """Return a predictions table whose frame holds counts: one row for each combination that occurs.

    Returns:
        Columns `feature:<name>` (texts), the LABELS that the table has (as stored), the SUMS, and the quantities. Rows
        of weight 0 are not counted.

    Raises:
        UnavailableError: the table cannot be read.
        OptionsError: it cannot be audited; columns are missing or hold no values, weights are below 0, a feature
            is a quantity or an identifier.
    """
    dataset = table.dataset()
    with refused(table.name):
        own = standard_names(dataset.schema.names, table.name, wanted.columns)
        stored = {own.get(name, name): name for name in dataset.schema.names}
        _check_columns(list(stored), wanted, table.name)
        columns = {name: stored[read] for name, read in _read_columns(list(stored), wanted).items()}
        counts = sum_up(_count_batches(batches(dataset, columns), wanted, table.name))
        counts = _with_whole_labels(counts, wanted)
        problems = [*_lacking(counts, table.name), *_repeated_ids(dataset, stored, table.name)]
    if problems:
        raise OptionsError(sorted(problems))
    frame = counts.to_pandas()
    cut = {name for name in wanted.bins if is_number(dataset.schema.field(stored[name]).type)}
    return described(named_groups(frame, wanted, cut), table, int(frame["n"].sum()))


def named_groups(counts: pd.DataFrame, wanted: Wanted, cut: Collection[str]) -> pd.DataFrame:
    """Replace each feature's values by its groups' names, but for those that were cut already."""
    import pandas as pd

    named = {
        f"feature:{name}": as_groups(counts[f"feature:{name}"], name, wanted.bins.get(name))
        for name in wanted.features
        if name not in cut
    }
    return pd.concat([pd.DataFrame(named), counts.drop(columns=list(named))], axis=1)


def _check_columns(found: Sequence[str], wanted: Wanted, called: str) -> None:
    """Refuse a table without the columns that the audit needs."""
    needed = ["y_pred"] + ["y_true"] * wanted.needs_labels + ["y_score"] * wanted.needs_scores
    problems = [no_column(name, found, called) for name in needed if name not in found]
    if problems:
        raise OptionsError(problems)
    missing = [name for name in wanted.features if name not in found]
    if missing:
        raise lacking_columns(missing, found, called)


def _read_columns(found: Collection[str], wanted: Wanted) -> dict[str, str]:
    """Return the standard name of each column that is read, by the name that the counts give it."""
    scores = ("y_score",) if wanted.quantities is Quantities.SCORES else ()
    names = [name for name in (*LABELS, "sample_weight", *scores) if name in found]
    return {**{name: name for name in names}, **{f"feature:{name}": name for name in wanted.features}}


def batches(dataset: Any, columns: Mapping[str, str]) -> Iterator[pa.Table]:
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


def _count_batches(batches: Iterator[pa.Table], wanted: Wanted, called: str) -> Iterator[pa.Table]:
    """Yield the counts of each batch."""
    for batch in batches:
        wanted = without_useless_scores(batch, wanted)
        yield count_batch(batch, wanted, called)


def _with_whole_labels(counts: pa.Table, wanted: Wanted) -> pa.Table:
    """Return the counts without labels that nothing needs and some row lacks: these may not have arrived yet."""
    if counts is None or wanted.needs_labels or "y_true" not in counts.column_names:
        return counts
    lacking = counts["y_true"].is_null(nan_is_null=True).to_numpy().any()
    return counts.drop_columns(["y_true"]) if lacking else counts


def _lacking(counts: pa.Table, called: str) -> list[str]:
    """Return what keeps the counts from being audited."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if counts is None:
        return [f"{called}: the table has no rows"]
    if not counts.num_rows:
        return [no_row_counts(called)]
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
            problems.append(f"{called}: column `{name}` has {nulls} rows without a value")
        if infinite:
            problems.append(f"{called}: column `{name}` has infinite values")
    return problems


def _repeated_ids(dataset: Any, stored: Mapping[str, str], called: str) -> list[str]:
    """Return what is wrong with the row ids; they are read alone, and forgotten."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "row_id" not in stored:
        return []
    column = dataset.to_table(columns=[stored["row_id"]]).column(0)
    if column.null_count:
        return [f"{called}: column `row_id` has {column.null_count} rows without a value"]
    if pa.types.is_integer(column.type):
        repeated = repeated_numbers(column.to_numpy())
    else:
        repeated = len(column) - pc.count_distinct(column).as_py()
    return [f"{called}: {repeated} row ids occur more than once"] if repeated else []
