"""Micro-batches: requests that come within a few milliseconds are asked of the model in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.protocols import Question
from cd4ml.serving.runtimes import Runtime

Call = Callable[[Runtime, Question], Awaitable[Answers]]


@dataclass(kw_only=True)
class _Group:
    """Requests that wait for one call, and when it is made at the latest."""

    runtime: Runtime
    timer: asyncio.TimerHandle
    rows: int = 0
    waiting: list[tuple[Question, asyncio.Future[Answers]]] = field(default_factory=list)


class MicroBatches:
    """Gathers requests for a model; all of it on the event loop but the call itself.

    A model that does not give a type for each of its columns is never asked for several requests: pandas would take the
    type from all rows, and change the values of one caller (9007199254740993 beside 0.5) by those of another.
    Rows that a request asks for together stay together, and requests of different columns, or of tensors of different
    shapes, are asked apart. Where a call of several fails, each request is asked by itself: a bad row is the fault of
    nobody beside it, and is named by its place in its own request.
    """

    def __init__(self, call: Call, *, wait: float, rows: int) -> None:
        """Prepare.

        Args:
            wait: how many seconds a request waits for others.
            rows: with so many rows a call is made at once.
        """
        self._call, self._wait, self._most = call, wait, rows
        self._groups: dict[Hashable, _Group] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def ask(self, runtime: Runtime, question: Question) -> Answers:
        """Return the model's answers to one request.

        Raises:
            Refused: see Runtime.
        """
        rows, loop = question.batch.rows, asyncio.get_running_loop()
        if rows >= self._most or not _typed(runtime):
            return await self._call(runtime, question)
        form = _form(question)
        if form in self._groups and self._groups[form].rows + rows > self._most:
            self._close(form)
        if form not in self._groups:
            timer = loop.call_later(self._wait, self._close, form)
            self._groups[form] = _Group(runtime=runtime, timer=timer)
        group = self._groups[form]
        found: asyncio.Future[Answers] = loop.create_future()
        group.waiting.append((question, found))
        group.rows += rows
        if group.rows >= self._most:
            self._close(form)
        return await found

    def _close(self, form: Hashable) -> None:
        """Make the call that a group waits for."""
        group = self._groups.pop(form)
        group.timer.cancel()
        call = asyncio.create_task(self._answer(group))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _answer(self, group: _Group) -> None:
        """Ask for all, and where that fails for each; whoever has left is not asked for."""
        waiting = [(question, found) for question, found in group.waiting if not found.done()]
        questions = [question for question, _ in waiting]
        if len(questions) > 1:
            (said,) = await asyncio.gather(self._call(group.runtime, _together(questions)), return_exceptions=True)
            if not isinstance(said, BaseException):
                for (_, found), answers in zip(waiting, _apart(said, questions), strict=True):
                    if not found.done():
                        found.set_result(answers)
                return
        each = await asyncio.gather(*(self._call(group.runtime, one) for one in questions), return_exceptions=True)
        for (_, found), one in zip(waiting, each, strict=True):
            if found.done():
                continue
            if isinstance(one, BaseException):
                found.set_exception(one)
            else:
                found.set_result(one)


def _typed(runtime: Runtime) -> bool:
    """Whether the model gives a type for each of its columns or tensors."""
    if not runtime.columns:
        return bool(runtime.tensors)
    return all(column.type is not None for column in runtime.columns)


def _form(question: Question) -> Hashable:
    """Return what two requests have in common that can be asked together."""
    columns = question.batch.columns
    shapes = tuple((name, getattr(values[0], "shape", None)) for name, values in columns.items())
    return question.probabilities, shapes


def _together(questions: list[Question]) -> Question:
    """Return the rows of all requests as one."""
    names = questions[0].batch.columns
    columns: dict[str, list[Any]] = {
        name: [value for one in questions for value in one.batch.columns[name]] for name in names
    }
    rows = sum(one.batch.rows for one in questions)
    return Question(Batch(columns=columns, rows=rows), questions[0].probabilities)


def _apart(answers: Answers, questions: list[Question]) -> list[Answers]:
    """Return the answers to each request."""
    found, first = [], 0
    for one in questions:
        rows = slice(first, first + one.batch.rows)
        scores, shares = answers.y_score, answers.probabilities
        found.append(Answers(answers.y_pred[rows], scores and scores[rows], shares and shares[rows]))
        first += one.batch.rows
    return found
