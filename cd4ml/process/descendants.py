"""Ending everything that was started inside a block, however it tries to stay."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from cd4ml.errors import UnavailableError
from cd4ml.process.linux import below, set_subreaper, subreaper

T = TypeVar("T")
_SECONDS_TO_END: Final = 10.0


@contextmanager
def contained() -> Iterator[None]:
    """End everything that was started inside the block when it is left, however it is left.

    A program may fork twice, make a session of its own and change its name: on Linux it still becomes a child of this
    process when its own parent ends (`PR_SET_CHILD_SUBREAPER`). What was running before is left alone.

    Raises:
        UnavailableError: something that was started does not end.
    """
    before = set(below(os.getpid()))
    adopted = subreaper()
    set_subreaper(1)
    try:
        yield
    finally:
        try:
            _end_all(before)
        finally:
            set_subreaper(adopted)


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Run a function in a thread beside the block; its result is the future's.

    If the block is left by an error or a signal, the programs that the function started are ended until it gives up.
    """
    before = set(below(os.getpid()))
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            yield future
        except BaseException:
            while not future.done():
                _end_all(before)
                time.sleep(0.01)
            raise


def _end_all(before: set[int]) -> None:
    """End every descendant that is none of those before, until there is none."""
    deadline = time.monotonic() + _SECONDS_TO_END
    while left := below(os.getpid(), before):
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{len(left)} processes that this run started did not end (among them {left[0]}).",
                advice="End them by hand: whatever they still write cannot be trusted.",
            )
        time.sleep(0.005)
