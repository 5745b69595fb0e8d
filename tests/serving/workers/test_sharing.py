"""Whether workers share the model: only where a forked process was seen to call it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT, clean_environment

PROGRAM = """
import logging, os, sys, threading, time
from pathlib import Path
from cd4ml.serving.state import Service, State
from cd4ml.serving.workers import sharing
logging.basicConfig(stream=sys.stdout, format="%(message)s", force=True)
class Runtime:
    def warm_up(self):
        {warm_up}
class Loading(State):
    def _verified(self):
        {load}
        return Runtime()
state = Loading(folder=Path("."), service=Service(name="m", version=None, sha256="a"))
sharing._unshared.__defaults__ = (1.0,)
sharing.load(state)
print("shared" if state.preloaded else "each", state.phase, os.environ.get("OMP_THREAD_LIMIT"))
"""
AGAIN = "each worker loads the model for itself: "


@pytest.mark.parametrize(
    ("load", "warm_up", "said"),
    [
        ("pass", "return 'blank-row'", "shared loading 1"),
        ("pass", "time.sleep(60)", f"{AGAIN}a forked process did not get an answer of it within 1 s\neach loading 1"),
        ("pass", "os.abort()", f"{AGAIN}a forked process could not call it\neach loading 1"),
        ("pass", "raise RuntimeError", f"{AGAIN}a forked process could not call it\neach loading 1"),
        (
            "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "return 'blank-row'",
            f"{AGAIN}it started threads when it was loaded\neach loading 1",
        ),
        ("raise OSError('no file')", "pass", "the model cannot be served: OSError: no file\neach failed 1"),
    ],
)
def test_model__shared_or_not(load: str, warm_up: str, said: str) -> None:
    """A model is shared where a forked process can call it; where not, the program begins again without sharing."""
    done = subprocess.run(
        [sys.executable, "-u", "-c", PROGRAM.format(load=load, warm_up=warm_up)],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == said
