"""Whether loading a model runs code of its own, and who said that it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.report import Check, Status

MODEL_CODE: Final = "model-code"
# The reason of the check that passed because `allow-code` lets it: deploy-model looks for it.
ALLOWED: Final = "code-allowed"
_SHOWN: Final = 5
_ADVICE: Final = (
    "Save the model in a format that runs no code: skops, ONNX, or what XGBoost, LightGBM and CatBoost write. "
    "If it needs its own code and you trust its author, set allow-code: true."
)


def model_code_check(findings: Sequence[str], *, allowed: bool, name: str = "model") -> Check:
    """Decide on what would run code when a model is loaded.

    Args:
        findings: what would run, in words, each with its file.
        allowed: whether `allow-code` is set.
        name: which model it is: `model`, `candidate` or `production`.
    """
    id = f"{name}-code" if name != "model" else MODEL_CODE
    called = "production model" if name == "production" else name
    if not findings:
        return Check(id=id, status=Status.PASSED, message=f"Loading the {called} runs no code of its own.")
    listed = "; ".join(findings[:_SHOWN])
    more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
    if allowed:
        message = f"Loading the {called} runs code, which allow-code permits: {listed}{more}."
        return Check(id=id, status=Status.PASSED, reason=ALLOWED, message=message)
    message = f"Loading the {called} would run code: {listed}{more}."
    return Check(id=id, status=Status.FAILED, reason="runs-code", message=message, advice=_ADVICE)
