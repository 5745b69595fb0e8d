"""Predictions whose labels have not come, and labels whose predictions have not: joined by id, both bounded.

An event has two keys, its id, and its trace with the row; a label has one of them. Keys are hashes of 64 bits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import polars as pl

from cd4ml.checks.drift.labels import Labelled
from cd4ml.data.profile.losses import expected_loss, losses_of
from cd4ml.data.tables import by_name

_CHUNKS: Final = 64
# A whole number of floating point is written as predictions are: without a dot.
_WHOLE: Final = r"^(-?\d+)\.0+$"


class Came(StrEnum):
    """What became of a label."""

    JOINED = "joined"
    DUPLICATE = "duplicate"
    CONFLICTING = "conflicting"
    UNMATCHED = "unmatched"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what predictions wait.

    Attributes:
        numeric: whether labels are numbers, and losses their absolute errors; else they are classes.
        positive_label: whose probability the scores are; None if nobody says.
        seconds: after the end of a window for which its labels are waited for.
        most: predictions that wait at once, and labels.
    """

    numeric: bool
    positive_label: str | None
    seconds: int
    most: int


@dataclass(kw_only=True)
class Awaited:
    """A window whose labels are waited for; see Labelled."""

    events: int = 0
    crowded_out: int = 0
    mixed: bool = False


