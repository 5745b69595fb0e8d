"""How a model's answers move when its rows are changed, and the limits of that -> checks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cd4ml.checks.performance import threshold
from cd4ml.metrics.behaviour.direction import Direction
from cd4ml.metrics.behaviour.flips import Flips, Rate, rows_needed
from cd4ml.metrics.behaviour.known_answers import KnownAnswers
from cd4ml.report import Bound, Check, Location, Status, fixed, percent

_LEVEL: Final = 0.05
_ADVICE: Final = {
    "invariance": "Find out why the model minds the change: leave the column out, or clean it before the model.",
    "robustness": "Clean the column before the model, or train with such rows.",
    "direction": "Constrain the model (scikit-learn: monotonic_cst), or correct the expectation in a reviewed change.",
}
_MORE_ROWS: Final = "Raise behaviour-rows, or give more test rows."


@dataclass(frozen=True, kw_only=True)
class DeclaredTest:
    """A declared test, as its check tells it.

    Attributes:
        rule: `invariance`, `direction`, `robustness` or `known-answers`.
        what: the column or table, and what was done to it.
        limit: of a share; None if the share is only reported.
        sample: on which rows, for people.
        set_at: where it is declared.
        p_value: of the hypothesis that the limit is kept, corrected for the number of tests.
    """

    id: str
    rule: str
    what: str
    limit: float | None
    sample: str
    set_at: Location | None = None
    p_value: float = 1.0


def flips_check(
    tested: DeclaredTest, found: Flips, row: str, *, numeric: bool, production: Rate | None = None
) -> Check:
    """Check how many answers change.

    Args:
        row: what the row that changed most is called.
        numeric: whether the answers are a regression's.
        production: the same of the production model, if it answered.
    """
    rate = found.rate
    noun = "predictions" if numeric else "decisions"
    told = f"{tested.what}: {rate.count:,} of {rate.n:,} {noun} change ({_of(rate, tested.limit)})."
    if rate.count:
        told += f" Most of all in row {row}: {found.before} becomes {found.after}."
    elif found.largest > 0:
        told += f" Numbers move by at most {_amount(found.largest, numeric)}."
    return _rate_check(tested, rate, "flip-rate", told, production)


def direction_check(
    tested: DeclaredTest, found: Direction, grid: Sequence[Any], ids: Sequence[str], *, production: Rate | None = None
) -> Check:
    """Check how many scores move the wrong way along the grid; the worst one is shown.

    Args:
        grid: the values of the column.
        ids: what the rows are called.
    """
    rate = found.rate
    told = f"{tested.what}: it does in {rate.count:,} of {rate.n:,} rows ({_of(rate, tested.limit)})."
    if found.worst and rate.count:
        worst = found.worst
        scores = (fixed(worst.before, worst.after), fixed(worst.after, worst.before))
        told += (
            f" Worst in row {ids[worst.row]}: from {grid[worst.start]:g} to {grid[worst.end]:g} "
            f"the score goes from {scores[0]} to {scores[1]}."
        )
    return _rate_check(tested, rate, "violation-rate", told, production)


def known_answers_check(tested: DeclaredTest, found: KnownAnswers) -> Check:
    """Check how many answers are right; the rows are chosen by hand, so that nothing is estimated from them."""
    share, limit = found.right / found.n, tested.limit or 0.0
    passed = threshold.at_most(limit, share)
    told = f"{tested.what}: {found.right:,} of {found.n:,} answers are right (at least {limit * 100:g} %)."
    if found.wrong is not None:
        told += f" First wrong in row {found.wrong}: {found.answered} instead of {found.expected}."
    return Check(
        id=tested.id,
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "wrong-answers",
        metric="share-right",
        value=share,
        limit=limit,
        bound=Bound.AT_LEAST,
        n=found.n,
        message=told,
        advice=None if passed else "See what the model makes of these rows, or correct the table.",
        set_at=tested.set_at,
    )


def unanswered_check(
    tested: DeclaredTest, problem: str, row: str | None, n: int, *, refused: bool, may_refuse: bool
) -> Check:
    """Return the check of a test at which the model gave no usable answers.

    Args:
        row: the first row without one, None if the fault is not in single rows.
        refused: whether it refused the rows with an exception. A crash, answers that cannot be used, and rows that were
            never asked for show no refusal: they are an error, whatever the model may do.
        may_refuse: whether the rows are such that the model may refuse them.
    """
    where = f" (row {row})" if row is not None else ""
    told = f"{tested.what}: the model gives no answers: {problem.rstrip('.')}{where}."
    if refused and may_refuse:
        message = f"{told} It may refuse such rows."
        return Check(id=tested.id, status=Status.PASSED, reason="refused", n=n, message=message, set_at=tested.set_at)
    failed = refused and tested.rule == "robustness"
    if may_refuse:
        advice = "Let the model take such rows, or refuse them with an exception."
    else:
        advice = (
            f"Let the model take such rows{', or set may-refuse: true if it should refuse them' if failed else ''}."
        )
    return Check(
        id=tested.id,
        status=Status.FAILED if failed else Status.ERROR,
        reason="not-answered",
        n=n,
        message=told,
        advice=advice,
        set_at=tested.set_at,
    )


def untested_check(tested: DeclaredTest, problem: str) -> Check:
    """Return the check of a test that would decide nothing on these rows or for this model: an error, never a pass."""
    return Check(
        id=tested.id,
        status=Status.ERROR,
        reason="nothing-tested",
        message=f"{tested.what}: nothing was tested: {problem}.",
        advice="Correct the test, or use rows on which it says something.",
        set_at=tested.set_at,
    )


def not_taken_check(tested: DeclaredTest, column: str) -> Check:
    """Return the check of an invariance in a column that the model does not take: it cannot matter."""
    message = f"{tested.what}: the model does not take `{column}`, so it cannot change an answer."
    return Check(id=tested.id, status=Status.PASSED, reason="not-an-input", message=message, set_at=tested.set_at)


def steady_check(differing: int, n: int, problem: str | None, tests: int, of: int) -> Check:
    """Check that the model answers the sampled rows as it did among all rows: else no test says anything.

    Args:
        problem: why there are no answers, None if there are.
        tests: how many tests rest on it.
        of: all test rows.
    """
    shared: dict[str, Any] = {"id": "behaviour", "n": n}
    if problem is None and not differing:
        how = "all" if n == of else f"{n:,} of"
        message = (
            f"{tests} behaviour tests on {how} {of:,} test rows; unchanged, the model answers them the same again."
        )
        return Check(**shared, status=Status.PASSED, message=message)
    told = problem or f"{differing:,} of {n:,} answers differ when the same rows are asked again"
    return Check(
        **shared,
        status=Status.ERROR,
        reason="not-repeatable",
        message=f"Behaviour cannot be tested: {told}.",
        advice="Give the model a fixed seed, and let no row's answer depend on the other rows.",
    )


def _rate_check(tested: DeclaredTest, rate: Rate, metric: str, told: str, production: Rate | None) -> Check:
    """Return the check of a share of rows."""
    interval = rate.interval
    told += f" 95 % interval: {percent(interval.lower, 2)} to {percent(interval.upper, 2)}."
    told += f" Production: {percent(production.share, 2)}." if production else ""
    check = Check(
        id=tested.id,
        status=Status.PASSED,
        metric=metric,
        value=rate.share,
        interval=interval,
        baseline=production.share if production else None,
        n=rate.n,
        message=f"{told} {tested.sample}",
        set_at=tested.set_at,
    )
    if tested.limit is None:
        return check
    check = replace(check, limit=tested.limit, bound=Bound.AT_MOST)
    if not threshold.at_most(rate.share, tested.limit):
        if tested.p_value < _LEVEL:
            return replace(check, status=Status.FAILED, reason="above-maximum", advice=_ADVICE[tested.rule])
        why = f"{check.message} So few rows do not show whether the limit is exceeded."
        return replace(check, status=Status.INCONCLUSIVE, reason="not-shown", message=why, advice=_MORE_ROWS)
    needed = rows_needed(tested.limit)
    if rate.n < needed:
        why = f"{check.message} At least {needed:,} changed rows are needed to decide."
        return replace(check, status=Status.INCONCLUSIVE, reason="too-few-rows", message=why, advice=_MORE_ROWS)
    return check


def _of(rate: Rate, limit: float | None) -> str:
    """Return a share with its limit."""
    share = percent(rate.share, 2)
    return f"{share}; reported without a limit" if limit is None else f"{share}; at most {100 * limit:g} %"


def _amount(largest: float, numeric: bool) -> str:
    """Return how far numbers moved."""
    return f"{percent(largest, 2)} of themselves" if numeric else f"{largest:.4g}"
