"""Whether a model was trained and registered -> checks. Pure."""

from __future__ import annotations

from cd4ml.checks.search.trials import FAILED, OUT_OF_TIME
from cd4ml.report import Check, Status


def trained_check(problem: str | None, *, late: bool = False) -> Check:
    """Check that the training left a model.

    Args:
        problem: why it did not; None if it did.
        late: whether it ran out of time.
    """
    if problem is None:
        return Check(id="trained", status=Status.PASSED, message="The training saved a model.")
    return Check(
        id="trained",
        status=Status.INCONCLUSIVE if late else Status.FAILED,
        reason=OUT_OF_TIME if late else FAILED,
        message=f"There is no model: {problem}.",
        advice="Raise training-seconds." if late else "Fix the training code, and train again.",
    )


def registered_check(name: str, version: str, alias: str, *, made: bool) -> Check:
    """Return the check of a version that was registered, or that an earlier run of this search had registered."""
    how = "was registered" if made else "was registered by an earlier run of this search"
    return Check(
        id="registered",
        status=Status.PASSED,
        reason=None if made else "already-registered",
        message=f"Version {version} of {name} {how}; the alias {alias} points at it.",
    )
