"""Times that an online store gives, by the conversion that the model's rows go through."""

from __future__ import annotations

from collections.abc import Collection

from cd4ml.serving.signature import Column, RowsError


def unfit(texts: Collection[str], column: Column) -> dict[str, str]:
    """Return which texts a column of times does not take, and why; of many such texts the first ones."""
    if not texts:
        return {}
    # Where a model has a column of times, pandas is loaded already; elsewhere it need not be there.
    import pandas as pd

    from cd4ml.serving.columns import prepare

    given = sorted(texts)
    try:
        prepare(pd.DataFrame({column.name: pd.Series(given, dtype="object")}), [column])
    except RowsError as error:
        problem = error.problems[column.name]
        return {given[at]: problem for at in error.rows.get(column.name) or range(len(given))}
    return {}
