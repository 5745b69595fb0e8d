"""Counts events by track, minute and cell, in one pass: each event once, in its window, of the model that is meant."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from cd4ml.data.tables import by_name
from cd4ml.metrics.rollout import variables
from cd4ml.metrics.rollout.seen import Seen
from cd4ml.metrics.rollout.variables import Layout

STABLE: Final = "stable"
CANARY: Final = "canary"
SHADOW: Final = "shadow"
# Stable rows from which the cells are made.
_SAMPLE: Final = 5_000
_MOST_HELD: Final = 2_000_000
NO_MODEL: Final = "no model"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events are counted.

    Attributes:
        tracks: role -> the track's name in the events. Two roles may share one: then their models tell them apart.
        models: role -> digest, or `name/version`, of the model that must have answered.
        since, until: the window of time; None leaves that side open.
        now: the time of the look: what claims to be later by more than some minutes is not believed.
    """

    tracks: Mapping[str, str]
    models: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    now: datetime
    features: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Counts:
    """What was counted.

    Attributes:
        cells: variable -> role -> minute since 1970 -> cell -> rows.
        left_out: rows by why they do not count.
        models: role -> model -> rows, of all models that answered; failed requests need not say one (`NO_MODEL`).
        served: role -> model -> points of its series, as the metrics say.
        identities: model -> its name, version and sha256, as far as the events say them.
    """

    cells: dict[str, dict[str, dict[int, dict[str, float]]]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    models: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    served: dict[str, Counter[str]] = field(default_factory=dict)
    identities: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    first: datetime | None = None
    last: datetime | None = None

    def minutes(self, variable: str, role: str) -> dict[int, dict[str, float]]:
        """Return the rows of a variable in a track, by minute and cell."""
        return self.cells.get(variable, {}).get(role, {})

    def rows(self, variable: str, role: str) -> int:
        """Return the rows of a variable in a track."""
        return round(sum(sum(cells.values()) for cells in self.minutes(variable, role).values()))


class Counting:
    """Counts events that come in parts."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.result = Counts()
        self._seen = Seen()
        self._held: list[pl.DataFrame] | None = []
        self._counted: dict[str, list[pl.DataFrame]] = defaultdict(list)

    def add(self, events: pl.DataFrame) -> pl.DataFrame:
        """Count some events; return those that count, with `role` and `minute`."""
        kept = self._kept(events)
        if self._held is None:
            self._count(kept)
            return kept
        self._held.append(kept)
        stable = sum(int((part["track"] == STABLE).sum()) for part in self._held)
        if stable >= _SAMPLE or sum(map(len, self._held)) >= _MOST_HELD:
            self._release()
        return kept

    def finish(self) -> Counts:
        """Return what was counted."""
        self._release()
        for variable, frames in self._counted.items():
            by_role: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
            for role, minute, cell, rows in _summed(frames).iter_rows():
                by_role[role][minute][cell] = rows
            self.result.cells[variable] = {role: dict(minutes) for role, minutes in by_role.items()}
        return self.result

    def _release(self) -> None:
        """Make the cells, and count what waited for them."""
        if self._held is None:
            return
        held, self._held = self._held, None
        if held:
            every = pl.concat(held)
            stable = every.filter(pl.col("track") == STABLE)
            sample = (stable if len(stable) else every).head(_SAMPLE)
            self.result.layout = variables.layout_of(sample, self.wanted.features, self.wanted.exclude)
            self._count(every)

    def _kept(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the events that count, with what is read of them in columns of their own."""
        wanted, left_out = self.wanted, self.result.left_out
        new = self._seen.new(events["id"])
        left_out["seen before"] += int((~new).sum())
        frame = events.filter(pl.Series(new)).with_columns(
            pl.col("prediction").struct.field("y_pred"),
            pl.col("prediction").struct.field("y_score"),
            _model(wanted.models).alias("digest"),
        )
        frame = self._without(frame, "later than now", pl.col("time") > wanted.now)
        if wanted.since:
            frame = self._without(frame, "before the window", pl.col("time") < wanted.since)
        if wanted.until:
            frame = self._without(frame, "after the window", pl.col("time") >= wanted.until)
        frame = self._without(frame, "of no model", self._untold())
        frame = frame.with_columns(self._role().alias("track"), (pl.col("time").dt.epoch("s") // 60).alias("minute"))
        frame = self._without(frame, "of another track", pl.col("track").is_null())
        frame = self._of_the_models(frame)
        if len(frame):
            times = by_name.values(frame, "time")
            first, last = times.min(), times.max()
            assert isinstance(first, datetime) and isinstance(last, datetime)
            self.result.first = min(first, self.result.first or first)
            self.result.last = max(last, self.result.last or last)
        return frame.drop("model", "prediction", "time")

    def _without(self, frame: pl.DataFrame, why: str, condition: pl.Expr) -> pl.DataFrame:
        """Return the rows that a condition does not hold for; count the others."""
        kept = frame.filter(~condition)
        self.result.left_out[why] += len(frame) - len(kept)
        return kept

    def _untold(self) -> pl.Expr:
        """Return whether an event is of a track that two roles share, and no model tells which of them it is."""
        tracks = list(self.wanted.tracks.values())
        shared = [track for track in tracks if tracks.count(track) > 1]
        return pl.col("track").is_in(shared) & pl.col("digest").is_null()

    def _role(self) -> pl.Expr:
        """Return which track an event is of; None if of none that is looked at."""
        role = pl.lit(None, dtype=pl.String)
        tracks = self.wanted.tracks
        for name, track in tracks.items():
            is_it = pl.col("track") == track
            if list(tracks.values()).count(track) > 1:
                is_it &= pl.col("digest") == self.wanted.models[name]
            role = pl.when(is_it).then(pl.lit(name)).otherwise(role)
        return role

    def _of_the_models(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the events of the models that are meant; count those of others.

        A request that failed need not say which model did not answer it: it is its track's.
        """
        failed = (pl.col("status") >= 400).fill_null(False) & pl.col("digest").is_null()
        found = frame.with_columns(pl.when(failed).then(pl.lit(NO_MODEL)).otherwise("digest").alias("digest"))
        for role, model, identity, rows in found.group_by("track", "digest", "model").len().iter_rows():
            self.result.models[role][model or "unknown"] += rows
            self.result.identities.setdefault(model or "unknown", identity or {})
        foreign = pl.lit(False)
        for role, model in self.wanted.models.items():
            foreign |= (pl.col("track") == role) & ~failed & (pl.col("digest").fill_null("") != model)
        return self._without(frame, "of another model", foreign)

    def _count(self, events: pl.DataFrame) -> None:
        """Count the cells of all variables."""
        requests = variables.request_cells(events)
        found = {"requests": requests, "errors": requests.filter(pl.col("cell") != variables.UNKNOWN)}
        found["latency"] = variables.latency_cells(requests)
        found |= variables.prediction_cells(events, self.result.layout)
        found["cohort"] = events.filter(pl.col("cohort").is_not_null()).with_columns(pl.col("cohort").alias("cell"))
        found |= {
            f"feature {name}": cells for name, cells in variables.feature_cells(events, self.result.layout).items()
        }
        for variable, frame in found.items():
            self.count(variable, frame)

    def count(self, variable: str, frame: pl.DataFrame) -> None:
        """Count one variable: a frame with `track`, `minute` and `cell`."""
        if not len(frame):
            return
        frames = self._counted[variable]
        frames.append(frame.group_by("track", "minute", "cell").agg(pl.len().cast(pl.Int64).alias("rows")))
        if len(frames) > 16:
            self._counted[variable] = [_summed(frames)]


def _summed(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return counts of parts as those of the whole."""
    return pl.concat(frames).group_by("track", "minute", "cell").agg(pl.col("rows").sum())


def _model(stated: Mapping[str, str]) -> pl.Expr:
    """Return what the model of an event goes by: what the caller states it by, else its digest."""
    sha256, name, version = (pl.col("model").struct.field(field) for field in ("sha256", "name", "version"))
    by_version = pl.concat_str(name, pl.lit("/"), version)
    named = [model for model in stated.values() if "/" in model]
    return pl.when(by_version.is_in(named)).then(by_version).otherwise(pl.coalesce(sha256, by_version, name))
