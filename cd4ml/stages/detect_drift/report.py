"""What detect-drift's report says beside its checks: outputs, numbers and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from cd4ml.checks.drift.effects import Limits, band
from cd4ml.checks.drift.features import is_compared
from cd4ml.data.profile.cells import Cells
from cd4ml.metrics.drift.distribution import distribution
from cd4ml.metrics.drift.feature import FeatureDrift
from cd4ml.report import Check, Status, headline
from cd4ml.stages.detect_drift.options import Options

# Distributions are for people, who look at the features that changed most.
_MOST_DISTRIBUTIONS: Final = 50


def drift_word(drifted: bool | None) -> str:
    """Return whether anything drifted, in a word: what was not decided is not called stable."""
    return "unknown" if drifted is None else str(drifted).lower()


def with_reason(name: str, identifiers: Sequence[str]) -> str:
    """Return the name of a column that was not compared, with the reason where it is not the user's."""
    return f"{name} (an identifier)" if name in identifiers else name


def numbers_of(feature: FeatureDrift, limits: Limits) -> dict[str, Any]:
    """Return a feature's numbers for the report."""
    numbers = asdict(feature)
    del numbers["name"], numbers["unseen_categories"]
    reached = (band(feature, limits) or "stable") if is_compared(feature, limits) else None
    return {**numbers, "corrected_psi": feature.corrected_psi, "band": reached}


def distributions_of(
    features: Sequence[FeatureDrift], reference: Mapping[str, Cells], current: Mapping[str, Cells], options: Options
) -> dict[str, Any]:
    """Return how the values of the features that changed most are spread in the reference and now."""
    return {
        feature.name: asdict(
            distribution(
                reference[feature.name],
                current[feature.name],
                bins=options.psi_bins,
                values=options.include_values,
            )
        )
        for feature in features[:_MOST_DISTRIBUTIONS]
    }


def summary_of(checks: Sequence[Check], compared: int, left_out: list[str], options: Options) -> str:
    """Say in a few sentences what was found; first of all, that it was a sample."""
    first = f"{checks[0].message} " if options.sample_every > 1 else ""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    moderate = [check for check in checks if check.reason == "moderate-drift" and check.status is Status.PASSED]
    if blocking:
        text = headline(checks)
    elif moderate:
        text = f"{moderate[0].message}" + (f" And {len(moderate) - 1} more." if len(moderate) > 1 else "")
    else:
        text = f"None of {compared} features drifted."
    aside = f" Not compared: {', '.join(left_out[:10])}{' …' if len(left_out) > 10 else ''}." if left_out else ""
    return f"{first}{text}{aside}"
