"""What a part of check-split is: it sees every row of both tables once, and then says what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from cd4ml.metrics.split.rows import Rows
from cd4ml.report import Check


class Part(Protocol):
    """One subject that check-split looks at, made by `part_of(options, train, test)` in a module of its own.

    Its memory is bounded, however many rows there are: it keeps at most a bounded number of them.
    """

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it reads, as far as a table has them."""

    def add_train(self, rows: Rows) -> None:
        """Look at training rows: all parts of the table in their order, each row once."""

    def add_test(self, rows: Rows) -> None:
        """Look at test rows in the same way, after all training rows."""

    def checks(self) -> Iterable[Check]:
        """Decide; called once, after all rows."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Numbers for the report by name; asked for after the checks."""
