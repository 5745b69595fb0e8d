"""Features of the test data that give a sensitive feature away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cd4ml.checks.fairness.proxies import describe_proxies, proxy_check, strong_proxies
from cd4ml.context import Context
from cd4ml.data.predictions.crosstabs import Crosstab, crosstabs
from cd4ml.data.predictions.table import is_standard
from cd4ml.data.tables.opening import open_table
from cd4ml.metrics.fairness.proxies import STRONG, Proxy, proxies
from cd4ml.report import Check, InputDigest
from cd4ml.stages.audit_fairness.options import Options, maximum


@dataclass(frozen=True, kw_only=True)
class GivenAway:
    """What was found of all sensitive features.

    Attributes:
        strong: features that are shown to tell much, of attributes without a limit.
    """

    checks: Sequence[Check]
    metrics: dict[str, Any]
    strong: Sequence[Proxy]
    inputs: Sequence[InputDigest]


def given_away(options: Options, context: Context) -> GivenAway:
    """Compare every feature of the test data, if there are any, with every sensitive one.

    Raises:
        OptionsError, UnavailableError: the table cannot be read, or lacks a sensitive feature.
    """
    if options.test_data is None:
        return GivenAway(checks=(), metrics={}, strong=(), inputs=())
    context.progress(f"Looking in {options.test_data} for features that give a group away")
    table = open_table(options.test_data, hashed=True, reading=options.reading)
    source = table.source()
    standard = [name for name in source.schema if is_standard(name)]
    names = options.sensitive_features
    counted = crosstabs(source, names, options.bins, left_out=[*options.exclude, *standard])
    kept = [_kept(one, options) for one in counted.tables]
    limits = {name: maximum(options, "proxy", (name,)) for name in names}
    of_all = {name: STRONG if limit is None else limit for name, limit in limits.items()}
    found = proxies(kept, of_all, minimum_group_size=options.minimum_group_size)
    found = [replace(one, unmeasured={**counted.unread, **one.unmeasured}) for one in found]
    return GivenAway(
        checks=[proxy_check(one, options.decision) for one in found if limits[one.attribute] is not None],
        metrics={one.attribute: {**describe_proxies(one), "gates": limits[one.attribute] is not None} for one in found},
        strong=strong_proxies([one for one in found if limits[one.attribute] is None]),
        inputs=(table.digest("test-data", counted.rows),),
    )


def _kept(table: Crosstab, options: Options) -> Crosstab:
    """Return a table without the groups that the user excludes by name."""
    pairs = [item.partition("=") for item in options.exclude_groups]
    excluded = {group for name, _, group in pairs if name == table.attribute}
    places = [place for place, group in enumerate(table.groups) if group not in excluded]
    return replace(table, groups=[table.groups[place] for place in places], counts=table.counts[:, places])
