"""What analyze-rollout can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.inputs import options as declaration
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.wording import nearest

EXAMPLE: Final = "--stable events.jsonl --since 90m"
OUTPUTS: Final[dict[str, str]] = {
    "verdict": "`go-on` if the step may go on, `roll-back` if the canary is worse than a limit, `wait` if neither is "
    "known yet.",
    "rows-needed": "Rows of the canary that are still needed, as far as that is known, else empty.",
    "minutes-needed": "Minutes that these take at the present rate, else empty.",
}


class Finding(StrEnum):
    """What is judged."""

    ERRORS = "errors"
    LATENCY = "latency"
    PREDICTIONS = "predictions"
    BIAS = "bias"
    AGREEMENT = "agreement"
    QUALITY = "quality"


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of analyze-rollout."""

    stable: tuple[str, ...] = option(
        "Prediction events: files of JSON lines or Parquet, folders of them, `redis://HOST:PORT/STREAM`, "
        "`kafka://HOST:PORT/TOPIC`. Each event says its track, so that one source may hold both.",
        example="events.jsonl",
        group=Group.INPUT,
    )
    canary: tuple[str, ...] = option("Prediction events of the canary, if they lie elsewhere.", group=Group.INPUT)
    shadow: tuple[str, ...] = option(
        "Prediction events of shadow copies: each is paired with the stable answer to the same row of the same trace. "
        "Without `canary` the shadow is judged as a canary is, too.",
        example="shadow.jsonl",
        group=Group.INPUT,
    )
    labels: str | None = vocabulary.LABELS.here("A table.")
    prometheus: str | None = vocabulary.PROMETHEUS.here(
        "Errors and latency are judged by them, and predictions where there are no events. A token for it stands in "
        "CD4ML_PROMETHEUS_TOKEN."
    )
    stable_selector: str = option(
        "Labels of the stable version's series in Prometheus.", default='track="stable"', group=Group.INPUT
    )
    canary_selector: str = option(
        "Labels of the canary's series in Prometheus.", default='track="canary"', group=Group.INPUT
    )
    judge: tuple[str, ...] = option(
        "What is judged (default: errors, latency, predictions; of events bias; agreement where there is a shadow, "
        "quality where there are labels). What is named here and cannot be judged is inconclusive.",
        example="errors, latency",
        group=Group.DECISION,
    )
    since: str | None = vocabulary.SINCE.here("The step began then; earlier events do not count.")
    until: str | None = option("End of the window, written as `since` (default: now).", group=Group.INPUT)
    stable_track: str = option("Track of the stable version's events.", default="stable", group=Group.INPUT)
    canary_track: str = option(
        "Track of the canary's events. If both versions have one track, their models tell them apart.",
        default="canary",
        group=Group.INPUT,
    )
    shadow_track: str = option("Track of the shadow's events.", default="shadow", group=Group.INPUT)
    stable_model: str | None = option(
        "Digest (SHA-256) or `name/version` of the stable model; events of others are refused.", group=Group.MODEL
    )
    canary_model: str | None = option(
        "Digest (SHA-256) or `name/version` of the canary's model; events of others are refused.", group=Group.MODEL
    )
    maximum_error_increase: float = option(
        "By how much the canary's share of failed (5xx) and of refused (4xx) requests may lie above the stable one's.",
        default=0.01,
        group=Group.LIMITS,
    )
    maximum_error_rate: float | None = option(
        "Largest allowed share of the canary's requests that fail (5xx), whatever the stable version does.",
        example="0.05",
        group=Group.LIMITS,
    )
    maximum_latency_increase: float = option(
        "By what share the canary's latency may lie above the stable one's.", default=0.2, group=Group.LIMITS
    )
    latency_quantile: float = option("Quantile of latency that is compared.", default=0.95, group=Group.DECISION)
    maximum_prediction_change: float = option(
        "Largest allowed change of a class's share; for scores, their entropy and predicted numbers, of the share "
        "below any value (Kolmogorov-Smirnov).",
        default=0.1,
        group=Group.LIMITS,
    )
    maximum_unseen_predictions: float = option(
        "Largest allowed share of the canary's predictions in classes that the stable version never gives.",
        default=0.01,
        group=Group.LIMITS,
    )
    maximum_disagreement: float = option(
        "Largest allowed share of shadow predictions that differ from the stable ones for the same rows.",
        default=0.05,
        group=Group.LIMITS,
    )
    agreement_tolerance: float = option(
        "By how much predicted numbers may differ and still agree.", default=0.0, group=Group.LIMITS
    )
    maximum_quality_drop: float = option(
        "By how much the share of wrong predictions may lie above the stable version's, where labels have come.",
        default=0.02,
        group=Group.LIMITS,
    )
    maximum_bias: float = option(
        "How much the canary's users may differ from the stable version's, in the share of any cohort or category, and "
        "in the share below any value of a feature. Beyond it the canary tells nothing on all users: inconclusive.",
        default=0.1,
        group=Group.LIMITS,
    )
    bias_features: tuple[str, ...] = option(
        "Features by which users are compared (default: all numbers and categories).",
        example="age, country",
        group=Group.INPUT,
    )
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here()
    maximum_poisoned: float = option(
        "Largest allowed share of events that cannot be read.", default=0.01, group=Group.LIMITS
    )
    false_alarms: float = option(
        "Chance that a step is ever called failed though the canary is within every limit, over all looks; and, for "
        "each finding, that it is ever passed though it is not.",
        default=0.05,
        group=Group.DECISION,
    )


