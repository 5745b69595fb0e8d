"""How units were assigned -> checks. What fails here leaves every metric without a meaning. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.report import Bound, Check, Status, chance, percent

# The stages of an experiment in which units get lost or doubled (Fabijan et al. 2019, figure 3), with what to look at.
CAUSES: Final = (
    "Likely causes, in the order of the taxonomy by Fabijan et al. (KDD '19): assignment (a faulty random function or "
    "hash, corrupted unit ids, shares changed meanwhile), execution (variants started at different times, one crashes, "
    "redirects or loads more slowly), log processing (bots removed or rows joined differently), analysis (a filter on "
    "what the variant changes, the wrong starting day), interference (users who opt out, another experiment). Compare "
    "the shares by day, by platform and before each filter."
)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What the rows say of who was given which variant.

    Attributes:
        counts: rows by planned variant.
        without_unit, without_variant, unplanned: rows without an id, without a variant, with one that is not planned.
        repeated: units with more than one row, all of one variant; None if no column identifies units.
        crossed: units with rows of several variants; None likewise.
    """

    counts: Mapping[str, int]
    rows: int
    without_unit: int
    without_variant: int
    unplanned: int
    repeated: int | None
    crossed: int | None


# What is counted, the reason and the words for it, and what to do.
_FAULTS: Final = (
    ("without_variant", "missing-variant", "rows have no variant", "Find out why, and do not just drop them"),
    ("unplanned", "unknown-variant", "rows have a variant that `expected` does not name", "Name every variant"),
    ("without_unit", "missing-unit", "rows have no unit id", "Keep the id of each unit"),
    ("crossed", "units-in-several-variants", "units are in several variants", "Find out how they were assigned twice"),
    ("repeated", "repeated-units", "units have several rows", "Sum up to one row a unit"),
)


def units_check(found: Assignment) -> Check:
    """Check that each row is a unit of its own with a planned variant."""
    faults = [
        (reason, f"{count:,} {words}", advice)
        for name, reason, words, advice in _FAULTS
        if (count := getattr(found, name))
    ]
    if faults:
        return Check(
            id="units",
            status=Status.FAILED,
            reason=faults[0][0],
            n=found.rows,
            message=f"Of {found.rows:,} rows: {'; '.join(told for _, told, _ in faults)}. No metric was read.",
            advice=f"{'; '.join(advice for *_, advice in faults)}.",
        )
    checked = "" if found.crossed is not None else " Whether a unit has several was not checked: `unit` is not set."
    return Check(
        id="units",
        status=Status.PASSED,
        n=found.rows,
        message=f"{found.rows:,} rows, each with a planned variant.{checked}",
    )


def sample_ratio_check(found: Assignment, shares: Mapping[str, float], p_value: float, alpha: float) -> Check:
    """Check that the variants have the planned shares of the units.

    Args:
        shares: planned, with sum 1, in the order of the counts.
        p_value: of the hypothesis that they have; below `alpha` it is a mismatch.
    """
    n = sum(found.counts.values())
    told = ", ".join(
        f"{name} {count:,} ({percent(count / n, 2)}, planned {percent(shares[name], 2)})"
        for name, count in found.counts.items()
    )
    mismatch = not p_value >= alpha
    advice = f"Do not read the metrics: whoever is missing is rarely missing at random. {CAUSES}"
    return Check(
        id="sample-ratio",
        status=Status.FAILED if mismatch else Status.PASSED,
        reason="sample-ratio-mismatch" if mismatch else None,
        metric="p-value",
        value=p_value,
        limit=alpha,
        bound=Bound.AT_LEAST,
        option=("mismatch-alpha",),
        n=n,
        message=f"{'Sample ratio mismatch' if mismatch else 'Sample ratio as planned'}: {told}; {chance(p_value)}."
        + (" No metric was read." if mismatch else ""),
        advice=advice if mismatch else None,
    )


def too_early_check(units: int, planned: int) -> Check:
    """Return the check of an experiment that is to be read once, before its end."""
    return _not_now(
        "before-planned-size",
        units,
        planned,
        option="planned-units",
        told=f"{units:,} of {planned:,} planned units: a fixed reading is valid once, at the end.",
        advice=f"Wait for {planned - units:,} more units. To look earlier, plan the next experiment with reading: "
        "sequential.",
    )


def few_units_check(counts: Mapping[str, int], least: int) -> Check:
    """Return the check of variants with too few units to decide anything."""
    few = {name: count for name, count in counts.items() if count < least}
    told = ", ".join(f"{name} {count:,}" for name, count in few.items())
    return Check(
        id="minimum-units",
        status=Status.INCONCLUSIVE,
        reason="too-few-units",
        metric="units",
        value=min(few.values()),
        limit=least,
        bound=Bound.AT_LEAST,
        option=("minimum-units",),
        n=sum(counts.values()),
        message=f"Too few units to decide: {told}; each variant needs {least:,}. No metric was read.",
        advice=f"Wait until each variant has {least:,} units.",
    )


def before_first_look_check(units: int, first: int) -> Check:
    """Return the check of an experiment whose first declared look is still to come."""
    return _not_now(
        "before-first-look",
        units,
        first,
        option="looks",
        told=f"{units:,} units; the first declared look is at {first:,}.",
        advice=f"Wait for {first - units:,} more units.",
    )


def after_last_look_check(units: int, most: int) -> Check:
    """Return the check of an experiment that went on after its last declared look."""
    return _not_now(
        "after-last-look",
        units,
        most,
        bound=Bound.AT_MOST,
        option="looks",
        told=f"{units:,} units; the last declared look was up to {most:,}.",
        advice="Read the units that came first, as many as were planned. To look on, plan the next experiment without "
        "looks.",
    )


def _not_now(
    reason: str, units: int, limit: int, *, option: str, told: str, advice: str, bound: Bound = Bound.AT_LEAST
) -> Check:
    """Return the check of an experiment that is not to be read at its size."""
    return Check(
        id="planned-units",
        status=Status.INCONCLUSIVE,
        reason=reason,
        metric="units",
        value=units,
        limit=limit,
        bound=bound,
        option=(option,),
        n=units,
        message=f"{told} No metric was read.",
        advice=advice,
    )
