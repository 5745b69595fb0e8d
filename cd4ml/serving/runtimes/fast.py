"""The fast road's model, whether it takes columns or tensors."""

from __future__ import annotations

from pathlib import Path

from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.runtimes.graph import MODEL, SIGNATURE, TensorGraph
from cd4ml.serving.runtimes.onnx import FAILURES, Onnx, session_of
from cd4ml.serving.runtimes.tensors import Tensors
from cd4ml.serving.signature import ModelError


def load(folder: Path, *, sha256: str | None = None, provider: str = "cpu") -> Runtime:
    """Load the model in a folder; see Onnx.load."""
    graph = TensorGraph.read(folder / SIGNATURE)
    if graph is None:
        return Onnx.load(folder, sha256=sha256, provider=provider)
    if sha256 is not None and graph.model_sha256 != sha256:
        raise ModelError(f"{SIGNATURE} is of the model {graph.model_sha256[:80]}, not {sha256}")
    session = session_of(folder, provider)
    inputs = {entry.name for entry in session.get_inputs()}
    shapes = {entry.name: entry.shape for entry in session.get_outputs()}
    if inputs != {one.name for one in graph.tensors} or graph.output not in shapes:
        raise ModelError(f"{MODEL} has not the inputs and outputs that {SIGNATURE} names")
    return Tensors(
        lambda feeds: session.run([graph.output], dict(feeds))[0],
        name="onnx",
        tensors=graph.tensors,
        output=graph.output,
        classes=graph.classes,
        positive_label=graph.positive_label,
        refusals=FAILURES,
        nested=len(shapes[graph.output]) > 1,
    )
