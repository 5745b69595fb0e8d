"""Scores as counts: how many rows of each group lie between cut-offs, and which cut-off the decisions were made by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.arrow_columns import is_number, numbers_of, that_count
from cd4ml.data.predictions.batch_counts import Quantities, Wanted, count_batch, sum_up
from cd4ml.data.predictions.decision_counts import batches, named_groups
from cd4ml.data.predictions.groups import as_binary
from cd4ml.data.predictions.table import no_column, standard_names
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_DIGITS: Final = 15


@dataclass(frozen=True, kw_only=True)
class CutOff:
    """The cut-off that decisions were made by: a score of at least this gets the favourable one.

    Attributes:
        falling: whether low scores get it instead: a score of at most this.
    """

    value: float
    falling: bool = False


def cut_off(table: Table, columns: Mapping[str, str], positive_label: str | None) -> CutOff:
    """Return the cut-off of y_score by which y_pred was decided: the roundest number that tells the decisions apart.

    Raises:
        OptionsError: there is no y_score, or no one cut-off makes these decisions.
    """
    dataset = table.dataset()
    with refused(table.name):
        stored = _stored(dataset, table.name, columns)
        read: dict[str, str] = {name: stored[name] for name in ("y_pred", "y_score", "sample_weight") if name in stored}
        parts = [_extremes(that_count(batch, table.name), table.name) for batch in batches(dataset, read)]
    import pandas as pd

    found = pd.concat([part.to_pandas() for part in parts])
    favourable = as_binary({"y_pred": found["y_pred"]}, positive_label).columns["y_pred"] == 1
    chosen, others = found[favourable], found[~favourable]
    above = (float(others["high"].max()), float(chosen["low"].min()))
    below = (float(chosen["high"].max()), float(others["low"].min()))
    if chosen.empty or others.empty:
        return CutOff(value=float(found["low"].min()) if others.empty else float(found["high"].max()))
    if above[0] < above[1]:
        return CutOff(value=roundest(*above))
    if below[0] < below[1]:
        return CutOff(value=-roundest(-below[1], -below[0]), falling=True)
    raise OptionsError(
        f"{table.name}: y_pred does not follow from one cut-off of y_score: a row with the score {above[0]:g} is not "
        f"selected, one with {above[1]:g} is",
        advice="Turn threshold-sweep off, or write the score that the model's cut-off was applied to.",
    )


def roundest(low: float, high: float) -> float:
    """Return the number above `low` and at most `high` with the fewest decimals, of several the one in the middle."""
    for digits in range(_MOST_DIGITS):
        step = 10.0**-digits
        first, last = math.floor(low / step) + 1, math.floor(high / step + 1e-9)
        if first <= last:
            middle = min(max(round((low + high) / 2 / step), first), last)
            found = round(middle * step, digits)
            if low < found <= high:
                return found
    return high


def count_scores(table: Table, wanted: Wanted, cuts: Sequence[float], *, falling: bool) -> pd.DataFrame:
    """Count the rows of each combination of features by how many cut-offs select them.

    Args:
        cuts: increasing; where scores fall, decreasing. A row that is selected at one is selected at all before it.

    Returns:
        Columns `feature:<name>`, `y_pred` (how many of the cut-offs select the rows), and the sums of count_decisions.
    """
    dataset = table.dataset()
    with refused(table.name):
        stored = _stored(dataset, table.name, wanted.columns)
        names = ["y_score", *(["sample_weight"] if "sample_weight" in stored else [])]
        read = {
            **{name: stored[name] for name in names},
            **{f"feature:{name}": stored[name] for name in wanted.features},
        }
        plain = replace(wanted, quantities=Quantities.NONE, needs_labels=False, needs_scores=False)
        counts = sum_up(_counted(batches(dataset, read), plain, cuts, falling, table.name))
    cut = {name for name in wanted.bins if is_number(dataset.schema.field(stored[name]).type)}
    return named_groups(counts.to_pandas(), plain, cut)


def _counted(
    rows: Iterator[pa.Table], wanted: Wanted, cuts: Sequence[float], falling: bool, called: str
) -> Iterator[pa.Table]:
    """Yield the counts of each batch."""
    import numpy as np
    import pyarrow as pa

    sign = -1.0 if falling else 1.0
    edges = sign * np.asarray(cuts, dtype=float)
    for batch in rows:
        scores = sign * numbers_of(batch, "y_score", called).to_numpy()
        selected = np.searchsorted(edges, scores, side="right").astype(np.int16)
        decided = batch.drop_columns(["y_score"]).append_column("y_pred", pa.array(selected))
        yield count_batch(decided, wanted, called)


def _stored(dataset: Any, called: str, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the table's own name of each column, by its standard name."""
    own = standard_names(dataset.schema.names, called, columns)
    stored = {own.get(name, name): name for name in dataset.schema.names}
    if "y_score" not in stored:
        raise OptionsError(f"threshold-sweep: {no_column('y_score', list(stored), called)}")
    return stored


def _extremes(batch: pa.Table, called: str) -> pa.Table:
    """Return the lowest and the highest score of each decision of a batch."""
    scored = batch.select(["y_pred"]).append_column("score", numbers_of(batch, "y_score", called))
    found = scored.group_by("y_pred").aggregate([("score", "min"), ("score", "max")])
    return found.select(["y_pred", "score_min", "score_max"]).rename_columns(["y_pred", "low", "high"])
