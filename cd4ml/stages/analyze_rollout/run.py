"""Look at a canary: is it as good as the stable version, is it worse, or is that not known yet?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cd4ml.checks.rollout.evidence import labels_check, models_checks, paired_check, poisoned_check, untold_check
from cd4ml.checks.rollout.judge import Limits
from cd4ml.checks.rollout.verdict import Verdict, decide
from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.inputs.moments import moment
from cd4ml.metrics.rollout.counting import CANARY, SHADOW, STABLE, Counting, Counts, Wanted
from cd4ml.metrics.rollout.pairs import Pairs
from cd4ml.observe.events.part import Part, Poison, Unreadable
from cd4ml.observe.events.sources import parts
from cd4ml.observe.prometheus import Prometheus
from cd4ml.report import Check, ModelIdentity, Report, Status, headline
from cd4ml.stages.analyze_rollout.labels import read as read_labels
from cd4ml.stages.analyze_rollout.metrics import take
from cd4ml.stages.analyze_rollout.options import Options, check_options, findings, has_events, shadow_alone

STAGE: Final = "analyze-rollout"
TOKEN: Final = "CD4ML_PROMETHEUS_TOKEN"
# Clocks of pods differ; an event from further ahead than this is not believed.
_SKEW: Final = timedelta(minutes=5)


def run(options: Options, context: Context) -> Report:
    """Count what came since the step began, and decide.

    Raises:
        OptionsError: an option is wrong, or a source holds no events.
        UnavailableError: a source is not there or does not answer.
    """
    check_options(options)
    now = datetime.now(UTC)
    wanted = _wanted(options, now)
    events = _Events(options, wanted, context)
    counts = events.counts
    if options.prometheus and wanted.since:
        context.progress("Asking Prometheus for both versions' metrics")
        server = Prometheus(options.prometheus, context.environ.get(TOKEN))
        selectors = {STABLE: options.stable_selector, CANARY: options.canary_selector}
        take(counts, server, selectors, wanted.since, wanted.until or now, all_=not has_events(options))
    verdict = decide(counts, _limits(options))
    checks = [*events.checks(), *_models(options, counts, wanted), *verdict.checks]
    return _report(counts, Verdict(checks=checks, rows=verdict.rows, minutes=verdict.minutes), wanted)


def _models(options: Options, counts: Counts, wanted: Wanted) -> list[Check]:
    """Return the checks of which models answered; metrics do not tell rows of different models apart."""
    if not has_events(options):
        return models_checks(counts.models, wanted.models)
    checks = models_checks(counts.models, wanted.models, limit=options.maximum_poisoned)
    return [*checks, *models_checks(counts.served, wanted.models, name="served-model")]


class _Events:
    """What the events say, counted."""

    def __init__(self, options: Options, wanted: Wanted, context: Context) -> None:
        self.options = options
        self.read = self.poisoned = 0
        self.named: list[Unreadable] = []
        counting = Counting(wanted)
        labels = read_labels(options.labels) if options.labels else None
        role = CANARY if shadow_alone(options) else SHADOW
        pairs = Pairs(role, options.agreement_tolerance) if options.shadow else None
        if has_events(options):
            context.progress("Counting the events of both versions")
        for part in parts([*options.stable, *options.canary, *options.shadow]):
            kept = counting.add(part.events)
            judged = labels.judged(kept) if labels else None
            if judged is not None:
                counting.count("quality", judged)
            if pairs:
                pairs.add(kept, judged)
            self._note(part)
        self.paired = pairs.finish(counting) if pairs and self.read else None
        self.labels = labels
        self.counts = counting.finish()
        if labels and self.counts.layout.predictions is not None:
            raise OptionsError("labels: predicted numbers are not compared with labels; leave labels out")

    def _note(self, part: Part) -> None:
        """Take note of what was read and what could not be."""
        self.named += part.unreadable[: Poison.NAMED - len(self.named)]
        self.poisoned += part.poisoned
        self.read += len(part.events)

    def checks(self) -> list[Check]:
        """Return the checks of what could not be read, paired or told apart."""
        if not has_events(self.options):
            return []
        lines = [f"{one.place} {one.reason}" for one in self.named]
        most, untold = self.options.maximum_poisoned, self.counts.left_out["of no model"]
        checks = [poisoned_check(self.poisoned, self.read, lines, most)]
        checks += [paired_check(self.paired)] if self.paired else []
        checks += [labels_check(self.labels.ambiguous, self.labels.rows, most)] if self.labels else []
        checks += [untold_check(untold, self.read, most)] if untold else []
        return checks


def _wanted(options: Options, now: datetime) -> Wanted:
    """Return which events count."""
    models = {STABLE: options.stable_model, CANARY: options.canary_model}
    canary = options.shadow_track if shadow_alone(options) else options.canary_track
    shadow = {SHADOW: options.shadow_track} if options.shadow and not shadow_alone(options) else {}
    return Wanted(
        tracks={STABLE: options.stable_track, CANARY: canary, **shadow},
        models={role: model for role, model in models.items() if model},
        since=moment("since", options.since, now),
        # Sources are read one after the other: without an end, the last one would reach further than the first.
        until=moment("until", options.until, now) or now,
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
        disagreement=options.maximum_disagreement,
        quality_drop=options.maximum_quality_drop,
        bias=options.maximum_bias,
        false_alarms=options.false_alarms,
    )


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
        candidate=_identity(counts, CANARY, wanted),
        production=_identity(counts, STABLE, wanted),
        details={
            "window": {"since": _text(wanted.since), "first": _text(counts.first), "last": _text(counts.last)},
            "left_out": {why: rows for why, rows in counts.left_out.items() if rows},
            "models": {role: dict(found) for role, found in counts.models.items()},
        },
        outputs={
            "verdict": verdict.word,
            "rows-needed": "" if verdict.rows is None else str(verdict.rows),
            "minutes-needed": "" if verdict.minutes is None else str(verdict.minutes),
        },
    )


def _identity(counts: Counts, role: str, wanted: Wanted) -> ModelIdentity | None:
    """Return which model was judged; None where that is not known, or not one."""
    stated = wanted.models.get(role)
    found = [model for model in counts.models.get(role, {}) if stated in (None, model)]
    identity = counts.identities.get(found[0], {"sha256": found[0]}) if len(found) == 1 else {}
    if not identity.get("sha256"):
        return None
    name, version, sha256 = (identity.get(field) for field in ("name", "version", "sha256"))
    uri = f"models:/{name}/{version}" if name and version else f"sha256:{sha256}"
    return ModelIdentity(uri=uri, sha256=sha256 or "", name=name, version=version)


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
