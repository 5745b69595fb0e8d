"""The model is asked: on the event loop where that is quick, else in one of a few threads, and never by too many."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, ThreadPoolExecutor
from types import TracebackType

from cd4ml.serving.batching import MicroBatches
from cd4ml.serving.exchange import Answers
from cd4ml.serving.protocols import Question
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.settings import Settings
from cd4ml.serving.signature import ModelError


class Calls:
    """The calls of the model that run or wait for a thread.

    Attributes:
        places: how many more may come; `in_threads`: how many are there.
    """

    def __init__(self, settings: Settings) -> None:
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="predict")
        self.places = settings.threads + settings.waiting
        self.in_threads = 0
        self._call = self._in_thread
        if settings.batch_wait_ms:
            batches = MicroBatches(self._in_thread, wait=settings.batch_wait_ms / 1000, rows=settings.batch_rows)
            self._call = batches.ask

    def at_once(self, runtime: Runtime, question: Question) -> Answers | None:
        """Return the model's answers where it is quick, None where they have to be awaited.

        Raises:
            Refused: the model cannot handle the values.
        """
        if question.batch.rows > runtime.inline_rows:
            return None
        return runtime.predict(question.batch, probabilities=question.probabilities)

    async def ask(self, runtime: Runtime, question: Question) -> Answers:
        """Return the model's answers.

        Raises:
            Refused: the model cannot handle the values, or too many requests wait.
            ModelError: see Runtime; or the model's code would have ended the gateway, or its thread.
        """
        answers = self.at_once(runtime, question)
        if answers is not None:
            return answers
        if self.in_threads >= self.places:
            raise Refused(503, "busy", "Too many requests are waiting; try again.")
        self.in_threads += 1
        try:
            return await self._call(runtime, question)
        finally:
            self.in_threads -= 1

    async def _in_thread(self, runtime: Runtime, question: Question) -> Answers:
        """Return the model's answers from a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _asked, runtime, question)


def _asked(runtime: Runtime, question: Question) -> Answers:
    """Return the model's answers; runs in a thread."""
    with _Contained():
        return runtime.predict(question.batch, probabilities=question.probabilities)


class _Contained:
    """What the model's code raises leaves the thread as an error of the model.

    The event loop would end with SystemExit, no future takes StopIteration, and of the thread's CancelledError a future
    makes that of a task.
    """

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Let errors go on as they are, and anything else as ModelError."""
        if isinstance(error, StopIteration | CancelledError) or not isinstance(error, Exception | None):
            raise ModelError(f"the model raised {type(error).__name__}") from error
