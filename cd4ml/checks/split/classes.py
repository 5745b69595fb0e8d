"""Rows of each class in training and test rows, and limits -> checks. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.checks.split.family import ALPHA
from cd4ml.checks.split.listing import listed
from cd4ml.metrics.split.classes import ClassShare, left_out_by_chance, share_interval
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Bound, Check, Interval, Status, as_set, chance, fixed, percent
from cd4ml.report.ids import check_id

_MINIMUM: Final = ("minimum-class-rows",)
_NEWCOMBE: Final = "Newcombe"
_WILSON: Final = "Wilson"


def class_rows_checks(shares: Sequence[ClassShare], limit: int | None, floor: int) -> Iterator[Check]:
    """Check that each class of the training rows has enough test rows for a test of its metrics.

    Args:
        shares: of every class of either part.
        limit: test rows of a class below which nothing is decided; None if the rows are only reported.
        floor: test rows of a class from which evaluate-model tests it.
    """
    known = [one for one in shares if one.train]
    few = [one for one in known if limit is not None and one.test < limit]
    yield from (_too_few(one, sum(share.test for share in shares), limit or 0) for one in few)
    if few:
        return
    rarest = min(known, key=lambda one: one.test)
    rare = limit is None and rarest.test < floor
    note = f": below {floor:,}, evaluate-model tests no loss in recall, precision or AUC" if rare else ""
    yield Check(
        id="class-rows",
        status=Status.PASSED,
        reason="too-few-rows" if rare else None,
        metric="class-rows",
        value=rarest.test,
        limit=limit,
        bound=None if limit is None else Bound.AT_LEAST,
        option=None if limit is None else _MINIMUM,
        n=sum(one.test for one in shares),
        message=f"The rarest class, {rarest.name}, has {rarest.test:,} test rows{note}.",
    )


def _too_few(one: ClassShare, n: int, limit: int) -> Check:
    """Return the check of a class of too few test rows, with how many would do."""
    from cd4ml.checks.performance.comparison import Support, rows_advice  # heavy, and hardly ever needed

    needed = Support(n=n, smaller_class=one.test, minimum_rows=0, class_floor=limit)
    return Check(
        id=check_id("class-rows", one.name),
        status=Status.INCONCLUSIVE,
        reason="too-few-rows",
        metric="class-rows",
        value=one.test,
        limit=limit,
        bound=Bound.AT_LEAST,
        option=_MINIMUM,
        n=n,
        message=f"Class {one.name} has {one.test:,} test rows (at least {limit:,}): too few to know its recall, "
        "precision or AUC.",
        advice=rows_advice(needed, Rule(decision=Decision.NOT_SIGNIFICANTLY_WORSE)),
    )


def class_balance_checks(
    shares: Sequence[ClassShare], limit: float | None, *, by_time: bool = False
) -> Iterator[Check]:
    """Check that training had every class of the test, then how far the shares lie apart.

    Args:
        limit: largest difference between the shares of a class; None if they are only reported.
        by_time: whether the test is what came last, and not drawn at random.
    """
    yield from _unseen_checks(shares, by_time=by_time)
    apart = max(shares, key=lambda one: abs(one.difference))
    told = listed([_told(one, shares) for one in sorted(shares, key=lambda one: -one.train)])
    size = abs(apart.difference)
    beyond = limit is not None and size > limit
    shown = limit is not None and max(apart.interval.lower, -apart.interval.upper) > limit
    status = Status.FAILED if shown else Status.INCONCLUSIVE if beyond else Status.PASSED
    unsure = " Chance may explain it." if beyond and not shown else ""
    allowed = "" if limit is None else f" (at most {as_set(limit, size)})"
    yield Check(
        id="class-balance",
        status=status,
        reason="class-balance-changed" if shown else "too-few-rows" if beyond else None,
        metric="class-share-difference",
        value=size,
        interval=_interval(apart),
        limit=limit,
        bound=None if limit is None else Bound.AT_MOST,
        option=None if limit is None else ("maximum-class-difference",),
        n=sum(one.test for one in shares),
        message=f"Shares of classes, training then test: {told}. Largest difference {fixed(size, limit or 0.0)}"
        f"{allowed}.{unsure}",
        advice=_ADVICE[status],
    )


_ADVICE: Final = {
    Status.FAILED: "Draw the test rows from the same population as the training rows, or weight the metrics.",
    Status.INCONCLUSIVE: "Add test rows, or allow a larger difference.",
    Status.PASSED: None,
}


def _told(one: ClassShare, shares: Sequence[ClassShare]) -> str:
    """Return a class's shares of both parts."""
    train, test = (sum(getattr(share, part) for share in shares) for part in ("train", "test"))
    return f"{one.name} {percent(one.train / train)}, {percent(one.test / test)}"


