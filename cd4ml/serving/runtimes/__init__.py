"""What asks the model: its own library (native), or ONNX (fast)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.signature import Column, Tensor


class Runtime(Protocol):
    """A model that is loaded and was called."""

    @property
    def name(self) -> str:
        """`onnx` or `native`."""

    @property
    def columns(self) -> Sequence[Column]:
        """What the model takes; empty if it does not name its columns."""

    @property
    def tensors(self) -> Sequence[Tensor]:
        """What a model takes that takes tensors, not columns; else empty."""

    @property
    def classes(self) -> Sequence[Any]:
        """Class labels, in the order of the probabilities; empty for anything but a classifier."""

    @property
    def positive_label(self) -> Any:
        """The class whose probability is `y_score`, None if there is no such score."""

    @property
    def inline_rows(self) -> int:
        """Up to so many rows it is called on the event loop itself; more go to a thread."""

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """Return what the model says of the rows.

        Raises:
            Refused: it cannot handle the values.
            ModelError: it gives no prediction for each row, which is nobody's fault but its own.
        """

    def warm_up(self) -> str:
        """Call the model once, and return on what: `example`, `blank-row`, `refused-blank-row` or `no-example`."""
