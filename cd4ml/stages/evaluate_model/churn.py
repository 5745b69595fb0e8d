"""How many decisions change against production, for evaluate-model: limits, checks and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cd4ml.checks.performance.churn import churn_checks
from cd4ml.metrics.performance.churn import Churn, ShareOfRows, churn
from cd4ml.metrics.performance.metric import Sample, Task
from cd4ml.metrics.performance.slices import Slice
from cd4ml.report import Check
from cd4ml.stages.evaluate_model.options import Options


@dataclass(frozen=True, kw_only=True)
class Churned:
    """The churn of all rows, and of each declared slice."""

    whole: Churn
    parts: Sequence[tuple[Slice, Churn]]


def churn_problems(options: Options) -> Iterable[str]:
    """Yield what keeps churn from being decided on."""
    for name, limit in (("maximum-churn", options.maximum_churn), ("maximum-breaks", options.maximum_breaks)):
        if limit is not None and options.task is Task.REGRESSION:
            yield f"{name} is about decisions: task regression has none; limit a metric's regression instead"
        elif limit is not None and not 0 <= limit < 1:
            yield f"{name} is a share of the test rows, at least 0 and below 1 (0.02 is 2 %); got {limit:g}"


def churned(candidate: Sample, production: Sample | None, cut: Sequence[Slice], options: Options) -> Churned | None:
    """Count the decisions that change; None where there is no production model, or no decision."""
    if production is None or options.task is Task.REGRESSION:
        return None
    parts = [(part, churn(candidate, production, part.rows)) for part in cut]
    return Churned(whole=churn(candidate, production), parts=parts)


def limited(found: Churned | None, options: Options) -> Iterator[Check]:
    """Check the limits on churn."""
    if found is not None:
        parts = [(part.name, one) for part, one in found.parts]
        yield from churn_checks(
            found.whole, parts, maximum_churn=options.maximum_churn, maximum_breaks=options.maximum_breaks
        )


def churn_numbers(found: Churned | None) -> dict[str, Any]:
    """Return the numbers of the report, empty where nothing is compared."""
    if found is None:
        return {}
    slices = [{"slice": dict(part.values), **_numbers(one)} for part, one in found.parts]
    return {"churn": {**_numbers(found.whole), **({"slices": slices} if slices else {})}}


def _numbers(found: Churn) -> dict[str, Any]:
    """Return the rows of each kind with share and interval."""
    kinds = {"changed": found.changed, "fixes": found.fixes, "breaks": found.breaks}
    return {"rows": found.n, **{name: _share(one) for name, one in kinds.items()}}


def _share(found: ShareOfRows) -> dict[str, Any]:
    """Return one kind of rows."""
    return {"rows": found.rows, "share": found.share, "interval": found.interval}
