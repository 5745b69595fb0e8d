"""A model that is not called: the protocols alone, from bytes to a batch and from answers to bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.refused import Refused
from cd4ml.serving.signature import Column, Tensor
from cd4ml.serving.telemetry.context import Context

MODEL = {"name": "loans", "version": "3", "sha256": "0" * 64}
COLUMNS = (
    Column(name="age", type="long"),
    Column(name="income", type="double"),
    Column(name="city", type="string"),
    Column(name="member", type="boolean", required=False),
)


@dataclass
class Classifier:
    """What the protocols look at of a runtime."""

    columns: Sequence[Column] = COLUMNS
    classes: Sequence[Any] = ("no", "yes")
    positive_label: Any = "yes"
    name: str = "native"
    inline_rows: int = 0
    tensors: Sequence[Tensor] = ()

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        raise NotImplementedError

    def warm_up(self) -> str:
        """See Runtime."""
        return "example"


@pytest.fixture
def exchange() -> Exchange:
    """A request that has begun."""
    return Context().begin("test", [])


def refused(call: Any) -> tuple[str, str]:
    """Return the code of a refusal and the path of its first problem, "" if it has none."""
    with pytest.raises(Refused) as caught:
        call()
    assert 400 <= caught.value.status < 500
    return caught.value.code, caught.value.problems[0].path if caught.value.problems else ""
