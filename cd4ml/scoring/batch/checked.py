"""A model and its conversion side by side: the conversion is asked for all rows, the model for some of each table.

Where they differ, nothing that the conversion said is worth anything.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.scoring.batch.kernel import Fast, Kernel, Loading, kernel
from cd4ml.scoring.sandbox import Isolation
from cd4ml.scoring.scorer import ScoringError

if TYPE_CHECKING:
    import pyarrow as pa

# Of each table the model itself is asked for this share, and for no fewer rows.
SHARE: Final = 0.01
_FEWEST: Final = 100


class UnequalError(ScoringError):
    """The conversion is not equal to its model on these rows, or has no answer."""


class Checked:
    """What asks both, as a kernel is asked."""

    def __init__(self, model: Kernel, conversion: Kernel, fast: Fast) -> None:
        self._model, self._conversion, self._fast = model, conversion, fast
        self._places: deque[int] = deque()

    def ask(self, rows: pa.Table) -> None:
        """See Kernel."""
        count = max(_FEWEST, int(rows.num_rows * SHARE))
        place = random.randrange(max(1, rows.num_rows - count + 1))
        self._places.append(place)
        self._conversion.ask(rows)
        self._model.ask(rows.slice(place, count))

    def answer(self, seconds: float) -> pa.Table:
        """See Kernel.

        Raises:
            UnequalError: the two differ.
        """
        place = self._places.popleft()
        try:
            found = self._conversion.answer(seconds)
        except ScoringError as error:
            raise UnequalError(f"the conversion has no answer: {error}") from error
        expected = self._model.answer(seconds)
        found = as_expected(found, expected)
        if why := difference(found.slice(place, expected.num_rows), expected, self._fast.tolerance, place):
            raise UnequalError(why)
        return found


@contextmanager
def asked(loading: Loading, folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[Kernel | Checked, Isolation]]:
    """Start what is asked: the model's process and, if it has one, that of its conversion.

    Raises:
        ScoringError, UnavailableError: as of `kernel`.
    """
    plain = replace(loading, fast=None)
    if loading.fast is None:
        with kernel(plain, folder, environ) as found:
            yield found
        return
    rooms = (folder / "model", folder / "conversion")
    for room in rooms:
        room.mkdir()
    with kernel(plain, rooms[0], environ) as (model, held), kernel(loading, rooms[1], environ) as (conversion, _):
        yield Checked(model, conversion, loading.fast), held


def as_expected(found: pa.Table, expected: pa.Table) -> pa.Table:
    """Return a conversion's predictions in the types of the model's.

    Raises:
        UnequalError: they have other columns, or values that these types do not hold.
    """
    import pyarrow as pa

    try:
        return found.cast(expected.schema.remove_metadata())
    except (pa.ArrowException, ValueError) as error:
        raise UnequalError(f"the conversion gives other columns: {str(error).splitlines()[0][:200]}") from error


def difference(
    found: pa.Table, expected: pa.Table, tolerance: Mapping[str, tuple[float, float]], first: int = 0
) -> str | None:
    """Return the first difference between predictions of the same columns, None if there is none.

    Args:
        tolerance: relative and absolute, of each column; columns that are not named are equal or they are not.
        first: position of the first row, for messages.
    """
    import numpy as np

    for name in expected.column_names:
        ours, theirs = (one.column(name).to_numpy(zero_copy_only=False) for one in (found, expected))
        bad = ours != theirs
        if name in tolerance and bad.any():
            relative, absolute = tolerance[name]
            ours, theirs = ours.astype(float), theirs.astype(float)
            limit = np.maximum(relative * np.maximum(np.abs(ours), np.abs(theirs)), absolute)
            bad = ~(np.abs(ours - theirs) <= limit)  # what is no number is within no limit
        if np.any(bad):
            at = int(np.argmax(bad))
            values: tuple[Any, Any] = (ours[at], theirs[at])
            return f"{name} of row {first + at} is {values[0]!s:.40} by the conversion, {values[1]!s:.40} by the model"
    return None
