"""One copy of the model for all workers: loaded before they are forked, if a forked process can call it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Final

from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.state import State
from cd4ml.serving.workers.supervisor import end_with_parent

_LOG: Final = logging.getLogger("cd4ml.serving.workers")
# Each worker is to calculate with one thread: together they have the processors. A limit holds also where a model asks
# for more by itself: threads that OpenMP has started when the model is loaded would be waited for after a fork.
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LIMIT: Final = "OMP_THREAD_LIMIT"
# Set by the gateway for itself alone, when it begins again.
_LOADED_BY_EACH: Final = "CD4ML_LOADED_BY_EACH_WORKER"
_TRIAL_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01


def load(state: State) -> None:
    """Load the model for processes that are forked from this one, unless each must load it for itself.

    Whether a library works after a fork, nobody but the library knows. So a forked process tries; where it cannot, the
    program begins again, since what is loaded cannot be unloaded.
    """
    if os.environ.get(_LOADED_BY_EACH) or state.provider != "cpu":
        return
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault(_LIMIT, "1")
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    # In a thread, as without workers: whatever the model's code raises ends that alone.
    loading = threading.Thread(target=state.preload)
    loading.start()
    loading.join()
    if state.preloaded is not None and (why := _unshared(state.preloaded)):
        _LOG.warning("each worker loads the model for itself: %s", why)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _LOADED_BY_EACH: "true"})


def _unshared(runtime: Runtime, seconds: float = _TRIAL_SECONDS) -> str:
    """Return why processes that are forked now cannot use the model, "" if they can."""
    if threading.active_count() > 1:
        return "it started threads when it was loaded"
    process = os.fork()
    if not process:
        end_with_parent()
        try:
            runtime.warm_up()
            os._exit(0)
        finally:
            os._exit(1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return "a forked process could not call it" if status else ""
        time.sleep(_LOOK_SECONDS)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return f"a forked process did not get an answer of it within {seconds:g} s"
