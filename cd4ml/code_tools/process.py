"""Running a tool to its end, with everything that it started."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cd4ml.code_tools.tool import CUT_OFF, Output
from cd4ml.process import end, start

MOST_OUTPUT: Final = 50_000_000  # bytes; more is not read, and what is not read cannot pass


class Running:
    """The processes that run side by side, so that all of them end when one of their callers is interrupted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ended = False

    def run(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path, seconds: float
    ) -> Output:
        """Run a command in a process group of its own, which is ended as a whole.

        Output goes to files: a server that a test leaves behind would keep a pipe open for ever.
        """
        stdout, stderr = folder / f"{name}.out", folder / f"{name}.err"
        with stdout.open("wb") as out, stderr.open("wb") as err:
            with self._lock:
                if self._ended:
                    return Output(code=CUT_OFF, stdout="", stderr="interrupted")
                process = start(command, environ=environ, stdout=out, stderr=err)
                self._processes.append(process)
            try:
                code = process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                return Output(code=CUT_OFF, stdout="", stderr=f"it did not end within {seconds:g} s (timeout)")
            finally:
                end(process)
        if max(stdout.stat().st_size, stderr.stat().st_size) > MOST_OUTPUT:
            return Output(code=CUT_OFF, stdout="", stderr=f"it wrote more than {MOST_OUTPUT} bytes")
        return Output(code=code, stdout=_text(stdout), stderr=_text(stderr))

    def end(self) -> None:
        """End everything that runs and let nothing more start."""
        with self._lock:
            self._ended = True
            for process in self._processes:
                if process.poll() is None:
                    end(process)


def _text(path: Path) -> str:
    """Return what a tool wrote."""
    return path.read_bytes().decode("utf-8", "replace")
