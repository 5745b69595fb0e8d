"""Runs inside the container, on the image's own Python, and answers with one JSON document.

Reads a request from standard input: `{"action": "look", "port": …, "seconds": …}` waits until the gateway is ready and
says what the image is made of; `{"action": "predict", "port": …, "rows": […]}` sends rows; `{"action": "load", …}`
sends large requests at once, then single rows at an even rate. Standard library only.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import platform
import shutil
import stat
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

FOLDERS = ("/", "/app", "/app/model", "/opt/venv")
# Of the requests at an even rate: those that wait for an answer at once, and those before the ones that count.
CONNECTIONS = 16
WARM_UP = 20
BUILD_TOOLS = ("gcc", "cc", "g++", "c++", "clang", "make", "ld", "pip", "pip3", "uv", "conda", "git")


def call(port: int, path: str, document: Any = None) -> tuple[int, Any]:
    """Return status and JSON body of a call; status 0 if nobody listens yet."""
    data = None if document is None else json.dumps(document, allow_nan=False).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=data, headers={"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def look(port: int, seconds: float) -> dict[str, Any]:
    """Wait until the gateway is ready or has failed; return what it and the image say."""
    from cd4ml.digests import folder_sha256

    end = time.monotonic() + seconds
    status, readiness = call(port, "/health/readiness")
    while status != 200 and readiness.get("status") != "failed" and time.monotonic() < end:
        time.sleep(0.2)
        status, readiness = call(port, "/health/readiness")
    return {
        "ready": status == 200,
        "readiness": readiness,
        "liveness": call(port, "/health/liveness")[0],
        "version": call(port, "/version")[1],
        "uid": os.getuid(),
        "routes": routes(),
        "read_only_root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "writable": [folder for folder in FOLDERS if os.access(folder, os.W_OK) or changeable(os.stat(folder))],
        "build_tools": [name for name in BUILD_TOOLS if shutil.which(name)]
        + [name for name in ("pip", "setuptools") if importlib.util.find_spec(name)],
        "model_sha256": folder_sha256(Path("/app/model")),
        "python": platform.python_version(),
        "startup_seconds": age() if status == 200 else None,
        "ready_bytes": resident_bytes(gateway()) if status == 200 else 0,
    }


def changeable(found: os.stat_result) -> bool:
    """Whether this process may change a folder where the root is not read-only: by owner and mode, as it stands there.

    Where only one user is known, as without an engine, all files seem to be that one's: who owns them says nothing.
    """
    if found.st_mode & stat.S_IWOTH:
        return True
    if single(Path("/proc/self/uid_map").read_text()):
        return False
    groups = {os.getgid(), *os.getgroups()}
    return found.st_uid == os.getuid() or (found.st_gid in groups and bool(found.st_mode & stat.S_IWGRP))


def single(users: str) -> bool:
    """Whether a map of users (see user_namespaces(7)) knows no more than one."""
    return sum(int(line.split()[2]) for line in users.splitlines() if line.strip()) <= 1


def gateway() -> list[Path]:
    """Return the folders below /proc of the gateway's processes: itself, and what it or its model has started.

    An engine without namespaces of processes shows those of the machine: another image's gateway has another root.
    """
    parents: dict[int, int] = {}
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
            parents[int(folder.name)] = int(fields(folder)[1])
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
        if b"cd4ml.serving" in argv and here(folder):
            found.add(int(folder.name))
    more = found
    while more:
        more = {process for process, parent in parents.items() if parent in more} - found
        found = found | more
    return [Path(f"/proc/{process}") for process in sorted(found)]


def here(folder: Path) -> bool:
    """Whether a process, by its folder below /proc, has the root that this one has."""
    try:
        return os.path.samefile(folder / "root", "/proc/self/root")
    except OSError:  # it has ended meanwhile
        return False


def fields(folder: Path) -> list[str]:
    """Return the fields of a process's `stat` from the third on: those after its name, which may hold anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def age() -> float | None:
    """Return for how many seconds the gateway has run, None if that cannot be read."""
    up = float(Path("/proc/uptime").read_text().split()[0])
    begun = []
    for folder in gateway():
        try:
            # In ticks since boot.
            begun.append(int(fields(folder)[19]) / os.sysconf("SC_CLK_TCK"))
        except (OSError, ValueError, IndexError):
            continue
    return up - min(begun) if begun else None


