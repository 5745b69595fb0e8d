"""Look at a canary: is it as good as the stable version, is it worse, or is that not known yet?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cd4ml.checks.rollout.evidence import models_checks, poisoned_check
from cd4ml.checks.rollout.judge import Limits
from cd4ml.checks.rollout.verdict import Verdict, decide
from cd4ml.context import Context
from cd4ml.metrics.rollout.counting import CANARY, STABLE, Counting, Counts, Wanted
from cd4ml.observe.events.part import Unreadable
from cd4ml.observe.events.sources import parts
from cd4ml.report import Check, Report, Status, headline
from cd4ml.stages.analyze_rollout.options import Options, check_options, findings
from cd4ml.stages.analyze_rollout.window import moment

STAGE: Final = "analyze-rollout"
# Clocks of pods differ; an event from further ahead than this is not believed.
_SKEW: Final = timedelta(minutes=5)


def run(options: Options, context: Context) -> Report:
    """Count the events since the step began, and decide.

    Raises:
        OptionsError: an option is wrong, or a source holds no events.
        UnavailableError: a source is not there or does not answer.
    """
    check_options(options)
    now = datetime.now(UTC)
    wanted = _wanted(options, now)
    context.progress("Counting the events of both versions")
    counting, poisoned, events = Counting(wanted), 0, 0
    named: list[Unreadable] = []
    for part in parts([*options.stable, *options.canary]):
        counting.add(part.events)
        named += part.unreadable[: 5 - len(named)]
        poisoned += part.poisoned
        events += len(part.events)
    counts = counting.finish()
    verdict = decide(counts, _limits(options))
    checks = [*_evidence(counts, wanted, named, poisoned, events, options), *verdict.checks]
    return _report(counts, Verdict(checks=checks, rows=verdict.rows, minutes=verdict.minutes), wanted)


def _wanted(options: Options, now: datetime) -> Wanted:
    """Return which events count."""
    models = {STABLE: options.stable_model, CANARY: options.canary_model}
    return Wanted(
        tracks={STABLE: options.stable_track, CANARY: options.canary_track},
        models={role: model for role, model in models.items() if model},
        since=moment("since", options.since, now),
        until=moment("until", options.until, now),
        now=now + _SKEW,
        features=options.bias_features,
        exclude=options.exclude,
    )


def _limits(options: Options) -> Limits:
    """Return the limits that the options set."""
    return Limits(
        findings=findings(options),
        error_increase=options.maximum_error_increase,
        error_rate=options.maximum_error_rate,
        latency_increase=options.maximum_latency_increase,
        latency_quantile=options.latency_quantile,
        prediction_change=options.maximum_prediction_change,
        unseen_predictions=options.maximum_unseen_predictions,
        bias=options.maximum_bias,
        false_alarms=options.false_alarms,
    )


def _evidence(
    counts: Counts, wanted: Wanted, named: Sequence[Unreadable], poisoned: int, events: int, options: Options
) -> list[Check]:
    """Return the checks of what the verdict rests on."""
    lines = [f"{one.place} {one.reason}" for one in named]
    return [
        poisoned_check(poisoned, events, lines, options.maximum_poisoned),
        *models_checks(counts.models, wanted.models),
    ]


def _report(counts: Counts, verdict: Verdict, wanted: Wanted) -> Report:
    """Return the report."""
    return Report(
        stage=STAGE,
        checks=verdict.checks,
        summary=_summary(counts, verdict),
        metrics={
            "requests": {role: counts.rows("requests", role) for role in wanted.tracks},
            "predictions": {role: counts.rows("prediction", role) for role in wanted.tracks},
        },
        details={
            "window": {"first": _text(counts.first), "last": _text(counts.last)},
            "left_out": {why: rows for why, rows in counts.left_out.items() if rows},
            "models": {role: dict(found) for role, found in counts.models.items()},
        },
        outputs={
            "verdict": verdict.word,
            "rows-needed": "" if verdict.rows is None else str(verdict.rows),
            "minutes-needed": "" if verdict.minutes is None else str(verdict.minutes),
        },
    )


def _summary(counts: Counts, verdict: Verdict) -> str:
    """Say in a few sentences what was found."""
    requests = counts.rows("requests", CANARY)
    if verdict.word == "go-on":
        return f"The step may go on: after {requests:,} requests the canary is within every limit."
    text = headline(verdict.checks)
    if verdict.word == "roll-back":
        return f"Roll back. {text}"
    waits = [check for check in verdict.checks if check.status is Status.INCONCLUSIVE]
    more = f" About {verdict.rows:,} more rows are needed ({verdict.minutes:,} minutes)." if verdict.rows else ""
    return f"Wait: {len(waits)} {'finding is' if len(waits) == 1 else 'findings are'} not decided. {text}{more}"


def _text(moment: datetime | None) -> str | None:
    """Return a time as reports have it."""
    return None if moment is None else moment.isoformat()
