"""Labels by the names that people write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cd4ml.data.predictions.labels import are_booleans, common_names, label_text, matching


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "True"), (np.bool_(False), "False"), (1, "1"), (1.0, "1"), ("1.0", "1"), ("True", "True"), (" a ", "a")],
)
def test_label_text(value: object, text: str) -> None:
    """Labels are written as people write them; booleans are no numbers."""
    assert label_text(value) == text


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ([["True", "False"], ["1", "0"]], {"True", "False"}),
        ([["true", "false"], ["true"]], {"true", "false"}),
        ([["true", "false"], ["True", "False"]], {"True", "False"}),
        ([["0", "1"], ["1"]], {"0", "1"}),
        ([["True"], ["0"]], {"True", "False"}),
        ([["True", "False"], ["2"]], {"True", "False", "2"}),
    ],
)
def test_common_names(columns: Sequence[Sequence[str]], names: set[str]) -> None:
    """Labels keep their names unless columns write the same booleans differently."""
    assert set(common_names(columns).values()) == names


def test_matching() -> None:
    """A label is found by its own name first, and a boolean by any of its names."""
    assert matching("1", {"1", "0"}) == "1" and matching("true", {"1", "0"}) is None
    assert matching("1", {"True", "False"}) == "True" and matching("no", {"True", "False"}) is None
    assert not are_booleans({"1", "0"}) and not are_booleans(set())
