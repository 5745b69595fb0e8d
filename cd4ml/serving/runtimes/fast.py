"""The fast road's model, whether it takes columns or tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.runtimes.graph import MODEL, SIGNATURE, Graph, TensorGraph, read
from cd4ml.serving.runtimes.onnx import FAILURES, Onnx, session_of
from cd4ml.serving.runtimes.tensors import Tensors
from cd4ml.serving.signature import ModelError


def load(folder: Path, *, sha256: str | None = None, provider: str = "cpu") -> Runtime:
    """Load the model in a folder.

    Args:
        sha256: digest of the MLflow model that it must have been made from.
        provider: see `session_of`.

    Raises:
        ModelError: its files cannot be read, contradict each other, or need more than the runtime's own operators.
    """
    graph = read(folder / SIGNATURE)
    if sha256 is not None and graph.model_sha256 != sha256:
        raise ModelError(f"{SIGNATURE} is of the model {graph.model_sha256[:80]}, not {sha256}")
    session = session_of(folder, provider)
    _compare(session, graph)
    return Onnx(session, graph) if isinstance(graph, Graph) else _of_tensors(session, graph)


def _compare(session: Any, graph: Graph | TensorGraph) -> None:
    """Refuse a graph that has not the inputs and outputs that signature.json names."""
    inputs = {entry.name for entry in session.get_inputs()}
    outputs = {entry.name for entry in session.get_outputs()}
    if inputs != graph.takes or not graph.gives <= outputs:
        raise ModelError(f"{MODEL} has not the inputs and outputs that {SIGNATURE} names")


def _of_tensors(session: Any, graph: TensorGraph) -> Tensors:
    """Return what asks a model that takes tensors."""
    (shape,) = (entry.shape for entry in session.get_outputs() if entry.name == graph.output)
    return Tensors(
        lambda feeds: session.run([graph.output], dict(feeds))[0],
        name="onnx",
        tensors=graph.tensors,
        output=graph.output,
        classes=graph.classes,
        positive_label=graph.positive_label,
        refusals=FAILURES,
        nested=len(shape) > 1,
    )
