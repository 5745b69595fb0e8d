"""The gateway's names of labels: booleans keep their own, and are found by any that people give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cd4ml.serving.model import ModelError, _label_text, _positive


@pytest.mark.parametrize(
    ("classes", "wanted", "expected"),
    [
        ([False, True], "True", True),
        ([False, True], "true", True),
        ([False, True], "0", False),
        ([False, True], None, True),
        ([0, 1], "1", 1),
        ([0.0, 1.0], "0", 0.0),
        (["no", "yes"], "yes", "yes"),
        (["1", "true"], "true", "true"),
    ],
)
def test_positive__by_name(classes: Sequence[Any], wanted: str | None, expected: Any) -> None:
    """The positive class is found by the name that stands in the data first, then by what a boolean is called else."""
    assert _positive(classes, wanted) is expected


def test_positive__unknown() -> None:
    """A class that the model does not know is refused with the names that it has."""
    with pytest.raises(ModelError, match="it knows: False, True"):
        _positive(np.array([False, True]).tolist(), "yes")
    with pytest.raises(ModelError, match="it knows: no, yes"):
        _positive(["no", "yes"], "True")


@pytest.mark.parametrize(("label", "text"), [(True, "True"), (np.True_, "True"), (1, "1"), ("1.0", "1"), (0.5, "0.5")])
def test_label_text(label: Any, text: str) -> None:
    """Labels are written as in cd4ml's reports."""
    assert _label_text(label) == text
