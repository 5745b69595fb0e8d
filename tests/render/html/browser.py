"""A browser without a window, spoken to over a pipe: opens a page, runs a script in it, and takes its picture."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-extensions", "--remote-debugging-pipe"),
)


class Browser:
    """One page of a browser.

    Attributes:
        said: console messages and errors of the page.
        requests: addresses that it asked for.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._from = os.fdopen(reading, "rb")
        self._to = os.fdopen(writing, "wb")
        self._number = 0
        self._session: str | None = None
        self._events: list[str] = []
        self.said: list[str] = []
        self.requests: list[str] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._send(f"{domain}.enable")
        self._send(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )

    def close(self) -> None:
        """Close both pipes."""
        self._from.close()
        with contextlib.suppress(OSError):
            self._to.close()

    def open(self, page: Path, *, width: int = 1280, dark: bool = False, paper: bool = False) -> None:
        """Load a page and wait until it stands."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=[scheme])
        self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        self._events.clear()
        self._send("Page.navigate", url=page.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._take(self._receive())

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression."""
        found = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """Save the whole page as a PNG."""
        taken = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": parameters, **session}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self._take(answer)

    def _receive(self) -> dict[str, Any]:
        """Return the next message."""
        taken = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser ended"
            taken += byte
        return dict(json.loads(taken))

    def _take(self, event: dict[str, Any]) -> None:
        """Remember what an event tells."""
        method, parameters = event.get("method", ""), event.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.said.append(str(parameters["args"]))
        elif method == "Log.entryAdded":
            self.said.append(parameters["entry"]["text"])


@contextlib.contextmanager
def browser(program: str) -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it."""
    here, its = os.pipe(), os.pipe()  # commands go through the first, answers come through the second

    def place() -> None:
        """Put the pipes where the browser looks for them; both are copied first, so that neither lands on the other."""
        reading, writing = os.dup(here[0]), os.dup(its[1])
        os.dup2(reading, 3)
        os.dup2(writing, 4)

    with tempfile.TemporaryDirectory(prefix="cd4ml-browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *ARGUMENTS, f"--user-data-dir={profile}"],
            pass_fds=(3, 4, here[0], its[1]),
            preexec_fn=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(here[0])
        os.close(its[1])
        found: Browser | None = None
        try:
            found = Browser(its[0], here[1])
            yield found
        finally:
            process.kill()
            process.wait()
            if found:
                found.close()
