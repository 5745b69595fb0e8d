"""What drift is compared with -> checks: a profile that was saved, and a sample in place of all rows. Pure."""

from __future__ import annotations

from cd4ml.report import Check, Status


def saved_profile_check(path: str, *, rows: int, features: int) -> Check:
    """Return the check of a run that only made a profile."""
    message = f"The profile of {rows:,} rows and {features:,} features is in {path}."
    return Check(id="reference-profile", status=Status.PASSED, n=rows, message=message)


def sample_checks(every: int, *, both: bool) -> list[Check]:
    """Return the check that says, before all others, that not every row was looked at; none if every one was.

    Args:
        every: of how many rows one was looked at.
        both: whether that is so of the reference as well.
    """
    if every == 1:
        return []
    tables = "both tables" if both else "the current table"
    message = f"Sampled: one row in {every} of {tables} was read (sample-every)."
    return [Check(id="sampled", status=Status.PASSED, reason="sampled", message=message)]
