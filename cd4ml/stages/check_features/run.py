"""Decide whether models are served the features that they are trained on: training-serving skew, entity by entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.features.shares import late_features_check, scaled, share_check
from cd4ml.context import Context
from cd4ml.data.features.offline import Offline, microseconds, opened
from cd4ml.data.tables.moments import are_times, moments
from cd4ml.errors import OptionsError
from cd4ml.metrics.features.parity import Parity, Scalar, compared
from cd4ml.metrics.features.scale import Scale, scale_of
from cd4ml.report import Check, Report, headline
from cd4ml.report.ids import check_id
from cd4ml.serving.features.held import Held, Lack
from cd4ml.stages.check_features.online import held
from cd4ml.stages.check_features.options import Options, check_options
from cd4ml.stages.check_features.sample import Event, Sample, drawn, events
from cd4ml.wording import nearest

STAGE: Final = "check-features"
Known = Callable[[Sequence[Event]], Mapping[Event, Sequence[Scalar]]]
# Clocks of two machines differ by less; the gateway refuses what is later.
_AHEAD: Final = timedelta(minutes=1)


@dataclass(kw_only=True)
class Feature:
    """What was found of a feature.

    Attributes:
        counts: entities by how their two values compare.
        pairs: of numbers that differ, offline and online.
    """

    counts: Counter[Parity] = field(default_factory=Counter)
    pairs: list[tuple[float, float]] = field(default_factory=list)

    @cached_property
    def scale(self) -> Scale | None:
        """The unit that explains the difference; asked for once all pairs are there."""
        return scale_of([one for one, _ in self.pairs], [other for _, other in self.pairs])


@dataclass(kw_only=True)
class Found:
    """What was found of entities.

    Attributes:
        online: entities with a readable moment, the microseconds of which are theirs.
        missing, unusable, unmatched: numbers of entities: not there; not readable or of the future; of an event that
            the offline table does not have.
    """

    online: dict[int | str, int] = field(default_factory=dict)
    missing: int = 0
    unusable: int = 0
    unmatched: int = 0
    features: dict[str, Feature] = field(default_factory=dict)


def run(options: Options, context: Context) -> Report:
    """Compare sampled entities in both stores, and look at every row for features that are later than its label.

    Raises:
        OptionsError: options contradict each other, or the offline table is not one of features.
        UnavailableError: a table or the store cannot be read.
    """
    check_options(options)
    context.progress(f"Reading {options.offline}")
    leave = [options.label_time] if options.label_time else []
    table = opened(
        options.offline,
        entity=options.entity,
        timestamp=options.timestamp,
        features=options.features,
        leave=leave,
        reading=options.reading,
    )
    _refuse_unknown(options, table)
    late = _late(table, options)
    now = datetime.now(UTC)
    since = None if options.ttl is None else now - timedelta(hours=options.ttl)
    sample = drawn(table, now, since, options.sample_size, options.sample_seed)
    context.progress(f"Comparing {len(sample.values):,} of {sample.of:,} entities")
    answers = held(sample.values, table.features, options, context.environ)
    checks, found = judge(sample, answers, table.features, partial(events, table), options, datetime.now(UTC))
    checks = [*late, *checks]
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=headline(checks) or f"{len(sample.values):,} entities have the same features offline and online.",
        metrics=_numbers(found, sample),
        details={"sample": {"seed": options.sample_seed, "entities": len(sample.values), "sha256": sample.sha256}},
        inputs=(table.source.digest("offline"),),
        seed=options.sample_seed,
    )
    return remarked(report, options.reading)


def judge(
    sample: Sample, answers: Sequence[Held], features: Sequence[str], known: Known, options: Options, now: datetime
) -> tuple[list[Check], Found]:
    """Decide on what both stores have of entities.

    Args:
        answers: what the online store holds of each of the sample.
        known: returns the features of those events that the offline table has.
    """
    found = _found(sample, answers, features, known, options, now)
    return [*_of_entities(found, sample, options, now), *_of_features(found, options)], found


def _refuse_unknown(options: Options, table: Offline) -> None:
    """Refuse what names a column that there is not.

    Raises:
        OptionsError: an option does.
    """
    problems = [
        f"tolerance: `{name}` is not compared{nearest(name, table.features)}"
        for name in options.tolerance.own
        if name not in table.features
    ]
    label = options.label_time
    if label is not None and label not in table.source.schema:
        problems.append(f"label-time: {table.source.name} has no column `{label}`{nearest(label, table.source.schema)}")
    elif label is not None and not are_times([table.source.schema[label]]):
        problems.append(f"label-time: `{label}` must hold times, not {table.source.schema[label]}")
    if problems:
        raise OptionsError(problems)


def _late(table: Offline, options: Options) -> Iterator[Check]:
    """Yield the check of features that are later than their labels; of labels without a time nothing is known."""
    label = options.label_time
    if label is None or not table.source.rows:
        return
    schema = table.source.schema
    moment, of_label = moments(options.timestamp, schema[options.timestamp]), moments(label, schema[label])
    late = table.source.lazy().select((~(moment <= of_label).fill_null(False)).sum().alias("late"))
    count = late.collect(engine="streaming").item()
    yield late_features_check(
        count, table.source.rows, timestamp=options.timestamp, label=label, limit=options.maximum_late_features
    )


def _found(
    sample: Sample, answers: Sequence[Held], features: Sequence[str], known: Known, options: Options, now: datetime
) -> Found:
    """Compare what both stores have of entities."""
    found = Found(features={name: Feature() for name in features})
    both = dict(zip(sample.values, answers, strict=True))
    for entity, values in both.items():
        given = [one for one in values.values() if one.lack is not Lack.MISSING]
        stamps = {one.moment for one in given}
        if not given:
            found.missing += 1
        elif None in stamps or max(one for one in stamps if one) - now > _AHEAD or len(stamps) > 1:
            found.unusable += 1
        else:
            found.online[entity] = microseconds(next(one for one in stamps if one))
    expected = known(list(found.online.items()))
    for event in found.online.items():
        if event in expected:
            _compare(both[event[0]], dict(zip(features, expected[event], strict=True)), found, options)
        else:
            found.unmatched += 1
    return found


def _compare(online: Held, offline: Mapping[str, Scalar], found: Found, options: Options) -> None:
    """Compare the features of one event; a feature that is not there has no value."""
    for name, expected in offline.items():
        served = online[name].value if name in online else None
        parity = compared(expected, served, options.tolerance.of(name) or 0.0)
        found.features[name].counts[parity] += 1
        if parity is Parity.VALUE and isinstance(expected, int | float) and isinstance(served, int | float):
            found.features[name].pairs.append((float(expected), float(served)))


def _of_entities(found: Found, sample: Sample, options: Options, now: datetime) -> Iterator[Check]:
    """Yield the checks of entities as a whole."""
    n, least, there = len(sample.values), options.minimum_entities, len(found.online)
    yield share_check(
        "missing",
        found.missing,
        n,
        limit=options.maximum_missing,
        minimum=least,
        option="maximum-missing",
        reason="not-online",
        told=f"{found.missing:,} of {n:,} entities are not in the online store",
        advice="Materialize them; check that both stores name entities in the same way (17 is not the text 17).",
    )
    yield share_check(
        "readable",
        found.unusable,
        n,
        limit=0.0,
        minimum=least,
        option="online",
        reason="unreadable",
        told=f"{found.unusable:,} of {n:,} entities cannot be read online, or hold a moment in the future",
        advice="Find out who writes them: the gateway refuses them.",
    )
    moment = microseconds(now)
    behind = {one: sample.latest[one] - at for one, at in found.online.items()}
    old = sum(options.ttl is not None and moment - at > options.ttl * 3.6e9 for at in found.online.values())
    for id_, count, reason, told in (
        ("stale", old, "older-than-ttl", f"are older than {options.ttl:g} hours" if options.ttl else ""),
        (
            "lag",
            sum(one > options.maximum_lag * 3.6e9 for one in behind.values()),
            "behind-offline",
            f"are more than {options.maximum_lag:g} hours behind the offline table",
        ),
    ):
        if told:
            yield share_check(
                id_,
                count,
                there,
                limit=options.maximum_stale,
                minimum=least,
                option="maximum-stale",
                reason=reason,
                told=f"The online features of {count:,} of {there:,} entities {told}",
                advice="Find out when they were materialized last.",
            )
    yield share_check(
        "events",
        found.unmatched,
        there,
        limit=options.maximum_mismatches,
        minimum=least,
        option="maximum-mismatches",
        reason="unknown-event",
        told=f"{found.unmatched:,} of {there:,} entities have an event online that the offline table does not have",
        advice="Training would not see these values: write them to the offline table too, or find out who wrote them.",
    )


def _of_features(found: Found, options: Options) -> Iterator[Check]:
    """Yield the checks of single features."""
    for name, feature in found.features.items():
        n, types = feature.counts.total(), feature.counts[Parity.TYPE]
        differ = feature.counts[Parity.VALUE] + feature.counts[Parity.GAP]
        gaps = f", {feature.counts[Parity.GAP]:,} of them missing in one store" if feature.counts[Parity.GAP] else ""
        scale = feature.scale
        limit, least = options.maximum_mismatches, options.minimum_entities
        yield share_check(
            check_id("type", name),
            types,
            n,
            limit=limit,
            minimum=least,
            option="maximum-mismatches",
            reason="another-type",
            told=f"`{name}` is of another type online in {types:,} of {n:,} entities",
            advice="Write the type that the offline table has: a number is not the text of its digits.",
        )
        yield share_check(
            check_id("parity", name),
            differ,
            n,
            limit=limit,
            minimum=least,
            option="maximum-mismatches",
            reason="values-differ" if scale is None else "another-unit",
            told=scaled(f"`{name}` differs in {differ:,} of {n:,} entities{gaps}", scale),
            advice="Compute the feature once, for both stores." if scale is None else "Write it in the same unit.",
        )


def _numbers(found: Found, sample: Sample) -> dict[str, Any]:
    """Return what the report says in numbers."""
    entities = {"sampled": len(sample.values), "of": sample.of, "missing": found.missing, "unusable": found.unusable}
    features = {}
    for name, feature in found.features.items():
        scale = feature.scale
        features[name] = {str(parity): feature.counts[parity] for parity in Parity} | {
            "scale": None if scale is None else {"factor": scale.factor, "offset": scale.offset, "share": scale.share}
        }
    return {"entities": entities | {"unmatched": found.unmatched}, "features": features}
