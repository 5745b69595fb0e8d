"""The servers of the rig: started with a log each, and ended whatever happens."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


class Processes:
    """Programs that run until the rig ends."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet; logs go into the folder."""
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path, env: Mapping[str, str]) -> None:
        """Start a program in the rig's folder."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env=dict(env),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def memory(self) -> dict[str, int]:
        """Return how much memory each program holds, in MiB."""
        return {name: _resident(process.pid) // 1024 for name, process in self._running.items()}

    def check(self) -> None:
        """Fail if a program has ended, with the end of its log."""
        for name, process in self._running.items():
            assert process.poll() is None, f"{name} has ended: {self.log(name)}"

    def log(self, name: str) -> str:
        """Return the end of a program's log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        """End all programs, the newest first."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def until(what: str, look: Callable[[], Found], *, seconds: float, processes: Processes | None = None) -> Found:
    """Return what is found once it is true; fail after so many seconds, or as soon as a program has ended."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if processes is not None:
            processes.check()
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return found
