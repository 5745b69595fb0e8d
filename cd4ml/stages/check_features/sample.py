"""The entities that are compared, and what the offline table says of them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cd4ml.data.features.offline import ENTITY, MOMENT, Offline, microseconds
from cd4ml.data.features.scalars import Scalar, scalar
from cd4ml.data.tables.refusals import refused
from cd4ml.errors import OptionsError

Event = tuple[int | str, int]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Entities, drawn at random.

    Attributes:
        values: what names them, in order.
        of: entities that there are.
        latest: the moment of each entity's latest row, in microseconds.
    """

    values: Sequence[int | str]
    of: int
    latest: Mapping[int | str, int]

    @property
    def sha256(self) -> str:
        """The digest of the entities: whoever draws them again can tell that they are the same."""
        return hashlib.sha256(json.dumps(list(self.values), ensure_ascii=False).encode()).hexdigest()


def drawn(offline: Offline, now: datetime, since: datetime | None, size: int, seed: int) -> Sample:
    """Draw entities of the offline table.

    Args:
        now: up to which rows count.
        since: entities without a later row are left out.

    Raises:
        OptionsError: there are none.
    """
    import polars as pl

    known = offline.frame().filter(pl.col(MOMENT) <= microseconds(now))
    newest = known.group_by(ENTITY).agg(pl.col(MOMENT).max())
    if since is not None:
        newest = newest.filter(pl.col(MOMENT) > microseconds(since))
    with refused(offline.source.name):
        rows = newest.sort(ENTITY).collect(engine="streaming").rows()
    if not rows:
        raise OptionsError(f"{offline.source.name}: no entity has a row that could be online now")
    chosen = sorted(random.Random(seed).sample(range(len(rows)), min(size, len(rows))))
    latest = dict(rows[place] for place in chosen)
    return Sample(values=list(latest), of=len(rows), latest=latest)


def events(offline: Offline, wanted: Sequence[Event]) -> dict[Event, Sequence[Scalar]]:
    """Return the features of events, as far as the offline table has them: what held at these moments.

    Raises:
        OptionsError: an event has several rows that differ.
    """
    import polars as pl

    kind = offline.entity_type
    asked = pl.LazyFrame(list(wanted), schema={ENTITY: kind, MOMENT: pl.Int64}, orient="row")
    with refused(offline.source.name):
        rows = offline.frame().join(asked, on=[ENTITY, MOMENT], how="semi").unique().collect(engine="streaming").rows()
    found: dict[Event, Sequence[Scalar]] = {}
    for entity, moment, *features in rows:
        if (entity, moment) in found:
            advice = "Keep one row for each entity and time."
            raise OptionsError(f"{offline.source.name}: an entity has rows of one moment that differ", advice=advice)
        try:
            found[entity, moment] = [scalar(value) for value in features]
        except ValueError as error:
            raise OptionsError(f"{offline.source.name}: {error}") from error
    return found
