"""Labels that come after their predictions, as JSON lines: `id`, or `trace_id` and `row`, and `y_true`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from cd4ml.observe.events.lines import frames
from cd4ml.observe.events.part import Part, Place, Poison

LABELS: Final = pl.Schema({"id": pl.String(), "trace_id": pl.String(), "row": pl.Int64(), "y_true": pl.String()})


def decoded(lines: Sequence[bytes], place: Place) -> Part:
    """Return the labels of lines, empty ones left out; `place` says where the line of a number stands."""
    numbers = [number for number, line in enumerate(lines) if line.strip()]
    poison = Poison()
    read = list(frames(lines, numbers, place, poison, LABELS, "a label"))
    labels = pl.concat([pl.DataFrame(schema=LABELS), *(frame for frame, _ in read)])
    usable = labels.select(_USABLE.fill_null(False)).to_series()
    if not usable.all():
        kept = [number for _, found in read for number in found]
        for at in (~usable).arg_true():
            poison.add(place(kept[at]), "has no y_true, or neither id nor trace_id")
        labels = labels.filter(usable)
    return Part(events=labels, unreadable=tuple(poison.named), poisoned=poison.count)


_NAMED: Final = (pl.col("id").str.len_bytes() > 0) | (pl.col("trace_id").str.len_bytes() > 0)
_USABLE: Final = _NAMED & (pl.col("y_true").str.len_bytes() > 0)
