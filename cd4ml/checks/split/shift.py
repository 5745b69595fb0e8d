"""How the features of training and test rows differ, and categories that only the test has -> checks. Pure.

The numbers are those of the drift engine. Nothing blocks unless a limit is set: a test may well be of another time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.checks.split.listing import listed, named
from cd4ml.data.profile.cells import CategoryCells, Cells
from cd4ml.metrics.drift.feature import FeatureDrift, feature_drift
from cd4ml.metrics.split.classes import share_above, share_interval
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Bound, Check, Interval, Status, as_set, chance, fixed, percent
from cd4ml.report.ids import check_id

# From here on the population stability index speaks of a moderate shift.
_NOTABLE: Final = 0.1
_LEVEL: Final = 0.05
# With more of the rows in categories that are taken together, too little was compared to call it no shift.
_MOST_POOLED: Final = 0.5
INDEX: Final = "population-stability-index"


def shifts(train: Mapping[str, Cells], test: Mapping[str, Cells]) -> list[FeatureDrift]:
    """Return how far each feature with values in both parts has moved, the furthest first.

    Args:
        train, test: counted in the same cells.
    """
    usable = [name for name in train if train[name].n and test[name].n]
    found = [feature_drift(name, train[name], test[name]) for name in usable]
    return sorted(found, key=lambda feature: -feature.corrected_psi)


def shift_checks(features: Sequence[FeatureDrift], not_compared: Sequence[str], limit: float | None) -> Iterator[Check]:
    """Check how far each feature has moved between training and test rows; without a limit, tell it in one check.

    Args:
        not_compared: names of features whose values could not be compared; a limit blocks on them.
        limit: largest population stability index, less what chance explains.
    """
    compared = [one for one in features if one.pooled <= _MOST_POOLED]
    aside = [*not_compared, *(one.name for one in features if one.pooled > _MOST_POOLED)]
    adjusted = holm([(one.index_test or one.test).p_value for one in compared])
    tested = list(zip(compared, adjusted, strict=True))
    if limit is None:
        yield _reported(tested, aside)
        return
    for feature, p_value in tested:
        yield _shift(feature, p_value, limit)
    yield from (_not_compared(name, limit, "shift") for name in aside)
    if not features and not not_compared:
        yield _none_compared(limit, "shift", "feature of numbers or categories")


def _reported(tested: Sequence[tuple[FeatureDrift, float]], aside: Sequence[str]) -> Check:
    """Return the check that tells of the largest shifts and decides nothing."""
    moved = [(one, p) for one, p in tested if one.corrected_psi >= _NOTABLE and p <= _LEVEL]
    told = listed([f"{one.name} (PSI {fixed(one.corrected_psi)})" for one, _ in moved])
    few = f" {len(aside):,} could not be compared: {named(aside)}." if aside else ""
    found = f"{len(moved):,} of {len(tested):,} features are distributed differently in the test rows: {told}"
    return Check(
        id="shift",
        status=Status.PASSED,
        reason="shifted" if moved else None,
        metric=INDEX,
        value=max((one.corrected_psi for one, _ in tested), default=None),
        n=min((one.n_current for one, _ in tested), default=None),
        message=f"{found if moved else f'No shift between training and test rows in {len(tested):,} features'}.{few} "
        "Reported only: no maximum-shift is set.",
    )


def _shift(feature: FeatureDrift, p_value: float, limit: float) -> Check:
    """Decide on one feature: it fails if its shift is beyond the limit and chance does not explain it."""
    value = feature.corrected_psi
    beyond, sure = value > limit, p_value <= _LEVEL
    status = Status.PASSED if not beyond else Status.FAILED if sure else Status.INCONCLUSIVE
    return Check(
        id=check_id("shift", feature.name),
        status=status,
        reason={Status.FAILED: "shifted", Status.INCONCLUSIVE: "too-few-rows"}.get(status),
        metric=INDEX,
        value=value,
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-shift",),
        n=feature.n_current,
        message=f"{feature.name}: PSI {fixed(value, limit)} between training and test rows "
        f"(at most {as_set(limit, value)}; {chance(p_value)}).",
        advice=_SHIFTED.get(status),
    )


_SHIFTED: Final = {
    Status.FAILED: "Draw the test rows from the same population, or allow the shift if the model will meet such rows.",
    Status.INCONCLUSIVE: "Chance may explain it: add test rows, or allow a larger shift.",
}


_METRIC: Final = {"shift": INDEX, "unseen-categories": "unseen-share"}


def _not_compared(name: str, limit: float, rule: str) -> Check:
    """Return the check of a feature that a limit is set for and that nothing is known of."""
    return _open(
        check_id(rule, name),
        limit,
        rule,
        f"{name} was not compared: it has no value in one part, or categories too many or too rare.",
        "Put its values into fewer categories, or leave it out with `exclude`.",
    )


def _none_compared(limit: float, rule: str, what: str) -> Check:
    """Return the check of a limit that is set and that no column can be held to."""
    return _open(
        rule,
        limit,
        rule,
        f"maximum-{rule} could not be applied: no {what} has values in both tables.",
        f"Leave out maximum-{rule} if these tables have no such column; else check how they were written.",
    )


def _open(id: str, limit: float, rule: str, message: str, advice: str) -> Check:
    """Return the check of a limit of which nothing is known: that passes nobody."""
    return Check(
        id=id,
        status=Status.INCONCLUSIVE,
        reason="not-compared",
        metric=_METRIC[rule],
        limit=limit,
        bound=Bound.AT_MOST,
        option=(f"maximum-{rule}",),
        message=message,
        advice=advice,
    )


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Test rows of a feature in categories that training never had.

    Attributes:
        categories: how many those are.
        n: test rows with a category.
    """

    name: str
    rows: int
    n: int
    categories: int


