"""How large a drift is, in the bands that the user set: the index of any feature, the distance of numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cd4ml.metrics.drift.feature import FeatureDrift
from cd4ml.report import Bound

MODERATE, SIGNIFICANT = "moderate-drift", "significant-drift"
INDEX: Final = "population-stability-index"
DISTANCE: Final = "kolmogorov-smirnov-distance"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the user allows.

    Attributes:
        moderate, significant: bands of the population stability index.
        moderate_distance, significant_distance: bands of the Kolmogorov-Smirnov distance of numbers.
        maximum_missing_change: largest change in the share of rows without a usable value.
        maximum_unseen: largest share of rows in categories that the reference does not have.
        alpha: chance of any false alarm, over all features.
        correction: `holm` or `benjamini-hochberg`.
        fail_on_moderate: whether moderate drift blocks.
        show_values: whether messages may name categories.
        own: limits of features that have their own.
    """

    moderate: float = 0.10
    significant: float = 0.25
    moderate_distance: float = 0.08
    significant_distance: float = 0.20
    maximum_missing_change: float = 0.05
    maximum_unseen: float = 0.01
    minimum_rows: int = 100
    alpha: float = 0.05
    correction: str = "holm"
    fail_on_moderate: bool = False
    show_values: bool = False
    own: Mapping[str, Limits] = field(default_factory=dict)

    def of(self, feature: str) -> Limits:
        """Return the limits of a feature."""
        return self.own.get(feature, self)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One measure of a feature's drift with its bands; the index is significant above its limit, the distance at it."""

    metric: str
    value: float
    moderate: float
    significant: float

    @property
    def bound(self) -> Bound:
        """On which side of the significant band's limit a value is not significant."""
        return Bound.AT_MOST if self.metric == INDEX else Bound.BELOW

    def option(self, *, moderate: bool) -> str:
        """Return the option that sets the limit of a band."""
        return ("moderate" if moderate else "significant") + ("" if self.metric == INDEX else "-distance")

    @property
    def band(self) -> str | None:
        """The band that the value reaches."""
        beyond = self.value > self.significant if self.bound is Bound.AT_MOST else self.value >= self.significant
        return SIGNIFICANT if beyond else MODERATE if self.value >= self.moderate else None

    @property
    def severity(self) -> float:
        """How far the value reaches on the scale of its bands: 1 is where the significant one begins."""
        return self.value / self.significant


def effects(feature: FeatureDrift, limits: Limits) -> list[Effect]:
    """Return the measures of a feature's drift: the index less its bias and, of numbers, the distance."""
    limits = limits.of(feature.name)
    found = [
        Effect(
            metric=INDEX,
            value=feature.corrected_psi,
            moderate=limits.moderate,
            significant=limits.significant,
        )
    ]
    if feature.ks:
        distance = Effect(
            metric=DISTANCE,
            value=feature.ks.statistic,
            moderate=limits.moderate_distance,
            significant=limits.significant_distance,
        )
        found.append(distance)
    return found


def worst_band(found: Iterable[Effect]) -> str | None:
    """Return the worst band that any of several effects reaches."""
    bands = {effect.band for effect in found}
    return next((one for one in (SIGNIFICANT, MODERATE) if one in bands), None)


def band(feature: FeatureDrift, limits: Limits) -> str | None:
    """Return the band of a feature's effect, `moderate-drift`, `significant-drift` or None, whatever its tests say."""
    return worst_band(effects(feature, limits))


def severity(feature: FeatureDrift, limits: Limits) -> float:
    """Return how far a feature's effects reach on the scale of their bands."""
    return max(effect.severity for effect in effects(feature, limits))
