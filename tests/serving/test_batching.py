"""Micro-batches: many requests are answered by one call, each with its own answers and its own refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from cd4ml.serving.calls import Calls
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.protocols import Question
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.settings import Settings
from cd4ml.serving.signature import Column, Tensor


class Counting:
    """A runtime that doubles x, refuses what is negative, fails at 13, and keeps how many rows it was asked for."""

    name: str = "native"
    columns: Sequence[Column] = (Column(name="x", type="double"),)
    tensors: Sequence[Tensor] = ()
    classes: Sequence[Any] = ()
    positive_label: Any = None
    inline_rows: int = 0

    def __init__(self) -> None:
        self.asked: list[int] = []

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        self.asked.append(batch.rows)
        values = batch.columns["x"]
        bad = [Problem(path=f"rows[{at}]", problem="is negative") for at, value in enumerate(values) if value < 0]
        if bad:
            raise Refused(422, "refused-by-model", "The model cannot handle these values.", bad)
        if 13 in values:
            raise RuntimeError("thirteen")
        shares = [[value / 100, 1 - value / 100] for value in values]
        return Answers([value * 2 for value in values], [row[0] for row in shares], shares if probabilities else None)

    def warm_up(self) -> str:
        """See Runtime."""
        return "blank-row"


def asked(questions: Sequence[Question], **settings: Any) -> tuple[list[Any], list[int]]:
    """Ask all at once; return the answers or what was raised, and how many rows each call had."""
    runtime = Counting()

    async def all_at_once() -> list[Any]:
        calls = Calls(Settings(**settings))
        return await asyncio.gather(*(calls.ask(runtime, one) for one in questions), return_exceptions=True)

    return asyncio.run(all_at_once()), runtime.asked


def question(*values: float, probabilities: bool = False) -> Question:
    """Return a request."""
    return Question(Batch(columns={"x": list(values)}, rows=len(values)), probabilities)


def test_many_requests_one_call() -> None:
    """Ten requests of a row, and one of two, are one call; each has the answers of its own rows."""
    questions = [*(question(at) for at in range(10)), question(50, 60)]
    found, calls = asked(questions, batch_wait_ms=200)
    assert calls == [12]
    assert [one.y_pred for one in found] == [*([at * 2] for at in range(10)), [100, 120]]
    assert found[-1].y_score == [0.5, 0.6] and found[0].probabilities is None


def test_off_by_default() -> None:
    """Without the setting each request is a call of its own."""
    assert asked([question(at) for at in range(5)])[1] == [1] * 5


def test_full_batch_waits_no_longer() -> None:
    """As many rows as a batch may have are asked at once, and a request that large goes alone."""
    began = time.monotonic()
    found, calls = asked([*(question(1) for _ in range(8)), question(*range(4))], batch_wait_ms=1000, batch_rows=4)
    assert sorted(calls) == [4, 4, 4] and len(found) == 9
    assert time.monotonic() - began < 1


def test_requests_of_another_form_are_asked_apart() -> None:
    """Probabilities are given to who asked for them."""
    found, calls = asked([question(1), question(2), question(3, probabilities=True)], batch_wait_ms=50)
    assert sorted(calls) == [1, 2] and [one.probabilities is None for one in found] == [True, True, False]


@pytest.mark.parametrize(("value", "kind"), [(-1.0, Refused), (13.0, RuntimeError)])
def test_bad_row_harms_nobody_else(value: float, kind: type[Exception]) -> None:
    """The request at fault is refused by the place in itself, and those beside it are answered."""
    found, calls = asked([question(1), question(2, value), question(3)], batch_wait_ms=50)
    assert calls[0] == 4 and sorted(calls[1:]) == [1, 1, 2]
    assert found[0].y_pred == [2] and found[2].y_pred == [6] and isinstance(found[1], kind)
    assert not isinstance(found[1], Refused) or found[1].problems[0].path == "rows[1]"


def test_waiting_requests_have_places() -> None:
    """Requests that wait for others count as waiting: one more than there are places is refused."""
    found, _ = asked([question(1) for _ in range(4)], batch_wait_ms=50, threads=1, waiting=2)
    assert [one.code for one in found if isinstance(one, Refused)] == ["busy"]


def test_who_leaves_is_not_asked_for() -> None:
    """A request that is given up while it waits is not part of the call."""
    runtime = Counting()

    async def leave() -> Answers:
        calls = Calls(Settings(batch_wait_ms=50))
        gone = asyncio.create_task(calls.ask(runtime, question(13)))
        stays = asyncio.create_task(calls.ask(runtime, question(2)))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(leave()).y_pred == [4] and runtime.asked == [1]