def unseen(train: Mapping[str, Cells], test: Mapping[str, Cells]) -> list[Unseen]:
    """Return each feature of categories that were counted in both parts, that with the largest share first."""
    found = []
    for name, before in train.items():
        now = test[name]
        if not (isinstance(before, CategoryCells) and isinstance(now, CategoryCells)) or not now.n:
            continue
        if before.identifiers or now.identifiers:
            continue
        new = [n for label, n in now.counts.items() if label not in before.counts]
        found.append(Unseen(name=name, rows=sum(new), n=now.n, categories=len(new)))
    return sorted(found, key=lambda one: -one.rows / one.n)


def unseen_checks(found: Sequence[Unseen], not_compared: Sequence[str], limit: float | None) -> Iterator[Check]:
    """Check the share of test rows in categories that training never had; without a limit, tell it in one check.

    A share above the limit blocks where chance does not explain it, all features taken together (Holm); else there are
    too few rows to say.

    Args:
        not_compared: names of features whose categories could not be compared; a limit blocks on them.
    """
    if limit is None:
        if found:
            yield _unseen_reported(found)
        return
    if not found and not not_compared:
        yield _none_compared(limit, "unseen-categories", "column of texts or booleans")
    adjusted = holm([share_above(one.rows, one.n, limit) for one in found])
    yield from (_unseen(one, p_value, limit) for one, p_value in zip(found, adjusted, strict=True))
    yield from (_not_compared(name, limit, "unseen-categories") for name in not_compared)


def _unseen_reported(found: Sequence[Unseen]) -> Check:
    """Return the check that tells of the largest shares and decides nothing."""
    new = [one for one in found if one.rows]
    told = listed([_share(one) for one in new])
    many = f"{len(new):,} of {len(found):,} features have test rows in categories that training never had: {told}"
    none = f"Training has every category that the test has, in {len(found):,} features"
    return Check(
        id="unseen-categories",
        status=Status.PASSED,
        reason="unseen-categories" if new else None,
        metric="unseen-share",
        value=found[0].rows / found[0].n,
        interval=_interval(found[0]),
        n=found[0].n,
        message=f"{many}. Reported only: no maximum-unseen-categories is set." if new else f"{none}.",
    )


def _unseen(one: Unseen, p_value: float, limit: float) -> Check:
    """Decide on one feature."""
    share = one.rows / one.n
    beyond, sure = share > limit, p_value <= _LEVEL
    status = Status.PASSED if not beyond else Status.FAILED if sure else Status.INCONCLUSIVE
    return Check(
        id=check_id("unseen-categories", one.name),
        status=status,
        reason={Status.FAILED: "unseen-categories", Status.INCONCLUSIVE: "too-few-rows"}.get(status),
        metric="unseen-share",
        value=share,
        interval=_interval(one),
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-unseen-categories",),
        n=one.n,
        message=f"{_share(one)} of the test rows in categories that training never had (at most {percent(limit, 2)})."
        + (f" Too few rows to say that it is more ({chance(p_value)})." if status is Status.INCONCLUSIVE else ""),
        advice=_ADVICE.get(status),
    )


_ADVICE: Final = {
    Status.FAILED: "Map the categories to known ones, or train on rows that have them.",
    Status.INCONCLUSIVE: "Add test rows, or allow a larger share.",
}


def _share(one: Unseen) -> str:
    """Return a feature's share with its interval."""
    bounds = share_interval(one.rows, one.n)
    return f"{one.name}: {percent(one.rows / one.n, 2)} ({percent(bounds.lower, 2)} to {percent(bounds.upper, 2)})"


def _interval(one: Unseen) -> Interval:
    """Return the interval of a feature's share."""
    return share_interval(one.rows, one.n).named(CONFIDENCE, "Wilson")
