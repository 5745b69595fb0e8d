#!/usr/bin/env python3
"""What a stage costs before it does anything: its environment made on a new runner, and used again in the same job.

Every run goes through `actions/run-stage.sh`, as an action does, without options: the environment is made, the stage
starts, and refuses. uv is not on PATH unless `--uv` is given. With `--against COMMIT` the suite of another commit takes
turns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import CACHE, ROOT, Run, compare  # noqa: E402

STAGES: Final = ("check-code", "validate-data", "evaluate-model", "audit-fairness", "detect-drift")
# Without options a stage refuses: bad options, or an input that is not there.
REFUSED: Final = (2, 3)
_NETWORK: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


def exported(commit: str, folder: Path) -> Path:
    """Return the suite of a commit in a folder, without its history."""
    folder.mkdir()
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], check=True, input=archive)
    return folder


def commands(suite: Path, stage: str, scratch: Path, *, with_uv: bool) -> dict[str, list[str | Path]]:
    """Return what a first and a second step of a job run; the first one finds neither environment nor downloads."""
    folders = [Path(part) for part in os.environ["PATH"].split(os.pathsep)]
    path = [str(part) for part in folders if with_uv or not (part / "uv").exists()]
    settings = {name: os.environ[name] for name in _NETWORK if name in os.environ}
    settings |= {"HOME": str(scratch), "PATH": os.pathsep.join(path), "RUNNER_TEMP": str(scratch / "temp")}
    step = ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), "bash"]
    script = 'rm -rf "$HOME"/* "$HOME"/.[a-z]*; mkdir -p "$HOME/work"; cd "$HOME/work"; exec bash "$0" "$1"'
    again = 'cd "$HOME/work"; exec bash "$0" "$1"'
    run = suite / "actions" / "run-stage.sh"
    return {"first step": [*step, "-c", script, run, stage], "second step": [*step, "-c", again, run, stage]}


def measured(suites: dict[str, Path], stage: str, scratch: Path, rounds: int, *, with_uv: bool) -> dict[str, Run]:
    """Return the medians of a stage's first and second step, by suite."""
    found = {}
    for name, suite in suites.items():
        home = scratch / f"{name}-{stage}"
        home.mkdir()
        for step, command in commands(suite, stage, home, with_uv=with_uv).items():
            found[f"{step}, {name}"] = command
    return compare(found, rounds, REFUSED)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=STAGES, metavar="STAGE")
    parser.add_argument("--against", metavar="COMMIT", help="a commit to take turns with")
    parser.add_argument("--uv", action="store_true", help="leave uv on PATH")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        suites = {"now": ROOT}
        if given.against:
            suites = {"before": exported(given.against, scratch / "before"), **suites}
        print("| stage | step | CPU s | wall s |\n|---|---|---|---|")
        for stage in given.stages:
            for name, item in measured(suites, stage, scratch, given.rounds, with_uv=given.uv).items():
                print(f"| {stage} | {name} | {item.cpu:.1f} | {item.wall:.1f} |", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
