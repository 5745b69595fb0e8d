"""Decide which variant is better: who was given what comes first, and stops everything if it is not as planned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.experiment.assignment import (
    Assignment,
    after_last_look_check,
    before_first_look_check,
    few_units_check,
    sample_ratio_check,
    too_early_check,
    units_check,
)
from cd4ml.checks.experiment.effects import Effect, choose
from cd4ml.context import Context
from cd4ml.metrics.experiment.assignment import always_valid_ratio_p_value, ratio_p_value
from cd4ml.metrics.experiment.readings import AlwaysValid, Fixed, Looks, Reading
from cd4ml.report import Check, Report, Status, headline
from cd4ml.stages.analyze_experiment.analysis import analyse
from cd4ml.stages.analyze_experiment.options import Options, Plan, ReadingKind, plan
from cd4ml.stages.analyze_experiment.table import Experiment, assignment, read

STAGE: Final = "analyze-experiment"
# Units over those planned up to which the last declared look may come late.
_LATEST: Final = 1.1


def run(options: Options, context: Context) -> Report:
    """Look at the assignment and then, if it is as planned and the time has come, at the metrics.

    Raises:
        OptionsError: options contradict each other, or a column is missing or holds no numbers.
        UnavailableError: a table cannot be read.
    """
    declared = plan(options)
    context.progress(f"Reading {', '.join(options.data)}")
    found = read(options, declared)
    assigned = assignment(found, declared)
    checks, p_value = _assigned(assigned, options, declared)
    metrics: dict[str, Any] = {
        "units": dict(assigned.counts),
        "sample_ratio_p_value": p_value,
        "control": declared.control,
    }
    mismatch = any(check.status is Status.FAILED for check in checks)
    winner = ""
    early = None if mismatch else _too_early(assigned.counts, options)
    if early is not None:
        checks.append(early)
    elif not mismatch:
        context.progress(f"Reading {len(declared.metrics)} metrics of {len(declared.shares)} variants")
        reading = _reading(sum(assigned.counts.values()), options)
        winner = _read(options, declared, found, reading, checks, metrics)
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, winner, declared),
        metrics=metrics,
        outputs={"winner": winner, "mismatch": str(mismatch).lower()},
        inputs=tuple(source.digest(f"data-{place}") for place, source in enumerate(found.sources, 1)),
    )
    return remarked(report, options.csv)


def _assigned(found: Assignment, options: Options, declared: Plan) -> tuple[list[Check], float | None]:
    """Return the checks of the assignment, and the p-value of its ratio."""
    checks, n = [units_check(found)], sum(found.counts.values())
    if not n:
        return checks, None
    counts, shares = list(found.counts.values()), list(declared.shares.values())
    if options.reading is ReadingKind.SEQUENTIAL and options.planned_units:
        p_value = always_valid_ratio_p_value(counts, shares, options.planned_units, options.mismatch_alpha)
    else:
        p_value = ratio_p_value(counts, shares)
    return [*checks, sample_ratio_check(found, declared.shares, p_value, options.mismatch_alpha)], p_value


def _too_early(counts: Mapping[str, int], options: Options) -> Check | None:
    """Return the check of an experiment that is not to be read yet, None if it is."""
    units, planned = sum(counts.values()), options.planned_units or 0
    if options.reading is ReadingKind.FIXED and units < planned:
        return too_early_check(units, planned)
    if options.looks and units * options.looks < planned:
        return before_first_look_check(units, -(-planned // options.looks))
    if options.looks and units > planned * _LATEST:
        return after_last_look_check(units, math.floor(planned * _LATEST))
    if min(counts.values()) < options.minimum_units:
        return few_units_check(counts, options.minimum_units)
    return None


def _reading(units: int, options: Options) -> Reading:
    """Return how the experiment is read now."""
    if options.reading is ReadingKind.FIXED or options.planned_units is None:
        return Fixed()
    if options.looks is None:
        return AlwaysValid(progress=units / options.planned_units, level=options.alpha)
    planned = tuple(look / options.looks for look in range(1, options.looks + 1))
    # A reading between two looks is the last one that was due, again: it spends nothing of its own.
    due = max(1, min(options.looks, units * options.looks // options.planned_units))
    return Looks(fractions=planned[:due], planned=planned, spending=options.spending)


def _read(
    options: Options, declared: Plan, found: Experiment, reading: Reading, checks: list[Check], metrics: dict[str, Any]
) -> str:
    """Read the metrics, add checks and numbers, and return the winner."""
    result = analyse(options, declared, found, reading)
    decides = [name for name in declared.metrics if name not in options.guardrails]
    gains = {
        variant: -effect.difference if effect.lower_is_better else effect.difference
        for (metric, variant), effect in result.effects.items()
        if metric == decides[0]
    }
    choice = choose(result.checks(options, declared), gains)
    # What could not be read of any variant is said once.
    unread = result.unread.get("", [])
    checks += [*unread, *choice.checks]
    metrics |= {
        "reading": reading.method,
        "verdicts": {name: str(verdict) for name, verdict in choice.verdicts.items()},
        "effects": _numbers(result.effects, options),
    }
    return "" if unread else choice.winner


def _numbers(effects: Mapping[tuple[str, str], Effect], options: Options) -> dict[str, dict[str, Any]]:
    """Return the numbers of each effect, by metric and variant."""
    shown: dict[str, dict[str, Any]] = {}
    for (metric, variant), one in effects.items():
        shown.setdefault(metric, {})[variant] = {
            "value": one.value,
            "control": one.control,
            "difference": one.difference,
            "lower": one.interval.lower,
            "upper": one.interval.upper,
            "confidence": one.interval.confidence,
            "p_value": one.p_value,
            "n": one.n,
            "guardrail": options.guardrails.get(metric),
            "variance_reduction": one.reduction,
            "units_needed": one.needed,
            "detectable_effect": one.detectable,
            "lower_is_better": one.lower_is_better,
        }
    return shown


def _summary(checks: Sequence[Check], winner: str, declared: Plan) -> str:
    """Say in a sentence which one is better."""
    if winner:
        decisive = next(check for check in checks if check.rule == "effect")
        return f"{winner} is better than {declared.control}. {decisive.message}"
    return headline(checks)
