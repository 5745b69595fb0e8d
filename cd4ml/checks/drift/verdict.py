"""Counted values of a reference and of current data, and limits -> what drifted. Pure.

Whoever has counts can ask: a stage that has read tables, or a process that has counted events.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cd4ml.checks.drift.concept import CONCEPT_DRIFT, COVARIATE_SHIFT, NO_OVERLAP, ORIGIN_UNKNOWN
from cd4ml.checks.drift.effects import MODERATE, SIGNIFICANT, Limits, severity
from cd4ml.checks.drift.features import UNSEEN, drift_checks, identifiers, unusable_check, worst_feature
from cd4ml.checks.drift.stream import DEMAND, OTHER_TYPE
from cd4ml.data.profile.cells import Cells
from cd4ml.metrics.drift.feature import FeatureDrift, feature_drift
from cd4ml.report import Check, Status


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is decided on drift.

    Attributes:
        features: those with values in both samples, worst first.
        identifiers: of these, columns that name rows, whose values are not compared.
        checks: of features without a usable value, then of all others.
    """

    features: Sequence[FeatureDrift]
    identifiers: Sequence[str]
    checks: Sequence[Check]
    limits: Limits

    def beside(self, *, before: Sequence[Check] = (), after: Sequence[Check] = ()) -> Verdict:
        """Return the verdict with further checks of the same data, such as those of performance."""
        return replace(self, checks=[*before, *self.checks, *after])

    @property
    def drifted(self) -> bool | None:
        """Whether anything drifted; None if nothing is known to have, and something was not decided."""
        if self._reasons & {MODERATE, SIGNIFICANT} or any(check.status is Status.FAILED for check in self.checks):
            return True
        decided = all(check.status in (Status.PASSED, Status.FAILED) for check in self.checks)
        return False if decided else None

    @property
    def retrain(self) -> bool:
        """Whether what was found calls for retraining: not where old rows teach what no longer holds, and not on
        values that whoever produces them must fix."""
        found = self._reasons
        calls = {MODERATE, SIGNIFICANT, UNSEEN, COVARIATE_SHIFT, NO_OVERLAP}
        return bool(found & calls) and not found & {CONCEPT_DRIFT, ORIGIN_UNKNOWN, OTHER_TYPE, DEMAND}

    @property
    def worst_feature(self) -> str:
        """The feature that drifted most by the verdict of its checks, empty if none drifted."""
        return worst_feature(self.features, self.checks, self.limits)

    @property
    def _reasons(self) -> set[str | None]:
        """The reasons of all checks."""
        return {check.reason for check in self.checks}


def decide(
    reference: Mapping[str, Cells],
    current: Mapping[str, Cells],
    limits: Limits,
    *,
    bins: int = 10,
    named: Collection[str] = (),
) -> Verdict:
    """Decide on the drift of every current feature.

    Args:
        reference: by feature, as a profile holds it (`Profile.features`).
        current: by feature, counted in the same cells; features that only the reference has are not looked at.
        bins: quantile bins of the index of numbers.
        named: features that are wanted, identifiers or not.

    Raises:
        KeyError: the reference does not have a feature.
        ValueError: a feature is counted as numbers in one sample and as categories in the other.
    """
    features: list[FeatureDrift] = []
    checks: list[Check] = []
    for name, cells in current.items():
        unusable = _nothing_usable(name, reference[name], cells)
        if unusable:
            checks.append(unusable)
        else:
            features.append(feature_drift(name, reference[name], cells, bins=bins))
    features.sort(key=lambda feature: severity(feature, limits), reverse=True)
    checks += drift_checks(features, limits, named=named)
    return Verdict(features=features, identifiers=identifiers(features, limits, named), checks=checks, limits=limits)


def _nothing_usable(name: str, reference: Cells, current: Cells) -> Check | None:
    """Return the check for a feature without a usable value in one of the samples."""
    for sample, cells in (("reference", reference), ("current", current)):
        if not cells.n:
            return unusable_check(name, sample, cells.missing, cells.infinite)
    return None
