"""Micro-batches: many requests are answered by one call, each with its own answers and its own refusal."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Sequence
from typing import Any

import pytest

from cd4ml.serving.calls import Calls
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.model import Model, ModelError
from cd4ml.serving.protocols import Question
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.runtimes.native import Native
from cd4ml.serving.settings import Settings
from cd4ml.serving.signature import Column, Tensor


class Counting:
    """A runtime that doubles x, refuses what is negative, raises at 13, and keeps how many rows it was asked for."""

    name: str = "native"
    columns: Sequence[Column] = (Column(name="x", type="double"),)
    tensors: Sequence[Tensor] = ()
    classes: Sequence[Any] = ()
    positive_label: Any = None
    inline_rows: int = 0

    def __init__(self, error: BaseException = RuntimeError("thirteen")) -> None:
        self.asked: list[int] = []
        self.error = error

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        self.asked.append(batch.rows)
        values = batch.columns["x"]
        bad = [Problem(path=f"rows[{at}]", problem="is negative") for at, value in enumerate(values) if value < 0]
        if bad:
            raise Refused(422, "refused-by-model", "The model cannot handle these values.", bad)
        if 13 in values:
            raise self.error
        shares = [[value / 100, 1 - value / 100] for value in values]
        return Answers([value * 2 for value in values], [row[0] for row in shares], shares if probabilities else None)

    def warm_up(self) -> str:
        """See Runtime."""
        return "blank-row"


def asked(questions: Sequence[Question], **settings: Any) -> tuple[list[Any], list[int]]:
    """Ask all at once; return the answers or what was raised, and how many rows each call had."""
    runtime = Counting()
    return asked_of(runtime, questions, **settings), runtime.asked


def asked_of(runtime: Runtime, questions: Sequence[Question], **settings: Any) -> list[Any]:
    """Ask a runtime all at once; return the answers or what was raised."""

    async def all_at_once() -> list[Any]:
        calls = Calls(Settings(**settings))
        every = asyncio.gather(*(calls.ask(runtime, one) for one in questions), return_exceptions=True)
        found = await asyncio.wait_for(every, 10)
        assert calls.in_threads == 0
        return found

    return asyncio.run(all_at_once())


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


class Panic(BaseException):
    """What libraries in Rust raise: no Exception."""


@pytest.mark.parametrize("wait", [0, 50], ids=["alone", "batched"])
@pytest.mark.parametrize("error", [SystemExit(3), StopIteration(), concurrent.futures.CancelledError(), Panic()])
def test_what_would_end_more_than_a_request(error: BaseException, wait: int) -> None:
    """A model that exits, or raises what no thread hands on, fails its own request: no gateway ends, and none hangs."""
    found = asked_of(Counting(error), [question(1), question(13), question(3)], batch_wait_ms=wait)
    assert found[0].y_pred == [2] and found[2].y_pred == [6]
    assert isinstance(found[1], ModelError) and str(found[1]) == f"the model raised {type(error).__name__}"
    assert found[1].__cause__ is error


@pytest.mark.parametrize("columns", [(), (Column(name="id"),), (Column(name="x", type="double"), Column(name="id"))])
def test_columns_without_types_are_asked_apart(columns: Sequence[Column]) -> None:
    """Where pandas finds a column's type from its values, no value is changed by those of another request."""
    model = Model(
        columns=columns,
        example=None,
        classes=(),
        positive_label=None,
        raw=None,
        _transform=lambda rows: rows,
        _predict=lambda rows, _count: (rows["id"], None),
        _probabilities=None,
    )
    questions = [Question(Batch({"x": [1.0], "id": [value]}, 1), False) for value in (2**53 + 1, 0.5)]
    found = asked_of(Native(model), questions, batch_wait_ms=50)
    assert [one.y_pred for one in found] == [[2**53 + 1], [0.5]]


def test_tensors_are_asked_together() -> None:
    """A model that takes tensors gives their types, and is asked for several requests in one call."""
    runtime = Counting()
    runtime.columns, runtime.tensors = (), (Tensor(name="x", type="float32", shape=(-1,)),)
    asked_of(runtime, [question(1), question(2)], batch_wait_ms=50)
    assert runtime.asked == [2]


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
