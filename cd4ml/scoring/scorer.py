"""What a scorer is asked, and what it returns: one usable prediction for each row, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.scoring.sandbox import Isolation

if TYPE_CHECKING:
    import pandas as pd


class ScoringError(Exception):
    """The model did not give one usable prediction for each row.

    Attributes:
        row: the first position without one, None if the fault is not in single rows.
        refused: whether the model refused the rows with an exception, and its process went on.
    """

    def __init__(self, problem: str, row: int | None = None, *, refused: bool = False) -> None:
        super().__init__(problem)
        self.row = row
        self.refused = refused


class TooLateError(ScoringError):
    """The model's process did not finish in time."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a child process may do.

    Attributes:
        seconds: for each table.
        memory: GiB of address space (None: no limit).
        isolated: whether it may only run where every protection of the sandbox holds.
    """

    seconds: float
    memory: float | None = None
    isolated: bool = False


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a model made of its tables.

    Attributes:
        predictions: for each table `y_pred` and, if the model gives any, scores; or why there are none.
        lock: of the environment used.
        seconds: of repeated predictions of the first table, measured by the model's own process; empty if none was
            asked for.
        isolation: what the sandbox held.
        trials: as `predictions`, for each trial.
    """

    predictions: Sequence[pd.DataFrame | ScoringError]
    lock: str
    seconds: Sequence[float]
    isolation: Isolation
    trials: Sequence[pd.DataFrame | ScoringError] = ()


class Scorer(Protocol):
    """What a module of `scorers` offers."""

    def score(
        self,
        model: Path,
        tables: Sequence[pd.DataFrame],
        *,
        positive_label: str | None,
        allow_code: bool,
        limits: Limits,
        context: Context,
        repeat: bool = False,
        trials: Sequence[pd.DataFrame] = (),
    ) -> Scored:
        """Score tables with a model in its own environment; it is loaded once.

        Args:
            tables: each of shape (n, k), the model's input columns among others.
            allow_code: whether the model may run code of its own when it is loaded.
            repeat: whether to predict the first again and again, to see how long it takes.
            trials: further tables, predicted last; a model may refuse one and goes on with the next.

        Raises:
            OptionsError, UnavailableError: the model's environment cannot be made.
        """


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write the rows for the child."""
    import pyarrow as pa

    try:
        rows.to_parquet(path, index=False)
    except pa.ArrowException as error:
        raise OptionsError(
            f"the rows cannot be passed to the model: {str(error).splitlines()[0][:300]}",
            advice="Give every column one type, or leave it out with exclude.",
        ) from error
