"""Shadow predictions beside the stable ones for the same rows, and both beside labels that came later.

A shadow copy has the trace and the request id of the request that was copied: with the row, they name a pair. A
caller may use one trace for several requests; what then names several rows of one side names no pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from cd4ml.data.tables import by_name
from cd4ml.metrics.rollout.counting import CANARY, SHADOW, STABLE, Counting
from cd4ml.metrics.rollout.seen import Seen

AGREE: Final = "agree"
DIFFER: Final = "differ"
RIGHT: Final = "right"
WRONG: Final = "wrong"
# Of pairs with labels: which of the two is right.
ONLY_STABLE: Final = "only the stable version"
ONLY_SHADOW: Final = "only the shadow"
ALIKE: Final = "both or neither"
_KEY: Final = ["trace_id", "row"]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """How many rows of the shadow were paired.

    Attributes:
        rows: of the shadow, without those that neither version answered and copies of the canary's requests.
        unpaired: without a stable row, or with an answer of one version alone.
        ambiguous: whose name several rows of one side have.
    """

    rows: int
    unpaired: int
    ambiguous: int


class Labels:
    """True values by what they are joined with: the event's `id`, or its trace and row."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Prepare.

        Args:
            frame: `y_true` as text, and `id` or `trace_id` and `row`; one row for each key.
        """
        self.rows = self.ambiguous = 0
        self._seen = Seen()
        self.keys = ["id"] if "id" in frame.columns else _KEY
        self.frame = frame

    def judged(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the answered rows whose labels have come, with `cell` for whether the prediction is right.

        A label is one row's: further rows of its trace that it would fit as well are counted as ambiguous.
        """
        answered = _answered(events).with_columns(pl.col("row").fill_null(0))
        rows = answered.join(self.frame, on=by_name.columns(self.keys), how="inner")
        keys = [by_name.column(key).cast(pl.String) for key in ("track", *self.keys)]
        first = pl.Series(self._seen.new(rows.select(pl.concat_str(keys, separator="/")).to_series()))
        self.rows += len(rows)
        self.ambiguous += int((~first).sum())
        rows = rows.filter(first)
        same = pl.col("y_pred").fill_null("") == pl.col("y_true")
        return rows.with_columns(pl.when(same).then(pl.lit(RIGHT)).otherwise(pl.lit(WRONG)).alias("cell"))


class Pairs:
    """Collects both sides of pairs; a pair takes some 40 bytes until it is counted."""

    def __init__(self, role: str, tolerance: float) -> None:
        """Prepare.

        Args:
            role: of the shadow: `SHADOW`, or `CANARY` where it is judged as the canary is.
            tolerance: by which predicted numbers may differ and still agree.
        """
        self._role, self._tolerance = role, tolerance
        self._sides: dict[str, list[pl.DataFrame]] = {STABLE: [], role: []}
        # A router copies the canary's requests as well: those have no stable answer that could be missing.
        self._canary: list[pl.DataFrame] = []
        self._truths: list[pl.DataFrame] = []

    def add(self, events: pl.DataFrame, judged: pl.DataFrame | None) -> None:
        """Take some events, and those of them whose labels have come."""
        answered = _is_answered().fill_null(False)
        for role, held in self._sides.items():
            rows = events.filter(pl.col("track") == role)
            held.append(rows.select(_key(), "minute", pl.when(answered).then("y_pred").alias("y_pred")))
        if self._role == SHADOW:
            self._canary.append(events.filter(pl.col("track") == CANARY).select(_key()))
        if judged is not None:
            known = judged.filter(pl.col("trace_id").is_not_null())
            self._truths.append(known.select(_key(), "track", (pl.col("cell") == RIGHT).alias("right")))

    def finish(self, counting: Counting) -> Paired:
        """Count the pairs as rows of the canary; return how many rows of the shadow were paired."""
        stable, shadow = (pl.concat(self._sides[role]) for role in (STABLE, self._role))
        if self._canary:
            elsewhere = pl.concat(self._canary).drop_nulls().join(stable, on="key", how="anti")
            shadow = shadow.join(elsewhere, on="key", how="anti")
        several = pl.concat(
            [side.filter(pl.col("key").is_duplicated())["key"] for side in (stable, shadow)]
        ).drop_nulls()
        named = ~pl.col("key").is_in(several.unique().implode()).fill_null(False)
        once = shadow.filter(named).join(stable.filter(named), on="key", how="left", suffix="_stable")
        mute = pl.col("y_pred").is_null() & pl.col("y_pred_stable").is_null() & pl.col("minute_stable").is_not_null()
        once = once.filter(~mute)
        both = once.filter(pl.col("y_pred").is_not_null() & pl.col("y_pred_stable").is_not_null())
        ambiguous = len(shadow) - len(shadow.filter(named))
        self._count(both, counting)
        return Paired(rows=len(once) + ambiguous, unpaired=len(once) - len(both), ambiguous=ambiguous)

    def _count(self, both: pl.DataFrame, counting: Counting) -> None:
        """Count pairs: whether they agree, and which side is right."""
        first, second = pl.col("y_pred"), pl.col("y_pred_stable")
        near = (first.cast(pl.Float64, strict=False) - second.cast(pl.Float64, strict=False)).abs() <= self._tolerance
        same = first.eq_missing(second) | near.fill_null(False)
        cell = pl.when(same).then(pl.lit(AGREE)).otherwise(pl.lit(DIFFER))
        counting.count("agreement", both.with_columns(pl.lit(CANARY).alias("track"), cell.alias("cell")))
        if self._truths:
            counting.count("paired quality", self._paired(both))

    def _paired(self, both: pl.DataFrame) -> pl.DataFrame:
        """Return the pairs whose labels have come, with which side is right."""
        truths = pl.concat(self._truths).unique(["key", "track"], keep="first")
        stable, shadow = (
            truths.filter(pl.col("track") == role).select("key", pl.col("right").alias(name))
            for role, name in ((STABLE, "stable_right"), (self._role, "shadow_right"))
        )
        # A label that names one event names its pair's row as well.
        known = both.join(stable, on="key", how="inner").join(shadow, on="key", how="inner")
        only_stable = pl.col("stable_right") & ~pl.col("shadow_right")
        only_shadow = pl.col("shadow_right") & ~pl.col("stable_right")
        cell = pl.when(only_stable).then(pl.lit(ONLY_STABLE)).when(only_shadow).then(pl.lit(ONLY_SHADOW))
        return known.with_columns(pl.lit(CANARY).alias("track"), cell.otherwise(pl.lit(ALIKE)).alias("cell"))


def _answered(events: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that were answered."""
    return events.filter(_is_answered())


def _is_answered() -> pl.Expr:
    """Return whether a row was answered."""
    return (pl.col("status").fill_null(200) < 400) & pl.col("y_pred").is_not_null()


def _key() -> pl.Expr:
    """Return what names a row: 64 bits of its trace, its request and its place; None without a trace."""
    row, request = pl.col("row").fill_null(0).cast(pl.String), pl.col("request_id").fill_null("")
    name = pl.concat_str(pl.col("trace_id"), request, row, separator="/")
    return pl.when(name.is_not_null()).then(name.hash(seed=17)).alias("key")


__all__ = ["AGREE", "ALIKE", "DIFFER", "ONLY_SHADOW", "ONLY_STABLE", "RIGHT", "SHADOW", "WRONG", "Labels", "Pairs"]
