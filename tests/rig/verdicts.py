"""Where Argo Rollouts asks for verdicts, and the stage that gives them."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.conftest import run_cd4ml
from tests.events import CANARY, STABLE, Service, events, lines
from tests.rig.release import VERDICTS_PORT, Release

# Of both versions together in each step: no gateway runs in the rig, so a canary of 1 % has no fewer than one of 50 %.
ROWS: Final = 12_000
HEALTHY: Final = replace(CANARY, share=0.5, failed=0.002)
DEGRADED: Final = replace(HEALTHY, failed=0.1)


class Verdicts:
    """Serves reports on loopback, each at the digest of the image that it is about."""

    def __init__(self, folder: Path) -> None:
        """Serve the folder, which is empty: nothing is said about any image."""
        self._folder = folder
        folder.mkdir()
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", VERDICTS_PORT), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def publish(self, digest: str, report: Any) -> None:
        """Put a report where it is asked for, at once."""
        path = self._path(digest)
        path.with_suffix(".new").write_text(json.dumps(report))
        path.with_suffix(".new").rename(path)

    def withdraw(self, digest: str) -> None:
        """Say nothing more about an image."""
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        path = self._folder / digest / "analyze-rollout.json"
        path.parent.mkdir(exist_ok=True)
        return path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: who asked, and when, is in the analysis runs."""


# What is said about a candidate whose canary has this share of the traffic; nothing is said if it is None.
Judge = Callable[[int], Any]


class Watch(threading.Thread):
    """Writes down every share of the traffic that a canary gets, and publishes what is said about it then."""

    def __init__(self, release: Release, verdicts: Verdicts, digest: str, judge: Judge) -> None:
        """It begins with `start`; what was said about the candidate before counts no more."""
        super().__init__(daemon=True)
        verdicts.withdraw(digest)
        self.shares: list[int] = [0]
        self._release, self._verdicts, self._digest, self._judge = release, verdicts, digest, judge
        self._ended = threading.Event()

    def run(self) -> None:
        """Look several times a second; a new step begins without a report."""
        while not self._ended.wait(0.2):
            if self._look() and 0 < (share := self.shares[-1]) < 100:
                self._verdicts.withdraw(self._digest)
                if (report := self._judge(share)) is not None:
                    self._verdicts.publish(self._digest, report)

    def stop(self) -> list[int]:
        """Return the shares, in their order, the one of this moment among them."""
        self._ended.set()
        self.join()
        self._look()
        return self.shares

    def _look(self) -> bool:
        """Return whether the share is another one than before."""
        share = self._release.weights()["canary"]
        if share == self.shares[-1]:
            return False
        self.shares.append(share)
        return True


def analyzed(folder: Path, canary: Service, *, rows: int = ROWS) -> Any:
    """Return the report of `cd4ml analyze-rollout` on a minute of both versions' events."""
    found = events(replace(STABLE, share=0.5, failed=HEALTHY.failed), canary, rows=rows, minutes=1)
    (folder / "events.jsonl").write_text("".join(lines(found)))
    models = ("--stable-model", STABLE.model, "--canary-model", canary.model)
    return run_cd4ml(folder, "analyze-rollout", "--stable", "events.jsonl", "--since", "1m", *models).report
