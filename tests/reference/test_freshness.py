"""Schedules and overruns against the standard of cron, published survival times and an order statistic's coverage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cd4ml.metrics.freshness.overrun import overrun
from cd4ml.metrics.freshness.schedule import parsed


def starts(text: str, first: datetime, count: int) -> list[datetime]:
    """Return starts from a moment on, found one after the other."""
    schedule, found = parsed(text), [first - timedelta(microseconds=1)]
    while len(found) <= count:
        found.append(schedule.following(found[-1]))
    assert all(schedule.latest(one) == one for one in found[1:])
    return found[1:]


def test_cron__posix_example() -> None:
    """POSIX.1-2017, crontab: `0 0 1,15 * 1` "would run a command on the first and fifteenth of each month, as well as
    on every Monday"."""
    found = starts("0 0 1,15 * 1", datetime(2026, 11, 1, tzinfo=UTC), 8)

    assert [one.day for one in found] == [1, 2, 9, 15, 16, 23, 30, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The table of predefined schedules in crontab(5) of Vixie's cron: @weekly, @monthly, @yearly.
        ("0 0 * * 0", ["2027-01-03 00:00", "2027-01-10 00:00"]),
        ("0 0 1 * *", ["2027-01-01 00:00", "2027-02-01 00:00"]),
        ("0 0 1 1 *", ["2027-01-01 00:00", "2028-01-01 00:00"]),
        # crontab(5): "23 0-23/2 * * *" is 23 minutes after midnight, 2am, 4am …; "5 4 * * sun" is 5 after 4 on Sundays.
        ("23 0-23/2 * * *", ["2027-01-01 00:23", "2027-01-01 02:23", "2027-01-01 04:23"]),
        ("5 4 * * sun", ["2027-01-03 04:05", "2027-01-10 04:05"]),
        ("5 4 * * 7", ["2027-01-03 04:05", "2027-01-10 04:05"]),
        ("0 22 * * 1-5", ["2027-01-01 22:00", "2027-01-04 22:00", "2027-01-05 22:00"]),
        ("0 0 29 feb *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("*/25 3 * * *", ["2027-01-01 03:00", "2027-01-01 03:25", "2027-01-01 03:50", "2027-01-02 03:00"]),
    ],
)
def test_cron__documented_examples(text: str, expected: list[str]) -> None:
    """The examples of crontab(5) start when it says that they do."""
    found = starts(text, datetime(2027, 1, 1, tzinfo=UTC), len(expected))

    assert [f"{one:%Y-%m-%d %H:%M}" for one in found] == expected


@pytest.mark.parametrize("text", ["", "0 4 * *", "60 4 * * *", "0 24 * * *", "0 4 0 * *", "0 4 * 13 *", "0 4 * * 8"])
@pytest.mark.parametrize("edit", [str, lambda text: text.replace("4", "5-3"), lambda text: text.replace("*", "*/0")])
def test_cron__what_it_is_not(text: str, edit: type[str]) -> None:
    """What cron refuses is refused."""
    with pytest.raises(ValueError, match="."):
        parsed(edit(text))


# Weeks of remission under placebo: Freireich et al. (1963), Blood 21:699; reprinted in Cox (1972), JRSS B 34:187.
PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)


@pytest.mark.parametrize(("weeks", "survival"), [(1, 0.9048), (5, 0.5714), (8, 0.3810), (12, 0.1905), (22, 0.0476)])
def test_overrun__kaplan_meier(weeks: float, survival: float) -> None:
    """The chance to exceed a time is the Kaplan-Meier estimate as it is printed for these data (Kleinbaum and Klein,
    Survival Analysis, 3rd edition, chapter 2), and for a run under way its quotient S(allowed) / S(elapsed)."""
    from_the_start = overrun(PLACEBO, elapsed=0, allowed=weeks)
    under_way = overrun(PLACEBO, elapsed=weeks, allowed=22)

    assert from_the_start.chance == pytest.approx(survival, abs=5e-5)
    assert under_way.chance == pytest.approx(0.0476 / survival, rel=2e-3) or weeks == 22


def test_overrun__interval_as_published() -> None:
    """Its bounds are Wilson's: 15 of 148 give 0.0624 to 0.1605 at 95 % (Newcombe 1998, Statistics in Medicine 17:857,
    table I), and here each bound alone has 95 %, so they lie within."""
    bounds = overrun([2.0] * 15 + [1.0] * 133, elapsed=0, allowed=1.5).bounds

    assert bounds is not None
    assert 0.0624 < bounds.lower < 15 / 148 < bounds.upper < 0.1605
    # The roots of (p - x)^2 = z^2 x (1 - x) / n with z = 1.6449 are the bounds by definition.
    for x in (bounds.lower, bounds.upper):
        assert (15 / 148 - x) ** 2 == pytest.approx(1.6448536**2 * x * (1 - x) / 148, rel=1e-6)


def test_overrun__longest_by_chance() -> None:
    """The next of n + 1 like times is the longest with probability 1 / (n + 1), whatever their distribution (Hahn and
    Meeker 1991): of 20,000 simulated samples of 19 and one, one in twenty."""
    rng = np.random.default_rng(5)
    samples = rng.lognormal(0, 2, (20_000, 20))
    longest = float(np.mean(samples[:, -1] > samples[:, :-1].max(axis=1)))

    assert overrun([1.0] * 19, elapsed=2, allowed=3).longest_by_chance == 0.05
    assert longest == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / 20_000) ** 0.5)
