"""What a runner is given: a model, the parts that are not staged yet, and what becomes of their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cd4ml.context import Context
from cd4ml.data.tables.parts import Parts
from cd4ml.data.tables.table import framed
from cd4ml.scoring.batch.kernel import Loading
from cd4ml.scoring.batch.staging import ROW_ID, Staging
from cd4ml.scoring.sandbox import Isolation
from cd4ml.scoring.scorer import ScoringError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Job:
    """Parts to be scored.

    Attributes:
        missing: numbers of the parts to score.
        columns: that are read; the model is shown `shown` of them, and `keep` go into the output.
    """

    loading: Loading
    parts: Parts
    missing: Sequence[int]
    columns: Sequence[str]
    shown: Sequence[str]
    keep: Sequence[str]
    staging: Staging

    def question(self, rows: pa.Table) -> pa.Table:
        """Return what the model is shown of a part."""
        return framed(rows.select([name for name in self.shown if name in rows.column_names]))

    def take(self, number: int, rows: pa.Table, answers: pa.Table) -> None:
        """Stage the predictions of a part, beside what tells its rows apart.

        Raises:
            ScoringError: they are no predictions of these rows.
            UnavailableError: they cannot be written.
        """
        import pyarrow as pa

        if not rows.num_rows == answers.num_rows == self.parts.count(number):
            raise ScoringError(f"{answers.num_rows} predictions for {rows.num_rows} rows")
        columns = {ROW_ID: self._ids(number, rows), **{name: rows.column(name) for name in self.keep}}
        columns |= {name: _plain(answers.column(name)) for name in answers.column_names}
        self.staging.write(number, pa.table(columns))

    def place(self, number: int) -> str:
        """Return which rows a part has, in words."""
        first = self.parts.start(number)
        return f"rows {first:,} to {first + self.parts.count(number) - 1:,}"

    def _ids(self, number: int, rows: pa.Table) -> pa.ChunkedArray | pa.Array:
        """Return what tells the rows apart: their own ids, or their positions in the table."""
        import numpy as np
        import pyarrow as pa

        if ROW_ID not in rows.column_names:
            first = self.parts.start(number)
            return pa.array(np.arange(first, first + rows.num_rows, dtype="int64"))
        found = rows.column(ROW_ID)
        if found.null_count:
            raise ScoringError(f"`{ROW_ID}` is missing for {found.null_count} of {rows.num_rows} rows")
        return found


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values as such: each part would have categories of its own."""
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a runner ended.

    Attributes:
        isolation: what held of the sandbox; None if no model was run.
        problem: why parts are missing, None if all are there.
        unequal: whether a conversion is not equal to its model, so that the parts that are there are worth nothing.
    """

    isolation: Isolation | None = None
    problem: str | None = None
    unequal: bool = False


class Runner(Protocol):
    """Where the kernel runs: each way is a module of `runners`."""

    def score(self, job: Job, context: Context) -> Outcome:
        """Score the missing parts and stage them.

        Raises:
            OptionsError, UnavailableError: the table cannot be read, or a part cannot be written.
        """
