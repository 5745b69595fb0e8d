"""Which runtime serves the model, and whether ONNX Runtime may: only what was proven equal to the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.image.comparison import Tolerance
from cd4ml.report import Check, Status

_ID: Final = "runtime"
_SHOWN: Final = 600
_ADVICE: Final = "Set runtime: auto, which serves such a model with its own library."


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why ONNX Runtime does not serve the model: `reason` for machines, `why` for people."""

    reason: str
    why: str


def onnx_check(*, way: str, rows: int, edges: int, tolerance: Tolerance) -> Check:
    """Say that the model was proven equal, and on what."""
    cases = f" and {edges:,} derived ones (missing values, unseen categories)" if edges else ""
    message = (
        f"ONNX Runtime serves the model ({way}): on {rows:,} test rows{cases} labels are equal and scores within "
        f"{tolerance}."
    )
    return Check(id=_ID, status=Status.PASSED, value="onnx", n=rows, message=message)


def native_check(obstacle: Obstacle | None, *, demanded: bool) -> Check:
    """Say that the model's own library serves it, and why; where `runtime: onnx` demands the other, that blocks.

    Args:
        obstacle: None if nothing else was wanted.
    """
    if obstacle is None:
        message = "The model's own library serves it, as runtime: native says."
        return Check(id=_ID, status=Status.PASSED, value="native", message=message)
    if demanded:
        message = f"ONNX Runtime cannot serve the model: {obstacle.why[:_SHOWN]}."
        return Check(id=_ID, status=Status.FAILED, reason=obstacle.reason, message=message, advice=_ADVICE)
    message = f"The model's own library serves it, not ONNX Runtime: {obstacle.why[:_SHOWN]}."
    return Check(id=_ID, status=Status.PASSED, value="native", reason=obstacle.reason, message=message)
