"""What a search for bad slices found -> checks. Pure.

A search without a limit decides nothing: it is reported. With a limit on how much worse a slice may be than the other
rows it blocks what is shown to be worse, and by more than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cd4ml.checks.performance import threshold
from cd4ml.metrics.performance.catalogue import MEAN_ABSOLUTE_ERROR
from cd4ml.metrics.performance.slice_search import ERROR_RATE, Found, Search
from cd4ml.report import Bound, Check, Status, as_set, chance, fixed
from cd4ml.report.ids import slice_id

MOST_CHECKS: Final = 20
_CALLED: Final = {ERROR_RATE: "error rate", MEAN_ABSOLUTE_ERROR.name: "mean absolute error"}


def search_checks(search: Search, limit: float | None) -> Iterator[Check]:
    """Check that something was searched, then every slice that is worse by more than the limit.

    Args:
        limit: how much greater the loss of a slice may be than that of the other rows; None if the search only reports.
    """
    beyond = [] if limit is None else [one for one in search.found if _beyond(one, limit)]
    yield _searched(search, limit, len(beyond))
    yield from (_worse(one, search, limit) for one in beyond[:MOST_CHECKS] if limit is not None)


def _beyond(one: Found, limit: float) -> bool:
    """Whether a slice that is shown to be worse is so by more than the limit."""
    return not threshold.at_most(one.difference, limit, one.value, one.elsewhere)


def _searched(search: Search, limit: float | None, beyond: int) -> Check:
    """Return the check of the search itself; one that could test no slice decides nothing."""
    columns = len(search.columns.codes)
    rows = f"at least {search.minimum_rows:,} rows"
    if not search.tested:
        return Check(
            id="slice-search",
            status=Status.INCONCLUSIVE,
            reason="too-few-rows",
            metric=search.metric,
            n=search.n,
            message=f"None of {search.too_small:,} slices has {rows} inside and outside: nothing was searched.",
            advice=f"Add rows (there are {search.n:,}), or set slice-search-minimum-rows to less.",
        )
    of = "1 column" if columns == 1 else f"{columns} columns"
    what = f"{search.tested:,} slices of {of} with {rows} were searched for a greater {_called(search)}"
    small = f" ({search.too_small:,} smaller ones were not)" if search.too_small else ""
    return Check(
        id="slice-search",
        status=Status.PASSED if not beyond else Status.FAILED,
        reason="worse-slices" if beyond else None,
        metric=search.metric,
        value=search.found[0].difference if search.found else 0.0,
        interval=search.found[0].interval if search.found else None,
        slice=search.found[0].slice if search.found else None,
        limit=limit,
        bound=None if limit is None else Bound.AT_MOST,
        option=None if limit is None else ("maximum-slice-gap",),
        n=search.n,
        message=f"{what} than that of the other rows{small}: {_verdict(search, limit, beyond)}.",
        advice=_ADVICE if beyond else None,
    )


def _verdict(search: Search, limit: float | None, beyond: int) -> str:
    """Say how many slices are worse, and which is the worst."""
    if not search.found:
        return "none is shown to be worse"
    number = len(search.found)
    shown = "1 is shown to be worse" if number == 1 else f"{number:,} are shown to be worse, the worst of them"
    decided = ", which decides nothing" if limit is None else f", {beyond:,} of them by more than {as_set(limit)}"
    return f"{shown} {name_of(search.found[0])} ({_numbers(search.found[0])}){decided}"


def _numbers(one: Found) -> str:
    """Return a slice's loss beside that of the other rows, and production's."""
    other = "" if one.production is None else f"; production has {fixed(one.production)} there"
    ours, others = fixed(one.value, one.elsewhere), fixed(one.elsewhere, one.value)
    return f"{ours} on {one.n:,} rows against {others} on the others{other}"


def _worse(one: Found, search: Search, limit: float) -> Check:
    """Return the check of a slice that is worse by more than the limit."""
    surely = f"{chance(one.p_value)}; {search.tested:,} tests"
    return Check(
        id=slice_id("slice-search", one.slice),
        status=Status.FAILED,
        reason="worse-slice",
        metric=search.metric,
        value=one.difference,
        interval=one.interval,
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-slice-gap",),
        slice=one.slice,
        n=one.n,
        message=(
            f"{name_of(one)}: {_called(search)} {_numbers(one)}: {fixed(one.difference, limit)} more "
            f"(at most {as_set(limit, one.difference)}). Chance does not explain it ({surely})."
        ),
        advice=_ADVICE,
    )


_ADVICE: Final = (
    "Find out what these rows have in common; add training rows like them, or features that tell them apart."
)


def _called(search: Search) -> str:
    """Return what sentences call the loss."""
    return _CALLED[search.metric]


def name_of(one: Found) -> str:
    """Return the slice as checks name it."""
    return "&".join(f"{column}={value}" for column, value in one.slice.items())
