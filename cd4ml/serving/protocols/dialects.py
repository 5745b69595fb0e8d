"""Which path speaks which protocol, and the protocols for a loaded model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cd4ml.serving.protocols import Dialect, open_inference, scoring
from cd4ml.serving.protocols.open_inference import OpenInference
from cd4ml.serving.protocols.outputs import Outputs
from cd4ml.serving.protocols.predict import Predict, error_document
from cd4ml.serving.protocols.scoring import Scoring
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes import Runtime

_PREDICT: Final = "predict"
_REFUSALS: Final[Mapping[str, Callable[[Refused], bytes]]] = {
    _PREDICT: error_document,
    open_inference.NAME: open_inference.refusal,
    scoring.NAME: scoring.refusal,
}


def paths(model: Mapping[str, str | None]) -> dict[str, str]:
    """Return the paths at which predictions are asked for, and the protocol of each."""
    own = {f"{path}/infer": open_inference.NAME for path in open_inference.paths(model)}
    return {"/predict": _PREDICT, "/invocations": scoring.NAME, **own}


def protocol_of(path: str) -> str:
    """Return the protocol in which a path that is not there, or answers something else, is refused."""
    return open_inference.NAME if path == "/v2" or path.startswith("/v2/") else _PREDICT


def refusal(protocol: str, refused: Refused) -> bytes:
    """Return the JSON document of a refusal in a protocol, whether or not the model is loaded."""
    return _REFUSALS[protocol](refused)


def metadata(runtime: Runtime, model: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the description of the model in the Open Inference Protocol."""
    if not runtime.tensors:
        outputs = Outputs(runtime).described()
        return open_inference.metadata(runtime, model, open_inference.inputs_of(runtime), outputs)
    from cd4ml.serving.protocols import tensor_models

    about = tensor_models.metadata_inputs(runtime), tensor_models.described(runtime)
    return open_inference.metadata(runtime, model, *about)


def dialect(protocol: str, runtime: Runtime, model: Mapping[str, str | None], maximum_rows: int) -> Dialect:
    """Return a protocol for a model."""
    if runtime.tensors:
        # It needs numpy, which a model of tensors brings.
        from cd4ml.serving.protocols import tensor_models

        return tensor_models.dialect(protocol, runtime, model, maximum_rows)
    if protocol == open_inference.NAME:
        return OpenInference(runtime, model, maximum_rows)
    if protocol == scoring.NAME:
        return Scoring(runtime.columns, maximum_rows)
    return Predict(runtime, model, maximum_rows)
