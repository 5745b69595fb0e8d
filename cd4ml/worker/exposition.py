"""What the worker knows, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cd4ml.observe.exposition import Family, Labelled, written
from cd4ml.report import Report, Status
from cd4ml.worker.awaiting import Came
from cd4ml.worker.state import State
from cd4ml.worker.windows import Outcome

EVENTS: Final = Family(name="cd4ml_monitor_events_total", kind="counter", help="Events by what became of them.")
WINDOWS: Final = Family(
    name="cd4ml_monitor_windows_total", kind="counter", help="Windows by the status of their reports."
)
LAST_EVENT: Final = Family(
    name="cd4ml_monitor_last_event_timestamp_seconds", kind="gauge", help="Time of the newest event that was read."
)
LAST_WINDOW: Final = Family(
    name="cd4ml_monitor_last_window_timestamp_seconds", kind="gauge", help="End of the newest window that was judged."
)
STATUS: Final = Family(
    name="cd4ml_monitor_status", kind="gauge", help="1 for the status of the newest window's report, 0 for the others."
)
DRIFT: Final = Family(
    name="cd4ml_monitor_drift",
    kind="gauge",
    help="Whether the newest window drifted, 1 or 0; absent where no verdict was reached.",
)
OPEN: Final = Family(
    name="cd4ml_monitor_open_window_events", kind="gauge", help="Events counted in windows that are still open."
)
UP: Final = Family(name="cd4ml_monitor_source_up", kind="gauge", help="Whether a source of events could be read.")
PSI: Final = Family(
    name="cd4ml_monitor_feature_population_stability_index",
    kind="gauge",
    help="PSI of a feature in the newest window, its bias removed.",
)
KS: Final = Family(
    name="cd4ml_monitor_feature_kolmogorov_smirnov_distance",
    kind="gauge",
    help="Distance of a feature of numbers in the newest window.",
)
MISSING: Final = Family(
    name="cd4ml_monitor_feature_missing_ratio",
    kind="gauge",
    help="Share of the newest window's rows without a usable value.",
)
UNSEEN: Final = Family(
    name="cd4ml_monitor_feature_unseen_ratio",
    kind="gauge",
    help="Share of the newest window's rows in categories that the reference does not have.",
)
FAILED: Final = Family(
    name="cd4ml_monitor_failed_checks", kind="gauge", help="Checks of the newest window that failed, by their rule."
)
ESTIMATE: Final = Family(
    name="cd4ml_monitor_estimated_accuracy",
    kind="gauge",
    help="Accuracy of the newest window by the model's own probabilities, and the bounds around it.",
)
LABELS: Final = Family(name="cd4ml_monitor_labels_total", kind="counter", help="Labels by what became of them.")
WAITING: Final = Family(
    name="cd4ml_monitor_awaited_labels", kind="gauge", help="Predictions that wait for their labels."
)
LOSS: Final = Family(
    name="cd4ml_monitor_loss",
    kind="gauge",
    help="Mean loss (error rate, or absolute error) of the newest window whose labels are there, of the reference, and "
    "as the model's own probabilities let expect.",
)
_OF_FEATURES: Final = {PSI.name: PSI, KS.name: KS, MISSING.name: MISSING, UNSEEN.name: UNSEEN}


def numbers_of(report: Report) -> dict[str, dict[str, float]]:
    """Return what is shown of a report, by metric and feature or rule."""
    found: dict[str, dict[str, float]] = {}
    for name, numbers in report.metrics.get("features", {}).items():
        found.setdefault(PSI.name, {})[name] = numbers["corrected_psi"]
        found.setdefault(MISSING.name, {})[name] = numbers["missing_current"]
        if numbers["ks"]:
            found.setdefault(KS.name, {})[name] = numbers["ks"]["statistic"]
        else:
            found.setdefault(UNSEEN.name, {})[name] = numbers["unseen"]
    if estimated := report.metrics.get("estimated_performance"):
        found[ESTIMATE.name] = {
            "value": estimated["expected_accuracy"],
            "lower": estimated["expected_accuracy_lower"],
            "upper": estimated["expected_accuracy_upper"],
        }
    for one in report.metrics.get("realised_performance", [])[-1:]:
        loss = {"window": one.get("loss"), "reference": one.get("reference_loss")}
        if "expected_accuracy" in one:
            loss["estimate"] = 1 - one["expected_accuracy"]
        found[LOSS.name] = {of: value for of, value in loss.items() if value is not None}
    for check in report.checks:
        if check.status is Status.FAILED:
            failed = found.setdefault(FAILED.name, {})
            failed[check.rule] = failed.get(check.rule, 0) + 1
    return found


def text(state: State, sources: Sequence[str], away: Mapping[str, str]) -> str:
    """Return all metrics in Prometheus' text format."""
    return written(_samples(state, sources, away))


def _samples(state: State, sources: Sequence[str], away: Mapping[str, str]) -> Iterator[tuple[Family, list[Labelled]]]:
    """Yield each metric with its samples."""
    windows = state.windows
    yield EVENTS, [({"outcome": outcome}, windows.totals.of(outcome)) for outcome in Outcome]
    yield WINDOWS, [({"status": status}, state.statuses[status]) for status in Status if status is not Status.SKIPPED]
    yield OPEN, [({}, sum(counted.events for counted in windows.open.values()))]
    yield UP, [({"source": name}, int(name not in away)) for name in sources]
    if windows.newest:
        yield LAST_EVENT, [({}, windows.newest)]
    if state.verdicts:
        newest = state.verdicts[0]
        yield LAST_WINDOW, [({}, newest.end)]
        yield STATUS, [({"status": one}, int(one == newest.status)) for one in Status if one is not Status.SKIPPED]
        if newest.drifted is not None:
            yield DRIFT, [({}, int(newest.drifted))]
    for name, family in _OF_FEATURES.items():
        if name in state.numbers:
            yield family, [({"feature": feature}, value) for feature, value in state.numbers[name].items()]
    if ESTIMATE.name in state.numbers:
        yield ESTIMATE, [({"bound": bound}, value) for bound, value in state.numbers[ESTIMATE.name].items()]
    if windows.awaiting:
        yield LABELS, [({"outcome": came}, windows.awaiting.totals[came]) for came in Came]
        yield WAITING, [({}, windows.awaiting.waiting)]
    if LOSS.name in state.numbers:
        yield LOSS, [({"of": of}, value) for of, value in state.numbers[LOSS.name].items()]
    yield FAILED, [({"rule": rule}, value) for rule, value in state.numbers.get(FAILED.name, {}).items()]