def check_options(options: Options) -> None:
    """Refuse limits that decide nothing, and options that contradict each other."""
    problems = [
        f"judge: unknown finding `{name}`{nearest(name, Finding)}"
        for name in options.judge
        if name not in list(Finding)
    ]
    if not (options.stable or options.prometheus):
        problems.append("stable or prometheus is required: events of both versions, or a server with their metrics")
    if options.prometheus and not options.since:
        problems.append("prometheus needs since: when the step began")
    if options.labels and not has_events(options):
        problems.append("labels need prediction events: set stable")
    problems += [
        f"judge: {finding} needs {source}"
        for finding, source in ((Finding.AGREEMENT, "shadow"), (Finding.QUALITY, "labels"))
        if finding in options.judge and not getattr(options, source)
    ]
    problems += [
        f"{name.replace('_', '-')} must be at least 0 and below 1, got {getattr(options, name):g}"
        for name in (
            "maximum_error_increase",
            "maximum_prediction_change",
            "maximum_unseen_predictions",
            "maximum_disagreement",
            "maximum_quality_drop",
            "maximum_bias",
            "maximum_poisoned",
        )
        if not 0 <= getattr(options, name) < 1
    ]
    if options.maximum_error_rate is not None and not 0 <= options.maximum_error_rate < 1:
        problems.append(f"maximum-error-rate must be at least 0 and below 1, got {options.maximum_error_rate:g}")
    problems += [
        f"{name.replace('_', '-')} must be at least 0, got {getattr(options, name):g}"
        for name in ("maximum_latency_increase", "agreement_tolerance")
        if not getattr(options, name) >= 0
    ]
    problems += [
        f"{name.replace('_', '-')} must be above 0 and below 1, got {getattr(options, name):g}"
        for name in ("latency_quantile", "false_alarms")
        if not 0 < getattr(options, name) < 1
    ]
    if options.stable_track == options.canary_track and not (options.stable_model and options.canary_model):
        problems.append("stable-track and canary-track are one: state stable-model and canary-model to tell them apart")
    if options.stable_track == options.canary_track and options.stable_model == options.canary_model:
        problems.append("stable and canary are one track and one model: nothing tells them apart")
    if problems:
        raise OptionsError(problems)


def findings(options: Options) -> tuple[Finding, ...]:
    """Return what is judged."""
    if options.judge:
        return tuple(Finding(name) for name in dict.fromkeys(options.judge))
    # Metrics know nothing of users.
    bias = (Finding.BIAS,) if has_events(options) else ()
    shadow = (Finding.AGREEMENT,) if options.shadow else ()
    labels = (Finding.QUALITY,) if options.labels else ()
    return (Finding.ERRORS, Finding.LATENCY, Finding.PREDICTIONS, *bias, *shadow, *labels)


def has_events(options: Options) -> bool:
    """Whether there is a source of events."""
    return bool(options.stable or options.canary or options.shadow)


def shadow_alone(options: Options) -> bool:
    """Whether the shadow is judged in the place of a canary."""
    return bool(options.shadow and not options.canary)