def resident_bytes(processes: list[Path], field: str = "VmRSS") -> int:
    """Return the resident memory of processes, by their folders below /proc, added up; `VmHWM`: the largest of each."""
    total = 0
    for folder in processes:
        try:
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
    return total


class Watch(threading.Thread):
    """Sees the gateway's memory again and again: a process that ends takes its own largest with it."""

    def __init__(self) -> None:
        """Begin to look once it is started."""
        super().__init__(daemon=True)
        self.largest = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Look until it is ended."""
        while not self._over.wait(0.1):
            self.largest = max(self.largest, resident_bytes(gateway()))

    def end(self) -> int:
        """Return the largest memory: what was seen at once, or what each that still runs once had."""
        self._over.set()
        self.join()
        return max(self.largest, resident_bytes(gateway(), "VmHWM"))


def load(port: int, rows: list[dict[str, Any]], at_once: int, requests: int, per_second: float) -> dict[str, Any]:
    """Send a large request several times at once, then its first row alone at an even rate, after a warm-up."""
    watch = Watch()
    watch.start()
    with ThreadPoolExecutor(at_once) as pool:
        statuses = list(pool.map(lambda _: call(port, "/predict", {"rows": rows})[0], range(2 * at_once)))
    peak = watch.end()
    status = next((status for status in statuses if status != 200), 200)
    single, latencies = None, list[float]()
    if status == 200:
        body = json.dumps({"rows": rows[:1]}, allow_nan=False).encode()
        at_rate(port, body, WARM_UP, per_second)
        single, latencies = at_rate(port, body, requests, per_second)
    largest = {"status": status, "rows": len(rows), "peak_bytes": peak}
    return {**largest, "single_status": single, "latencies": sorted(latencies)}


def at_rate(port: int, body: bytes, requests: int, per_second: float) -> tuple[int, list[float]]:
    """Send requests when they are due, whatever became of those before; return the worst status, and the seconds each.

    The seconds are counted from the moment when a request was due: a server that is behind makes the later ones wait.
    """
    began, numbers = time.monotonic() + 0.05, iter(range(requests))
    lock, statuses, latencies = threading.Lock(), list[int](), list[float]()

    def client(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None or (statuses and statuses[-1] != 200):
                break
            due = began + number / per_second
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                answered = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                answered = 0
            with lock:
                statuses.append(answered)
                latencies.append(time.monotonic() - due)
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(client, range(CONNECTIONS)))
    return next((status for status in statuses if status != 200), 200), latencies


def routes() -> int | None:
    """Return how many ways lead to other machines, None if the container does not say."""
    try:
        return len(Path("/proc/net/route").read_text().splitlines()) - 1
    except OSError:
        return None


def predict(port: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the predictions for the rows, and how the gateway answers a row with a column that nobody knows."""
    predictions: list[Any] = []
    for start in range(0, len(rows), 100):
        status, body = call(port, "/predict", {"rows": rows[start : start + 100]})
        if status != 200:
            return {"status": status, "error": body.get("error", {}), "first_row": start}
        predictions += body["predictions"]
    bad, _ = call(port, "/predict", {"rows": [{**rows[0], "no such column": 1}]})
    return {"status": 200, "predictions": predictions, "bad_row_status": bad}


def main() -> None:
    """Answer the request on standard input."""
    request = json.load(sys.stdin)
    print(json.dumps(ACTIONS[request.pop("action")](**request)))


ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {"look": look, "predict": predict, "load": load}


if __name__ == "__main__":
    main()
