"""Which runtime serves the model, and whether ONNX Runtime may: only what was proven equal to the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.image.comparison import Tolerance
from cd4ml.report import Check, Status

_ID: Final = "runtime"
_SHOWN: Final = 600
_AGAIN: Final = "Run the stage again where there is more memory and time, or set runtime: native."
_ADVICE: Final = "Set runtime: auto, which serves such a model with its own library."


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why ONNX Runtime does not serve the model: `reason` for machines, `why` for people.

    Attributes:
        tried: whether it was tried to the end, so that this says something of the model.
    """

    reason: str
    why: str
    tried: bool = True


def onnx_check(*, way: str, rows: int, edges: int, tolerance: Tolerance, batches: bool = False) -> Check:
    """Say that the model was proven equal, and on what.

    Args:
        batches: whether the derived rows are test rows in other batches.
    """
    kinds = "the same in other batches" if batches else "missing values, unseen categories"
    cases = f" and {edges:,} derived ones ({kinds})" if edges else ""
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
    if not obstacle.tried:
        return _not_tried(obstacle, demanded=demanded)
    if demanded:
        message = f"ONNX Runtime cannot serve the model: {obstacle.why[:_SHOWN]}."
        return Check(id=_ID, status=Status.FAILED, reason=obstacle.reason, message=message, advice=_ADVICE)
    message = f"The model's own library serves it, not ONNX Runtime: {obstacle.why[:_SHOWN]}."
    return Check(id=_ID, status=Status.PASSED, value="native", reason=obstacle.reason, message=message)


def dependence_check(why: str) -> Check:
    """Say that neither road serves a model whose answer to a row changes with the rows beside it."""
    message = f"The model's answer to a row depends on the rows beside it: {why[:_SHOWN]}."
    advice = (
        "Save the network in evaluation mode (`model.eval()`), without dynamic quantisation and without sums or means "
        "over the first dimension, that of the rows."
    )
    return Check(id=_ID, status=Status.FAILED, reason="rows-not-independent", message=message, advice=advice)


def _not_tried(obstacle: Obstacle, *, demanded: bool) -> Check:
    """Say that nothing is known of the model: what was to try it did not come to its end."""
    if demanded:
        message = f"Whether ONNX Runtime can serve the model is not known: {obstacle.why[:_SHOWN]}."
        return Check(id=_ID, status=Status.ERROR, reason=UnavailableError.reason, message=message, advice=_AGAIN)
    message = f"The model's own library serves it; whether ONNX Runtime can is not known: {obstacle.why[:_SHOWN]}."
    return Check(id=_ID, status=Status.PASSED, value="native", reason=obstacle.reason, message=message, advice=_AGAIN)
