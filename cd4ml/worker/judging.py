"""A window -> the report that detect-drift would write about its events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from cd4ml.checks.drift.estimate import estimate_check
from cd4ml.checks.drift.labels import Labelled, estimated_accuracy, labels_check, performance_checks
from cd4ml.checks.drift.stream import (
    ANOTHER_MODEL,
    NO_EVENTS,
    demand_checks,
    events_check,
    model_check,
    type_checks,
    unreadable_check,
)
from cd4ml.data.profile.cells import Cells, NumberCells
from cd4ml.data.profile.reference import Profile
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status
from cd4ml.stages.detect_drift.judging import STAGE, judged, reference_digest
from cd4ml.stages.detect_drift.options import Options
from cd4ml.worker.counting import Counted
from cd4ml.worker.demands import Demand
from cd4ml.worker.windows import Arrivals, Outcome

_OTHERS: Final = {
    Outcome.LATE: "late",
    Outcome.DUPLICATE: "that were there already",
    Outcome.FUTURE: "with a time in the future",
    Outcome.NOT_ANSWERED: "of requests that were not answered",
    Outcome.OTHER_TRACK: "of other tracks",
}


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What came of labels.

    Attributes:
        settled: windows whose labels have come or were waited for.
        came: labels since the report before, by what became of them.
        places: of the first of those that could not be understood.
        waiting: predictions without a label.
    """

    settled: Sequence[Labelled]
    came: Mapping[str, int]
    places: Sequence[str]
    waiting: int


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What windows are judged by.

    Attributes:
        options: of detect-drift.
        compared: features that events can have, with what the reference has of them.
        not_compared: names of what the reference has beside them.
        maximum_unreadable, maximum_broken: largest allowed shares.
        positive_label: whose probability the scores are; None if performance is not estimated.
        minimum_accuracy: that the estimate must reach, None if it is only told.
    """

    options: Options
    reference: Profile
    model: ModelIdentity | None
    compared: Mapping[str, Cells]
    not_compared: Sequence[str]
    demands: Sequence[Demand]
    maximum_unreadable: float
    maximum_broken: float
    positive_label: str | None = None
    minimum_accuracy: float | None = None

    def report(
        self,
        counted: Counted,
        arrivals: Arrivals,
        span: tuple[datetime, datetime],
        *,
        places: str,
        left_out: int = 0,
        joined: Joined | None = None,
    ) -> Report:
        """Judge one window.

        Args:
            arrivals: what was read since the window before.
            places: where the events lie, for people.
            joined: what came of labels, None if nobody waits for any.
        """
        late = self._label_checks(joined) if joined else []
        digest = InputDigest(name="current", path=places, sha256=digest_of(counted, span), rows=counted.events)
        first = self._stream_checks(counted, arrivals, span, left_out)
        if all(check.reason not in (NO_EVENTS, ANOTHER_MODEL) for check in first):
            report = judged(
                self.options,
                self.reference,
                counted.cells,
                digest,
                columns=[*self.compared, *self.not_compared],
                before=[*first, *self._payload_checks(counted)],
                after=[*self._estimate_checks(counted), *late],
            )
        else:
            report = self._of_nothing([*first, *late], digest)
        begin, end = (moment.isoformat().replace("+00:00", "Z") for moment in span)
        details = {
            "window": {"begin": begin, "end": end},
            "events": {str(outcome): arrivals.of(outcome) for outcome in Outcome},
            "not_used": arrivals.named,
            "models": dict(counted.models),
        }
        metrics = {**report.metrics, **_estimated(counted), **self._realised(joined)}
        return replace(report, metrics=metrics, details={**report.details, **details}, production=self.model)

    def _stream_checks(
        self, counted: Counted, arrivals: Arrivals, span: tuple[datetime, datetime], left_out: int
    ) -> list[Check]:
        """Return the checks of what was read."""
        words = f"{span[0]:%Y-%m-%d %H:%M:%S} to {span[1]:%H:%M:%S} UTC"
        others = {why: arrivals.of(outcome) for outcome, why in _OTHERS.items()}
        places = arrivals.named.get(Outcome.UNREADABLE, [])
        return [
            events_check(counted.events, span=words, others=others, left_out=left_out),
            unreadable_check(arrivals.of(Outcome.UNREADABLE), arrivals.read, places, self.maximum_unreadable),
            *([model_check(counted.models, self.model.sha256 if self.model else None)] if counted.events else []),
        ]

    def _payload_checks(self, counted: Counted) -> list[Check]:
        """Return the checks of single values."""
        demands = [(demand.id, demand.feature, demand.words) for demand in self.demands]
        return [
            *type_checks(counted.mistyped, list(self.compared), counted.featured, self.maximum_broken),
            *demand_checks(counted.broken, demands, counted.featured, self.maximum_broken),
        ]

    def _estimate_checks(self, counted: Counted) -> list[Check]:
        """Return the check of the performance that the model's own probabilities promise."""
        if self.positive_label is None:
            return []
        return [estimate_check(counted.expected, self.minimum_accuracy, least=self.options.minimum_sample_size)]

    def is_mixed(self, counted: Counted) -> bool:
        """Whether another model than the reference's answered."""
        return model_check(counted.models, self.model.sha256 if self.model else None).reason == ANOTHER_MODEL

    def _label_checks(self, joined: Joined) -> list[Check]:
        """Return the checks of labels and of the performance that they show."""
        return [
            labels_check(joined.came, joined.waiting, joined.places, self.maximum_unreadable),
            *performance_checks(
                joined.settled,
                self.reference.performance,
                maximum_drop=self.options.maximum_performance_drop,
                least=self.options.minimum_sample_size,
                alpha=self.options.alpha,
            ),
        ]

    def _realised(self, joined: Joined | None) -> dict[str, Any]:
        """Return the performance that labels show, beside that of the reference and the estimated one."""
        before = self.reference.performance
        if joined is None or before is None or not joined.settled:
            return {}
        found = []
        for one in joined.settled:
            told: dict[str, Any] = {"window": one.name, "labelled": one.losses.n, "awaited": one.awaited}
            if one.losses.n:
                told |= {"loss": one.losses.mean, "reference_loss": before.losses.mean}
            if one.losses.is_told:
                accuracy, bounds = estimated_accuracy(one.losses)
                told |= {"realised_accuracy": 1 - one.losses.mean, "expected_accuracy": accuracy}
                told |= {"expected_accuracy_lower": bounds.lower, "expected_accuracy_upper": bounds.upper}
            found.append(told)
        return {"realised_performance": found}

    def _of_nothing(self, checks: Sequence[Check], digest: InputDigest) -> Report:
        """Return the report of a window in which nothing can be compared."""
        failed = any(check.status is Status.FAILED for check in checks)
        return Report(
            stage=STAGE,
            checks=checks,
            summary=next(check.message for check in checks if check.status is Status.INCONCLUSIVE),
            metrics={"rows": {"reference": self.reference.rows, "current": digest.rows}, "features": {}},
            outputs={"drift": "true" if failed else "unknown", "retrain": "false", "worst-feature": ""},
            inputs=(reference_digest(self.reference, self.options), digest),
        )


def _estimated(counted: Counted) -> dict[str, Any]:
    """Return the estimated performance, nothing where none was estimated."""
    found = counted.expected
    if not found.n:
        return {}
    bounds = found.accuracy_bounds
    return {
        "estimated_performance": {
            "n": found.n,
            "expected_accuracy": found.accuracy,
            "expected_accuracy_lower": bounds.lower,
            "expected_accuracy_upper": bounds.upper,
            "expected_precision": found.precision,
            "expected_recall": found.recall,
            "expected_f1": found.f1,
        }
    }


def name_of(begin: datetime) -> str:
    """Return the name of a window, by when it began."""
    return f"{begin:%Y-%m-%dT%H:%M:%SZ}"


def digest_of(counted: Counted, span: tuple[datetime, datetime]) -> str:
    """Return the digest of what was counted in a window: which data a report is about."""
    cells: dict[str, Any] = {
        name: one.counts.tolist() if isinstance(one, NumberCells) else sorted(one.counts.items())
        for name, one in counted.cells.items()
    }
    content = [span[0].isoformat(), span[1].isoformat(), counted.events, counted.featured, cells]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
