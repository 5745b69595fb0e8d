"""Columns of an Arrow table as what counts are made of: numbers of any kind, and the rows that weigh anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cd4ml.data.predictions.table import no_weight
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pyarrow as pa


def plain(table: pa.Table) -> pa.Table:
    """Return the table with half-precision numbers as wider ones: Arrow cannot group by the others."""
    import pyarrow as pa

    for field in table.schema:
        if pa.types.is_float16(field.type):
            table = replaced(table, field.name, table[field.name].cast(pa.float32()))
    return table


def that_count(table: pa.Table, called: str) -> pa.Table:
    """Return the rows whose weight is not 0."""
    import pyarrow.compute as pc

    weights = numbers_of(table, "sample_weight", called)
    if weights is None:
        return table
    if not pc.all(pc.greater_equal(weights, 0), min_count=0).as_py():
        raise OptionsError(no_weight(called))
    counts = pc.greater(weights, 0)
    table = replaced(table, "sample_weight", weights)
    return table if pc.all(counts, min_count=0).as_py() else table.filter(counts)


def weights_of(table: pa.Table) -> Any:
    """Return the weight of each row, 1 in a table without weights."""
    import pyarrow as pa

    if "sample_weight" in table.column_names:
        return table["sample_weight"]
    return pa.chunked_array([pa.repeat(pa.scalar(1.0), table.num_rows)])


def numbers_of(table: pa.Table, name: str, called: str) -> Any:
    """Return a column of finite numbers, None if the table has none of the name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.column_names:
        return None
    column = table[name]
    if column.null_count:
        raise OptionsError(f"{called}: column `{name}` has rows without a value")
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowException as error:
        raise OptionsError(f"{called}: every {name} must be a number") from error
    if not pc.all(pc.is_finite(numbers)).as_py():
        raise OptionsError(f"{called}: column `{name}` has values that are not finite numbers")
    return numbers


def replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    """Return the table with another column of the name."""
    return table.set_column(table.schema.get_field_index(name), name, values)


def is_number(kind: pa.DataType) -> bool:
    """Whether a column holds numbers."""
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))
