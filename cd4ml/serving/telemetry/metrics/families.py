"""Every metric of the gateway, declared once: `/metrics` and the documentation say what stands here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Prometheus' types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A metric.

    Attributes:
        help: a sentence.
        buckets: upper bounds of a histogram; the last is +Inf and stands not here.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def slots(self) -> int:
        """How many numbers one series has: a histogram's buckets, each for itself, and then its sum."""
        return {Kind.HISTOGRAM: len(self.buckets) + 2, Kind.SUMMARY: 2}.get(self.kind, 1)


_SECONDS: Final = (50e-6, 1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_SCORES: Final = tuple(round(0.05 * step, 2) for step in range(1, 21))
_BITS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0, 3.0, 4.0)

REQUESTS: Final = Family(
    name="cd4ml_requests_total",
    kind=Kind.COUNTER,
    labels=("protocol", "status", "code"),
    help="Requests for predictions that were answered, by HTTP status and the code of a refusal (empty for none).",
)
DURATION: Final = Family(
    name="cd4ml_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("protocol",),
    buckets=_SECONDS,
    help="Time from a request's head until its answer was handed to the server.",
)
BATCH: Final = Family(
    name="cd4ml_request_rows",
    kind=Kind.HISTOGRAM,
    labels=("protocol",),
    buckets=_ROWS,
    help="Rows of the requests that were answered with predictions.",
)
BYTES: Final = Family(
    name="cd4ml_request_body_bytes_total",
    kind=Kind.COUNTER,
    labels=("protocol",),
    help="Bytes of requests' bodies.",
)
IN_FLIGHT: Final = Family(
    name="cd4ml_requests_in_flight", kind=Kind.GAUGE, help="Requests for predictions that are being answered."
)
WAITING: Final = Family(
    name="cd4ml_requests_waiting", kind=Kind.GAUGE, help="Of these, requests that wait for a thread or a place."
)
CACHED_ROWS: Final = Family(
    name="cd4ml_cached_rows_total", kind=Kind.COUNTER, help="Rows that were answered from the cache."
)
CACHE: Final = Family(
    name="cd4ml_cache_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="What came of using the cache: hit, miss, shared, unanswered, written, and reasons for which it was not used.",
)
FEATURES: Final = Family(
    name="cd4ml_features_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Features that the online store was asked for: found, missing, stale, unusable; and requests for them that it "
    "did not answer: unanswered, bypassed.",
)
FETCHING: Final = Family(
    name="cd4ml_feature_lookup_seconds",
    kind=Kind.HISTOGRAM,
    buckets=_SECONDS,
    help="Time that a request waited for its features, answered or not.",
)
EVENTS: Final = Family(
    name="cd4ml_events_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Prediction events by what became of them: written, or dropped and why.",
)
LOG_LINES: Final = Family(
    name="cd4ml_log_lines_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Lines of the log by what became of them: written, or dropped because whoever reads them is too slow.",
)
SPANS: Final = Family(
    name="cd4ml_spans_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Spans by what became of them: exported, or dropped.",
)
PREDICTIONS: Final = Family(
    name="cd4ml_predictions_total",
    kind=Kind.COUNTER,
    labels=("class",),
    help="Predictions of a classifier, by class.",
)
VALUE: Final = Family(
    name="cd4ml_prediction_value",
    kind=Kind.SUMMARY,
    help="Predictions of a model that predicts numbers: their count and sum.",
)
SCORE: Final = Family(
    name="cd4ml_prediction_score",
    kind=Kind.HISTOGRAM,
    buckets=_SCORES,
    help="Scores of predictions, which are the probability of the positive class.",
)
ENTROPY: Final = Family(
    name="cd4ml_prediction_entropy",
    kind=Kind.HISTOGRAM,
    buckets=_BITS,
    help="Entropy of the predicted probabilities, in bits: 0 is certain, 1 a toss of a coin.",
)
MISSING: Final = Family(
    name="cd4ml_missing_values_total",
    kind=Kind.COUNTER,
    labels=("feature",),
    help="Rows in which the feature is missing; those that the model refused count too.",
)
OUT_OF_RANGE: Final = Family(
    name="cd4ml_out_of_range_values_total",
    kind=Kind.COUNTER,
    labels=("feature",),
    help="Rows in which the feature is outside the range, or none of the categories, that `RANGES_FILE` says.",
)
READY: Final = Family(
    name="cd4ml_model_ready",
    kind=Kind.GAUGE,
    help="Whether every worker is ready for predictions, as `/health/readiness` says: 1 or 0.",
)
MODEL: Final = Family(
    name="cd4ml_model_info",
    kind=Kind.GAUGE,
    labels=("name", "version", "sha256", "runtime"),
    help="The model that is served; always 1.",
)
WORKERS: Final = Family(name="cd4ml_workers", kind=Kind.GAUGE, help="Worker processes that run.")
RESTARTS: Final = Family(
    name="cd4ml_worker_restarts_total",
    kind=Kind.COUNTER,
    labels=("reason",),
    help="Workers that replaced one that had ended, by what ended it: a signal (`SIGKILL` where memory ran out), "
    "`exit-<code>`, or `silent` for one that did nothing any more and was killed.",
)

FAMILIES: Final = (
    REQUESTS,
    DURATION,
    BATCH,
    BYTES,
    IN_FLIGHT,
    WAITING,
    CACHED_ROWS,
    CACHE,
    FEATURES,
    FETCHING,
    EVENTS,
    LOG_LINES,
    SPANS,
    PREDICTIONS,
    VALUE,
    SCORE,
    ENTROPY,
    MISSING,
    OUT_OF_RANGE,
    READY,
    MODEL,
    WORKERS,
    RESTARTS,
)
BY_NAME: Final = {family.name: family for family in FAMILIES}