@dataclass(kw_only=True)
class Awaiting:
    """What waits.

    Attributes:
        predictions: a row for each prediction of the windows that wait, oldest first.
        labels: those that came before their predictions, oldest first.
        windows: by number.
        counts, totals: labels by what became of them, since the newest report and since the worker first ran.
    """

    terms: Terms
    predictions: pl.DataFrame = field(default_factory=pl.DataFrame)
    labels: pl.DataFrame = field(default_factory=pl.DataFrame)
    windows: dict[int, Awaited] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        value = pl.Float64() if self.terms.numeric else pl.UInt64()
        keys = {"id": pl.UInt64(), "trace": pl.UInt64()}
        kinds = {"window": pl.Int64(), **keys, "said": value, "expected": pl.Float64(), "label": value}
        self._kinds = pl.Schema({**kinds, "contested": pl.Boolean()})
        self._early = pl.Schema({"key": pl.UInt64(), "label": value, "at": pl.Float64()})
        if not self.predictions.width:
            self.predictions = pl.DataFrame(schema=self._kinds)
        if not self.labels.width:
            self.labels = pl.DataFrame(schema=self._early)

    @property
    def has_room(self) -> bool:
        """Whether more labels may be read before their predictions are."""
        return len(self.labels) < self.terms.most

    @property
    def waiting(self) -> int:
        """How many predictions have no label yet."""
        return self.predictions["label"].null_count()

    def note(self, came: Came, number: int) -> None:
        """Take note of what became of labels."""
        if number:
            self.counts[came] += number
            self.totals[came] += number

    def unreadable(self, number: int, places: list[str]) -> None:
        """Take note of what was no label."""
        self.note(Came.UNREADABLE, number)
        self.named = [*self.named, *places][:5]

    def add(self, window: int, events: pl.DataFrame) -> None:
        """Wait for the labels of events.

        Args:
            events: of the columns `READ`, each of them once.
        """
        rows = events.select(
            pl.lit(window, dtype=pl.Int64).alias("window"),
            pl.col("id").hash().alias("id"),
            _trace().alias("trace"),
            self._value(pl.col("prediction").struct.field("y_pred")).alias("said"),
            self._expected().alias("expected"),
            pl.lit(None, dtype=self._kinds["label"]).alias("label"),
            pl.lit(False).alias("contested"),
        ).filter(pl.col("said").is_not_null())
        self.windows.setdefault(window, Awaited()).events += len(rows)
        if len(self.labels):
            rows, early = self._joined(rows, self.labels)
            self.labels = early
        self.predictions = pl.concat([self.predictions, rows], rechunk=self.predictions.n_chunks() > _CHUNKS)
        self._make_room()

    def come(self, labels: pl.DataFrame, now: float) -> None:
        """Take labels.

        Args:
            labels: of the columns `LABELS`.
            now: when they came, in seconds.
        """
        by_id = pl.col("id").str.len_bytes() > 0
        found = labels.select(
            pl.when(by_id).then(pl.col("id").hash()).otherwise(_trace()).alias("key"),
            self._value(pl.col("y_true")).alias("label"),
            pl.lit(now, dtype=pl.Float64).alias("at"),
        )
        usable = found.filter(pl.col("label").is_not_null())
        self.note(Came.UNREADABLE, len(found) - len(usable))
        self.predictions, early = self._joined(self.predictions, usable)
        repeated = len(early) - len(early := early.unique(["key", "label"], keep="first", maintain_order=True))
        if len(self.labels):
            known = len(early) - len(early := early.join(self.labels, on=["key", "label"], how="anti"))
            repeated += known
        self.note(Came.DUPLICATE, repeated)
        self.labels = pl.concat([self.labels, early])
        self._give_up(len(self.labels) - self.terms.most)

    def settle(self, number: int, name: str) -> Labelled:
        """Return the labelled predictions of a window, which goes by a name, and wait for it no more."""
        mine = pl.col("window") == number
        rows = self.predictions.filter(mine & pl.col("label").is_not_null())
        self.predictions = self.predictions.filter(~mine)
        window = self.windows.pop(number)
        sound = rows.filter(~pl.col("contested"))
        said, label = sound["said"], sound["label"]
        losses = (said - label).abs() if self.terms.numeric else (said != label)
        return Labelled(
            name=name,
            losses=losses_of(losses.cast(pl.Float64).to_numpy(), sound["expected"].fill_null(np.nan).to_numpy()),
            awaited=window.events,
            contested=len(rows) - len(sound),
            crowded_out=window.crowded_out,
            mixed=window.mixed,
        )

    def due(self, closed: int | None, moment: float, seconds: int, *, drained: bool) -> list[int]:
        """Return the windows that can be settled, oldest first: all labels have come, or were waited for.

        Args:
            closed: newest window that was judged.
            moment: how far the times of events have come.
            seconds: length of a window.
            drained: whether all labels were read that are there.
        """
        if closed is None:
            return []
        lacking = set(self.predictions.filter(pl.col("label").is_null())["window"].unique())
        ended = {number: (number + 1) * seconds + self.terms.seconds <= moment for number in self.windows}
        return [
            number
            for number in sorted(self.windows)
            if number <= closed and (number not in lacking or (drained and ended[number]))
        ]

    def forget(self, before: float) -> None:
        """Give up labels that came before a time, and whose predictions never did."""
        self._give_up(int((self.labels["at"] < before).sum()))

    def told(self) -> tuple[dict[str, int], list[str]]:
        """Return labels by what became of them since the newest report, and where unreadable ones stand; begin anew."""
        counts, named = dict(self.counts), self.named
        self.counts, self.named = Counter(), []
        return counts, named

    def _give_up(self, number: int) -> None:
        """Give up the oldest labels without a prediction."""
        if number > 0:
            self.note(Came.UNMATCHED, number)
            self.labels = self.labels.slice(number)

    def _make_room(self) -> None:
        """Let the oldest predictions go where there are too many."""
        number = len(self.predictions) - self.terms.most
        if number > 0:
            gone = self.predictions.head(number).filter(pl.col("label").is_null())["window"].value_counts()
            for window, count in gone.iter_rows():
                self.windows[window].crowded_out += count
            self.predictions = self.predictions.slice(number)

    def _joined(self, rows: pl.DataFrame, labels: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return predictions with their labels, and the labels that have no prediction among them."""
        rows, labels = rows.with_row_index("row"), labels.with_row_index("order")
        parts = [
            labels.join(rows.select("row", by_name.column(key).alias("key"), pl.col("label").alias("before")), on="key")
            for key in ("id", "trace")
        ]
        found = pl.concat(parts).sort("order")
        if not len(found):
            return rows.drop("row"), labels.drop("order")
        first = pl.coalesce("before", pl.col("label").first()).over("row")
        found = found.with_columns(
            first.alias("first"),
            (pl.col("before").is_null() & (pl.col("order") == pl.col("order").min().over("row"))).alias("new"),
        )
        new = found.filter("new")
        again = found.filter(~pl.col("new"))
        conflicts = again.filter(pl.col("label") != pl.col("first"))
        self.note(Came.JOINED, len(new))
        self.note(Came.CONFLICTING, len(conflicts))
        self.note(Came.DUPLICATE, len(again) - len(conflicts))
        come = rows.join(new.select("row", pl.col("label").alias("come")), on="row", how="left", maintain_order="left")
        contested = pl.col("contested") | pl.col("row").is_in(conflicts["row"].implode())
        come = come.with_columns(pl.coalesce("label", "come").alias("label"), contested.alias("contested"))
        left = labels.join(found.select("order"), on="order", how="anti", maintain_order="left")
        return come.drop("row", "come"), left.drop("order")

    def _value(self, text: pl.Expr) -> pl.Expr:
        """Return a prediction or a label as it is compared."""
        if self.terms.numeric:
            number = text.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        plain = pl.when(text.str.contains(_WHOLE)).then(text.str.replace(_WHOLE, "${1}")).otherwise(text)
        return pl.when(text.is_not_null()).then(plain.hash())

    def _expected(self) -> pl.Expr:
        """Return the loss that the model's own probability lets expect."""
        if self.terms.numeric or self.terms.positive_label is None:
            return pl.lit(None, dtype=pl.Float64)
        score = pl.col("prediction").struct.field("y_score")
        return expected_loss(pl.col("prediction").struct.field("y_pred") == self.terms.positive_label, score)


def _trace() -> pl.Expr:
    """Return the key of a trace's row."""
    row = pl.col("row").fill_null(0).cast(pl.String)
    return pl.concat_str([pl.col("trace_id"), pl.lit(" "), row]).hash(seed=1)
