"""Whether the verdict on decisions survives another cut-off of the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cd4ml.checks.fairness.audit import Part
from cd4ml.checks.fairness.sweep import SweptPart, describe_sweep, sweep, threshold_check
from cd4ml.context import Context
from cd4ml.data.predictions.batch_counts import Wanted
from cd4ml.data.predictions.score_counts import count_scores, cut_off
from cd4ml.data.tables.table import Table
from cd4ml.metrics.fairness.rates import group_names
from cd4ml.metrics.fairness.threshold_sweep import cut_offs, groups_by_cut_off
from cd4ml.report import Check
from cd4ml.stages.audit_fairness.options import Options, ThresholdSweep

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What was found of all features that decide."""

    checks: Sequence[Check] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)


def swept(
    table: Table, wanted: Wanted, options: Options, context: Context, parts_of: Callable[[pd.DataFrame], Sequence[Part]]
) -> Swept:
    """Decide at other cut-offs, if the options ask for it.

    Args:
        parts_of: the parts of an audit, from counts.

    Raises:
        OptionsError: the table has no scores, or decisions that no one cut-off makes.
    """
    if options.threshold_sweep is ThresholdSweep.OFF:
        return Swept()
    context.progress("Deciding at other thresholds")
    present = cut_off(table, options.columns, options.positive_label)
    thresholds = cut_offs(present.value, options.threshold_margin)
    cuts = thresholds[::-1] if present.falling else thresholds
    counts = count_scores(table, wanted, cuts, falling=present.falling)
    found = sweep(
        [_swept_part(part, len(cuts), present.falling) for part in parts_of(counts) if part.gates],
        thresholds,
        options.reference_method,
        present=present.value,
        margin=options.threshold_margin,
    )
    gates = options.threshold_sweep is ThresholdSweep.GATE
    return Swept(
        checks=[threshold_check(one) for one in found] if gates else (),
        metrics={one.part.name: {**describe_sweep(one), "gates": gates} for one in found},
    )


def _swept_part(part: Part, cuts: int, falling: bool) -> SweptPart:
    """Return the groups of a part at each threshold, the lowest first."""
    groups = groups_by_cut_off(part.counts, group_names(part.counts, part.features), cuts)
    return SweptPart(
        name=part.name, groups=groups[::-1] if falling else groups, limits=part.limits, reference=part.reference
    )
