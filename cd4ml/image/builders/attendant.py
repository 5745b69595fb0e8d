"""Runs inside the container, on the image's own Python: starts the gateway, and runs programs beside it when asked.

Its first argument is the gateway's command, in JSON. Each line of standard input is a request,
`{"program": …, "stdin": …, "seconds": …}`, and each line of standard output its answer. It ends when its input does,
and the gateway with it. So whoever asks needs no other way into the container. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys


def run(program: str, stdin: str, seconds: float) -> dict[str, object]:
    """Run a Python program and return how it ended, and what it wrote."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"code": 124, "output": "", "errors": f"it did not end within {seconds:g} seconds"}
    return {"code": done.returncode, "output": done.stdout, "errors": done.stderr[-2000:]}


def main() -> None:
    """Answer every request."""
    gateway = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        for line in sys.stdin:
            print(json.dumps(run(**json.loads(line))), flush=True)
    finally:
        gateway.terminate()
        gateway.wait()


if __name__ == "__main__":
    main()
