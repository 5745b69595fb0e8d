"""Performance on delayed labels -> checks, in words that say what follows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.metrics.drift.concept import Increase, Origin
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Bound, Check, Interval, Status, as_set, fixed
from cd4ml.report.ids import check_id

# Fewer effective rows than this, and the weighted mean rests on a handful of them.
SMALLEST_OVERLAP: Final = 100
# Reasons of the check `drift-origin`.
CONCEPT_DRIFT, COVARIATE_SHIFT, NO_OVERLAP = "concept-drift", "covariate-shift", "no-overlap"
ORIGIN_UNKNOWN: Final = "origin-unknown"


@dataclass(frozen=True, kw_only=True)
class ConceptLimits:
    """What the user allows.

    Attributes:
        maximum_increase: of the mean loss over that of the reference, in the units of the loss.
        alpha: chance of any false alarm, over all windows.
    """

    maximum_increase: float
    minimum_rows: int = 100
    alpha: float = 0.05
    loss: str = "error-rate"


def window_checks(windows: Sequence[tuple[str, Increase]], limits: ConceptLimits) -> list[Check]:
    """Decide on the loss in each window of time, against the reference."""
    adjusted = holm([found.p_value for _, found in windows])
    return [_window(name, found, p, limits) for (name, found), p in zip(windows, adjusted, strict=True)]


def alarming(checks: Sequence[Check]) -> list[int]:
    """Return the positions of the windows in which the model got worse."""
    return [position for position, check in enumerate(checks) if check.reason == "performance-dropped"]


def _window(name: str, found: Increase, p_value: float, limits: ConceptLimits) -> Check:
    """Decide on one window."""
    words = (
        f"{name}: {limits.loss} {fixed(found.current, found.reference)} on {found.n_current:,} rows, "
        f"{fixed(abs(found.value), 0.0, limits.maximum_increase)} {'above' if found.value > 0 else 'below'} "
        f"the reference's {fixed(found.reference, found.current)} on {found.n_reference:,} "
        f"(at most {as_set(limits.maximum_increase, found.value)} above). "
        f"95 % interval: {found.bounds.lower:+.4f} to {found.bounds.upper:+.4f}."
    )
    shared: dict[str, Any] = {
        "id": check_id("performance", name),
        "metric": f"{limits.loss}-increase",
        "value": found.value,
        "limit": limits.maximum_increase,
        "bound": Bound.AT_MOST,
        "option": ("maximum-performance-drop",),
        "baseline": found.reference,
        "interval": found.bounds.named(CONFIDENCE, found.method),
        "n": found.n_current,
    }
    if min(found.n_current, found.n_reference) < limits.minimum_rows:
        return Check(
            **shared,
            status=Status.INCONCLUSIVE,
            reason="too-few-rows",
            message=f"{words} That is too few rows to decide.",
            advice=f"At least {limits.minimum_rows:,} labelled rows are needed in each window and in the reference.",
        )
    if found.value > limits.maximum_increase and p_value <= limits.alpha:
        advice = "The check `drift-origin` names the likely cause."
        return Check(**shared, status=Status.FAILED, reason="performance-dropped", message=words, advice=advice)
    return Check(**shared, status=Status.PASSED, message=words)


def origin_check(found: Origin) -> Check:
    """Say in words whether the inputs or their relation to the target changed, and what follows."""
    numbers = (
        f"Of the increase, {found.from_inputs:+.4f} ({found.inputs_bounds.lower:+.4f} to "
        f"{found.inputs_bounds.upper:+.4f}) comes with the inputs, P(X), and {found.from_relation:+.4f} "
        f"({found.relation_bounds.lower:+.4f} to {found.relation_bounds.upper:+.4f}) with the relation of inputs and "
        "target, P(Y|X)."
    )
    reason, looks, advice = _reading(found)
    return Check(
        id="drift-origin",
        status=Status.FAILED,
        reason=reason,
        metric="from-relation",
        value=found.from_relation,
        interval=Interval(
            lower=found.relation_bounds.lower,
            upper=found.relation_bounds.upper,
            confidence=0.95,
            method=found.method,
        ),
        n=None if found.effective_rows is None else round(found.effective_rows),
        message=f"{looks} {numbers}",
        advice=advice,
    )


def _reading(found: Origin) -> tuple[str, str, str]:
    """Return reason, verdict and advice."""
    if found.effective_rows is not None and found.effective_rows < SMALLEST_OVERLAP:
        return (
            NO_OVERLAP,
            f"What changed cannot be determined: only {found.effective_rows:.0f} effective reference rows are like the "
            "current ones.",
            "The model works where it was never tested: retrain on data that cover the current inputs.",
        )
    relation, inputs = found.relation_bounds.lower > 0, found.inputs_bounds.lower > 0
    if relation and found.from_relation >= found.from_inputs:
        return (
            CONCEPT_DRIFT,
            "This looks like concept drift: the same inputs now lead to other outcomes.",
            "Re-examine the target and how labels are made before retraining; old rows teach what no longer holds.",
        )
    if inputs and found.from_inputs > found.from_relation:
        return (
            COVARIATE_SHIFT,
            "This looks like a shift of the inputs: the model meets more of the rows on which it was always weak.",
            "Retrain with recent data, or with the reference weighted towards the current inputs.",
        )
    return (
        "undecided",
        "The model got worse, but the data do not show whether the inputs or the target caused it.",
        "Wait for more labels, or look at the features that drifted.",
    )


def no_drop_check(n: int) -> Check:
    """Return the check for a model that did not get worse: there is nothing to explain."""
    return Check(
        id="drift-origin", status=Status.PASSED, n=n, message="Performance holds, so there is nothing to explain."
    )


def too_few_labels_check(label: str, *, reference: int, current: int, least: int) -> Check:
    """Return the check for labels that have not arrived yet.

    Args:
        label: their column.
        reference, current: rows that have one.
        least: how many are needed.
    """
    return Check(
        id="performance",
        status=Status.INCONCLUSIVE,
        reason="too-few-labels",
        n=current,
        message=f"{current:,} current rows and {reference:,} reference rows have a label in `{label}`: too few.",
        advice=f"Wait until {least} labels have arrived, or remove `label`.",
    )
