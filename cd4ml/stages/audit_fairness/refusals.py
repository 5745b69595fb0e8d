"""What audit-fairness refuses of its options: what would decide nothing."""

from __future__ import annotations

from collections.abc import Iterable

from cd4ml.checks.fairness.differences import ERROR_DIFFERENCES
from cd4ml.errors import OptionsError
from cd4ml.inputs.options import OTHERS
from cd4ml.metrics.performance.metric import Task
from cd4ml.stages.audit_fairness.options import MAXIMA, OF_DECISIONS, Options, ThresholdSweep, differences, limit_on
from cd4ml.wording import nearest


def check_options(options: Options) -> None:
    """Refuse limits that decide nothing."""
    ranges = (
        *((f"minimum-ratio{of}", ratio, 0 < ratio <= 1, "above 0 and at most 1") for of, ratio in _ratios(options)),
        ("maximum-excluded", options.maximum_excluded, 0 <= options.maximum_excluded < 1, "at least 0 and below 1"),
        ("threshold-margin", options.threshold_margin, 0 < options.threshold_margin < 1, "above 0 and below 1"),
        ("minimum-group-size", options.minimum_group_size, options.minimum_group_size >= 1, "at least 1"),
    )
    problems = [f"{name} must be {words}, got {value:g}" for name, value, kept, words in ranges if not kept]
    features = options.sensitive_features
    problems += [f"sensitive-features: {name} is named twice" for name in set(features) if features.count(name) > 1]
    problems += [
        *_limits_of_unknown(options),
        *_not_audited(options),
        *_of_other_task(options),
        *_useless_limits(options),
        *_without_test_data(options),
    ]
    if problems:
        raise OptionsError(problems)


def _ratios(options: Options) -> Iterable[tuple[str, float]]:
    """Yield each minimum ratio, with the words that say of which feature it is."""
    for name, ratio in options.minimum_ratio.values.items():
        yield "" if name == OTHERS else f" of {name}", ratio


def _limits_of_unknown(options: Options) -> Iterable[str]:
    """Yield limits that are of no audited feature."""
    known = options.sensitive_features
    maxima = {f"maximum-{name}": limit_on(options, name) for name in MAXIMA}
    for option_name, limit in {"minimum-ratio": options.minimum_ratio, **maxima}.items():
        for name in limit.own if limit else ():
            if name not in known:
                yield (
                    f"{option_name}: `{name}` is not audited{nearest(name, known)}; sensitive-features names "
                    f"{', '.join(known)}"
                )
    if options.minimum_ratio.own and options.task is Task.REGRESSION:
        yield "minimum-ratio is for decisions; task is regression"


def _not_audited(options: Options) -> Iterable[str]:
    """Yield what options say about features that are not audited."""
    excluded = []
    for item in options.exclude_groups:
        feature, separator, group = item.partition("=")
        if separator and group:
            excluded.append(feature)
        else:
            yield f"exclude-groups: expected feature=group, got {item!r}"
    named = {"bins": options.bins, "reference-groups": options.reference_groups, "exclude-groups": excluded}
    known = ", ".join(options.sensitive_features)
    for option_name, names in named.items():
        for name in names:
            if name not in options.sensitive_features:
                yield (
                    f"{option_name}: `{name}` is not audited: add it to sensitive-features, which names {known}, "
                    "or leave it out"
                )


def _without_test_data(options: Options) -> Iterable[str]:
    """Yield what is said about test data that are not named."""
    if options.test_data is None:
        for name, given in {"maximum-proxy": options.maximum_proxy, "exclude": options.exclude}.items():
            if given:
                yield f"{name} is about the features in test-data, which is not set"


def _useless_limits(options: Options) -> Iterable[str]:
    """Yield limits that no value can break, or none can keep."""
    for name in MAXIMA:
        limit = limit_on(options, name)
        for feature, value in limit.values.items() if limit else ():
            which = f"maximum-{name}" + ("" if feature == OTHERS else f" of {feature}")
            if value < 0:
                yield f"{which} must not be negative, got {value:g}"
            elif value >= 1 and name not in ERROR_DIFFERENCES:
                yield f"{which} must be below 1, got {value:g}: no value could exceed it"
    for item in options.exclude_groups:
        feature, _, group = item.partition("=")
        if options.reference_groups.get(feature) == group:
            yield f"reference-groups: {item} is excluded by exclude-groups"


def _of_other_task(options: Options) -> Iterable[str]:
    """Yield what options say about another task than the one that is audited."""
    regression = options.task is Task.REGRESSION
    if options.task in (Task.MULTICLASS, Task.MULTILABEL):
        yield (
            f"task: {options.task} cannot be audited; set task: binary (the favourable decision against all others) or "
            "task: regression for audit-fairness"
        )
    others = OF_DECISIONS if regression else ERROR_DIFFERENCES
    for name in others:
        if limit_on(options, name) is not None:
            yield f"maximum-{name} is set, but task is {options.task}: nothing would be decided on it"
    without = [name for name in options.sensitive_features if not differences(options, (name,))]
    if regression and without:
        yield (
            f"task: regression needs a limit on {', '.join(without)}: maximum-mean-error-difference or "
            "maximum-absolute-error-difference"
        )
    if regression and options.threshold_sweep is not ThresholdSweep.OFF:
        yield "threshold-sweep is for decisions; task is regression"
    if regression and (options.reference_groups or options.positive_label):
        yield "reference-groups and positive-label are for decisions; task is regression"
