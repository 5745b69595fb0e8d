"""What scores a table, and why: ONNX Runtime only where the conversion was proven equal to its model. Pure."""

from __future__ import annotations

from typing import Final

from cd4ml.checks.image.runtime import Obstacle
from cd4ml.errors import UnavailableError
from cd4ml.image.comparison import Tolerance
from cd4ml.report import Check, Status

_ID: Final = "runtime"
_SHOWN: Final = 600
_ADVICE: Final = "Set runtime: auto, which asks such a model by its own library."


def conversion_check(*, way: str, rows: int, edges: int, share: float, tolerance: Tolerance) -> Check:
    """Say that the conversion was proven equal, and on what.

    Args:
        share: of each part, for which the model itself is asked as well.
    """
    message = (
        f"ONNX Runtime scores the table ({way}): on its first {rows:,} rows and {edges:,} derived ones (missing "
        f"values, unseen categories), and on {share:.0%} of every part, labels are equal and scores within {tolerance}."
    )
    return Check(id=_ID, status=Status.PASSED, value="onnx", n=rows, message=message)


def library_check(obstacle: Obstacle | None, *, demanded: bool) -> Check:
    """Say that the model's own library scores the table, and why; where `runtime: onnx` is demanded, that blocks.

    Args:
        obstacle: None if nothing else was wanted.
    """
    if obstacle is None:
        message = "The model's own library scores the table: `runtime` asks for nothing else."
        return Check(id=_ID, status=Status.PASSED, value="native", message=message)
    if demanded:
        message = f"ONNX Runtime cannot score the table: {obstacle.why[:_SHOWN]}."
        status, reason = (Status.FAILED, obstacle.reason) if obstacle.tried else (Status.ERROR, UnavailableError.reason)
        return Check(id=_ID, status=status, reason=reason, message=message, advice=_ADVICE)
    message = f"The model's own library scores the table, not ONNX Runtime: {obstacle.why[:_SHOWN]}."
    return Check(id=_ID, status=Status.PASSED, value="native", reason=obstacle.reason, message=message)
