"""Prediction events as the incidents ask for them: each once, of one track."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cd4ml.errors import OptionsError
from cd4ml.metrics.rollout.seen import Seen
from cd4ml.observe.events.sources import parts
from cd4ml.wording import redacted

ANSWERED: Final = 200
_MOST: Final = 2_000_000
_PLACES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Events:
    """Events of one track.

    Attributes:
        place: where they were read.
        frame: `id`, `time`, `model`, `status`, `latency_ms`, `rows`, `features` (JSON), `y_pred`, in the order of time.
        unreadable: how many could not be read.
    """

    place: str
    frame: pl.DataFrame
    unreadable: int = 0


def read(places: Sequence[str], track: str) -> Events:
    """Return the events of a track.

    Raises:
        OptionsError: there are none, or too many to be held, or a place is of no kind that is known.
        UnavailableError: a place is not there or does not answer.
    """
    seen, found, unreadable, tracks = Seen(), list[pl.DataFrame](), 0, dict[str, int]()
    for part in parts(places):
        unreadable += part.poisoned
        new = part.events.filter(pl.Series(seen.new(part.events["id"])))
        for name, rows in new["track"].value_counts().iter_rows():
            tracks[name] = tracks.get(name, 0) + rows
        found.append(_kept(new.filter(pl.col("track") == track)))
        if sum(map(len, found)) > _MOST:
            raise OptionsError(f"more than {_MOST:,} events of {track}", advice="Name fewer files, or a shorter time.")
    named = _place(places)
    if not tracks.get(track):
        others = f"; there are: {', '.join(sorted(tracks))}" if tracks else ""
        raise OptionsError(f"{named} holds no event of the track `{track}`{others}", advice="Set track.")
    return Events(place=named, frame=pl.concat(found).sort("time"), unreadable=unreadable)


def _kept(events: pl.DataFrame) -> pl.DataFrame:
    """Return what is asked of events."""
    return events.select(
        pl.col("id"),
        pl.col("time"),
        pl.col("model").struct.field("sha256").alias("model"),
        pl.col("status"),
        pl.col("latency_ms"),
        pl.col("rows"),
        pl.col("features"),
        pl.col("prediction").struct.field("y_pred").alias("y_pred"),
    )


def _place(places: Iterable[str]) -> str:
    """Return the places in words, without what may be secret in an address."""
    named = [redacted(place) for place in dict.fromkeys(places)]
    more = f" and {len(named) - _PLACES} more" if len(named) > _PLACES else ""
    return ", ".join(named[:_PLACES]) + more


def requests(events: Events) -> pl.DataFrame:
    """Return the requests that were answered: `rows`, `characters` of their features, and `latency_ms`."""
    answered = events.frame.filter((pl.col("status") == ANSWERED) & pl.col("latency_ms").is_not_null())
    request = pl.col("id").str.replace(r"-\d+$", "")
    return (
        answered.group_by(request.alias("request"))
        .agg(
            pl.col("rows").max().fill_null(pl.len()).cast(pl.Int64),
            pl.col("features").str.len_chars().sum().cast(pl.Int64).alias("characters"),
            pl.col("latency_ms").max(),
        )
        .drop("request")
    )
