"""Which classes a model gives the probabilities of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cd4ml.serving.runtimes import Runtime

# More of them are names of things; a number for each would be larger than the rows.
_MOST: Final = 1000


def offered(runtime: Runtime) -> Sequence[Any]:
    """Return the labels, in the order of the probabilities; none for a model that gives no probabilities."""
    return [_label(label) for label in runtime.classes] if len(runtime.classes) <= _MOST else []


def _label(label: Any) -> Any:
    """Return a label as JSON has it."""
    plain = label.item() if hasattr(label, "item") else label
    return plain if isinstance(plain, bool | int | float | str) else str(plain)