def _interval(one: ClassShare) -> Interval:
    """Return the interval of how far a class's shares lie apart, whichever is greater."""
    ends = (one.interval.lower, one.interval.upper)
    lower, upper = ends if one.difference >= 0 else (-ends[1], -ends[0])
    return Interval(lower=lower, upper=upper, confidence=one.confidence, method=_NEWCOMBE)


def _unseen_checks(shares: Sequence[ClassShare], *, by_time: bool) -> Iterator[Check]:
    """Yield a check for each class of the test that training never had.

    It fails unless it is so rare that chance alone leaves it out of the training rows, all classes taken together: then
    it is inconclusive. A class that is spelt otherwise in the training rows fails, and so does a class of a later time:
    its rows were not drawn at random.
    """
    train, test = (sum(getattr(share, part) for share in shares) for part in ("train", "test"))
    spellings = {_carelessly(one.name): one.name for one in reversed(shares) if one.train}
    for one in shares:
        if one.train:
            continue
        spelt = spellings.get(_carelessly(one.name))
        p_value = min(1.0, len(shares) * left_out_by_chance(one.test, train, test))
        by_chance = p_value > ALPHA and spelt is None and not by_time
        yield _unseen(one, test, spelt, p_value if by_chance else None)


def _unseen(one: ClassShare, n: int, spelt: str | None, p_value: float | None) -> Check:
    """Return the check of a class without training rows.

    Args:
        spelt: as the training rows spell it, if they do otherwise.
        p_value: the chance that leaves it out of them, if that explains it.
    """
    rows = f"{one.test:,} test row{'' if one.test == 1 else 's'}"
    if spelt is not None:
        why = f"the training rows spell it {spelt}, with other capitals, spaces or characters."
    elif p_value is not None:
        why = f"no model can predict it. So few rows may all be in the test by chance ({chance(p_value)})."
    else:
        why = "no model can predict it."
    return Check(
        id=check_id("unseen-class", one.name),
        status=Status.FAILED if p_value is None else Status.INCONCLUSIVE,
        reason="unseen-class" if p_value is None else "too-few-rows",
        metric="class-share",
        value=one.test / n,
        interval=share_interval(one.test, n).named(CONFIDENCE, _WILSON),
        limit=0.0,
        bound=Bound.AT_MOST,
        n=n,
        message=f"Class {one.name} has {rows} and no training row: {why}",
        advice=_UNSEEN_ADVICE if spelt is None else "Write the class as the training rows do.",
    )


_UNSEEN_ADVICE: Final = (
    "Add training rows of the class, write it as the training rows do, or take its rows out of the test and say that "
    "the model does not know it."
)


def _carelessly(label: str) -> str:
    """Return a label without its case, its way to encode characters and all but one of the spaces between words."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def no_classes_checks(target: str, why: str, rows: int | None, difference: float | None) -> Iterator[Check]:
    """Yield an error for each limit of classes that is set for a target without any.

    Args:
        why: why it has none.
        rows, difference: the limits.
    """
    limits = {"class-rows": (_MINIMUM[0], rows), "class-balance": ("maximum-class-difference", difference)}
    for id, (option, limit) in limits.items():
        if limit is not None:
            yield Check(
                id=id,
                status=Status.ERROR,
                reason="no-classes",
                limit=limit,
                bound=Bound.AT_LEAST if id == "class-rows" else Bound.AT_MOST,
                option=(option,),
                message=f"{option} could not be applied: `{target}` {why}.",
                advice=f"Leave out {option}, or write the classes as texts in both tables.",
            )


def too_many_classes_check(target: str, most: int) -> Check:
    """Return the check of a target whose values are too many to be classes."""
    return Check(
        id="class-rows",
        status=Status.ERROR,
        reason="too-many-classes",
        message=f"`{target}` has more than {most:,} different values: they were not counted as classes.",
        advice="Set task: regression, or put the values into fewer classes.",
    )
