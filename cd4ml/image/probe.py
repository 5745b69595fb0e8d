"""Runs inside the container, on the image's own Python, and answers with one JSON document.

Reads a request from standard input: `{"action": "look", "port": …, "seconds": …}` waits until the gateway is ready and
says what the image is made of; `{"action": "predict", "port": …, "rows": […]}` sends rows. Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

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
        "read_only_root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "writable": [folder for folder in ("/", "/app", "/app/model", "/opt/venv") if os.access(folder, os.W_OK)],
        "build_tools": [name for name in BUILD_TOOLS if shutil.which(name)]
        + [name for name in ("pip", "setuptools") if importlib.util.find_spec(name)],
        "model_sha256": folder_sha256(Path("/app/model")),
        "python": platform.python_version(),
    }


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
    name = request.pop("action")
    print(json.dumps(look(**request) if name == "look" else predict(**request)))


if __name__ == "__main__":
    main()
