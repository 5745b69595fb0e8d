"""The options about features that several stages and commands take; see `vocabulary`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cd4ml.inputs.options import Group
from cd4ml.inputs.vocabulary import Word

OFFLINE: Final = Word(
    meaning="The offline table of features: a row for each entity and the moment at which its features held.",
    example="features.parquet",
    group=Group.INPUT,
)
ONLINE: Final = Word(
    meaning="The online store that serves the features: `redis://HOST:PORT/DATABASE`, `rediss://…`, `unix://…`.",
    example="redis://store:6379/0",
    group=Group.INPUT,
)
ENTITY: Final = Word(
    meaning="Column of the offline table that names an entity, as requests name it.",
    example="customer_id",
    group=Group.INPUT,
)
TIMESTAMP: Final = Word(
    meaning="Column of the moments at which features held; times without an offset count as UTC.",
    example="event_timestamp",
    group=Group.INPUT,
)
TTL: Final = Word(
    meaning="Hours after their moment for which features may be served.", example="48", group=Group.LIMITS
)
LABEL_TIME: Final = Word(meaning="Column of the time that the label is about.", example="decided_at", group=Group.INPUT)
MAXIMUM_LATE_FEATURES: Final = Word(
    meaning="Largest share of rows with a feature that became known after the time of the label.", group=Group.LIMITS
)
FEATURE_PREFIX: Final = Word(
    meaning="What keys in Redis begin with, as the gateway's FEATURE_PREFIX says.", group=Group.ADVANCED
)
CLUSTER: Final = Word(meaning="Whether the Redis server is a node of a cluster.", group=Group.ADVANCED)


def ttl_problems(hours: float | None) -> Iterator[str]:
    """Yield what is wrong with a `ttl`."""
    if hours is not None and not 0 < hours < 24 * 366 * 100:
        yield f"ttl must be above 0 and at most a hundred years of hours, got {hours:g}"
