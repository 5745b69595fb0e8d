"""What was counted of current data -> the report of detect-drift: for tables that the stage reads, and for events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cd4ml.checks.drift.effects import Limits
from cd4ml.checks.drift.verdict import decide
from cd4ml.data.profile.cells import Cells
from cd4ml.data.profile.reference import Profile
from cd4ml.errors import OptionsError
from cd4ml.report import Check, InputDigest, Report
from cd4ml.stages.detect_drift.options import OnModerate, Options, feature_limits
from cd4ml.stages.detect_drift.report import distributions_of, drift_word, numbers_of, summary_of, with_reason
from cd4ml.wording import nearest

STAGE: Final = "detect-drift"


def judged(
    options: Options,
    reference: Profile,
    counted: Mapping[str, Cells],
    digest: InputDigest,
    *,
    columns: Iterable[str],
    before: Sequence[Check] = (),
    after: Sequence[Check] = (),
) -> Report:
    """Decide on what was counted.

    Args:
        counted: current values by feature, in the cells of the reference.
        digest: of the current data, with their rows.
        columns: all that either side has; those that were not compared are named.
        before, after: checks beside those of the distributions.
    """
    limits = limits_of(options, counted)
    verdict = decide(reference.features, counted, limits, bins=options.psi_bins, named=options.features)
    verdict = verdict.beside(before=before, after=after)
    compared, aside = verdict.features, verdict.identifiers
    left_out = [name for name in dict.fromkeys(columns) if name not in counted or name in aside]
    return Report(
        stage=STAGE,
        checks=verdict.checks,
        summary=summary_of(
            verdict.checks, len(compared) - len(aside), [with_reason(name, aside) for name in left_out], options
        ),
        metrics={
            "rows": {"reference": reference.rows, "current": digest.rows},
            "features": {feature.name: numbers_of(feature, limits) for feature in compared},
        },
        details={
            "not_compared": left_out,
            "identifiers": aside,
            "reference_schema_sha256": reference.schema_sha256,
            "correction": str(options.correction),
            "distributions": distributions_of(
                [feature for feature in compared if feature.name not in aside], reference.features, counted, options
            ),
        },
        outputs={
            "drift": drift_word(verdict.drifted),
            "retrain": str(verdict.retrain).lower(),
            "worst-feature": verdict.worst_feature,
        },
        inputs=(reference_digest(reference, options), digest),
    )


def reference_digest(reference: Profile, options: Options) -> InputDigest:
    """Return the digest of the reference's data, which a profile knows as well."""
    return InputDigest(name="reference", path=options.reference, sha256=reference.data_sha256, rows=reference.rows)


def limits_of(options: Options, compared: Collection[str]) -> Limits:
    """Return the limits that the options set; refuse those of features that are not compared."""
    limits = {name.replace("-", "_"): limit for name, limit in feature_limits(options).items()}
    own = list(dict.fromkeys(feature for limit in limits.values() for feature in limit.own))
    problems = [
        f"{name.replace('_', '-')}: `{feature}` is not compared{nearest(feature, compared)}"
        for name, limit in limits.items()
        for feature in limit.own
        if feature not in compared
    ]
    if problems:
        raise OptionsError(problems)
    of_all: dict[str, Any] = {name: limit.others for name, limit in limits.items()}
    every = Limits(
        **of_all,
        minimum_rows=options.minimum_sample_size,
        alpha=options.alpha,
        correction=str(options.correction),
        fail_on_moderate=options.on_moderate is OnModerate.FAIL,
        show_values=options.include_values,
    )
    of_own: dict[str, dict[str, Any]] = {
        feature: {name: limit.of(feature) for name, limit in limits.items()} for feature in own
    }
    return replace(every, own={feature: replace(every, **values) for feature, values in of_own.items()})
