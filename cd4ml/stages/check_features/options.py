"""What check-features can be told, and what of it would decide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.errors import OptionsError
from cd4ml.inputs import feature_words, vocabulary
from cd4ml.inputs.options import Group, Limit, option

EXAMPLE: Final = (
    "--offline features.parquet --online redis://127.0.0.1:6379/0 --entity customer_id --timestamp event_timestamp"
)
OUTPUTS: Final[dict[str, str]] = {}
HTTP: Final = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of check-features."""

    offline: str = feature_words.OFFLINE.here(required=True)
    online: str = feature_words.ONLINE.here(
        "Here also a Feast feature server, `http://…`, whose token is in FEATURE_STORE_TOKEN.", required=True
    )
    entity: str = feature_words.ENTITY.here(required=True)
    timestamp: str = feature_words.TIMESTAMP.here(required=True)
    features: tuple[str, ...] = vocabulary.FEATURES.here()
    feature_view: str | None = option("The feature view in Feast that has the features.", group=Group.INPUT)
    label_time: str | None = feature_words.LABEL_TIME.here("No feature of its row may be later.")
    sample_size: int = option(
        "Entities that are compared, drawn at random; of fewer all.", default=1_000, group=Group.DECISION
    )
    sample_seed: int = option(
        "Seed of the sample: the same seed draws the same entities.", default=0, group=Group.ADVANCED
    )
    minimum_entities: int = option(
        "Entities below which a sample in which nothing was found decides nothing.", default=100, group=Group.DECISION
    )
    tolerance: Limit = option(
        "Largest difference of two numbers, as a share of the larger one: a number for all features, and "
        "`feature=number` for single ones.",
        default=Limit(others=0.0),
        example="0, income=1e-6",
        group=Group.LIMITS,
    )
    ttl: float | None = feature_words.TTL.here("Entities without a younger row are not expected online.")
    maximum_lag: float = option(
        "Hours by which an entity's online features may be behind the offline table.", default=24.0, group=Group.LIMITS
    )
    maximum_missing: float = option(
        "Largest share of entities that the online store does not have.", default=0.0, group=Group.LIMITS
    )
    maximum_stale: float = option(
        "Largest share of entities whose online features are older than ttl, or behind by more than maximum-lag.",
        default=0.0,
        group=Group.LIMITS,
    )
    maximum_mismatches: float = option(
        "Largest share of entities with another value, type or event online than offline, of each feature.",
        default=0.0,
        group=Group.LIMITS,
    )
    maximum_late_features: float = feature_words.MAXIMUM_LATE_FEATURES.here(default=0.0)
    prefix: str = feature_words.FEATURE_PREFIX.here(default="cd4ml:features")
    cluster: bool = feature_words.CLUSTER.here(default=False)


def check_options(options: Options) -> None:
    """Refuse what would decide nothing.

    Raises:
        OptionsError: a limit allows everything, or options contradict each other.
    """
    if problems := list(_problems(options)):
        raise OptionsError(problems)


def _problems(options: Options) -> Iterator[str]:
    """Yield what is wrong."""
    for name in ("maximum_missing", "maximum_stale", "maximum_mismatches", "maximum_late_features"):
        if not 0 <= getattr(options, name) < 1:
            yield f"{name.replace('_', '-')} must be at least 0 and below 1, got {getattr(options, name):g}"
    for feature, value in options.tolerance.values.items():
        if not 0 <= value < 1:
            yield f"tolerance of {feature} must be at least 0 and below 1, got {value:g}"
    yield from feature_words.ttl_problems(options.ttl)
    if not 0 <= options.maximum_lag < 24 * 366 * 100:
        yield f"maximum-lag must be at least 0 and at most a hundred years of hours, got {options.maximum_lag:g}"
    for name, most in (("sample_size", 1_000_000), ("minimum_entities", 1_000_000)):
        if not 1 <= getattr(options, name) <= most:
            yield f"{name.replace('_', '-')} must be from 1 to {most:,}, got {getattr(options, name)}"
    if options.minimum_entities > options.sample_size:
        yield "minimum-entities must not be above sample-size: no sample would decide anything"
    if options.online.startswith(HTTP) is not (options.feature_view is not None):
        yield "feature-view and a Feast feature server as online need each other"
