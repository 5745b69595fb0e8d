"""Whole processes, run in turn: CPU seconds, wall seconds and peak memory, and their ratios."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cd4ml" / "benchmarks"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process: user and system CPU seconds, wall seconds, peak resident memory in MiB."""

    cpu: float
    wall: float
    peak: float


def sizes(about: str | None, rows: Sequence[int], write: Callable[[Path, int, int], None]) -> argparse.Namespace | None:
    """Return the rows and rounds that are asked for; None in a process that only writes a table (see `written`).

    Args:
        rows: what is measured if nothing else is asked for.
        write: writes a table, given its place, its rows and a seed.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=list(rows))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--make", nargs=3, metavar=("FILE", "ROWS", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    if not arguments.make:
        return arguments
    write(Path(arguments.make[0]), int(arguments.make[1]), int(arguments.make[2]))
    return None


def written(program: str, places: Sequence[Path], rows: int) -> None:
    """Write tables, each in a process of its own: what is measured afterwards would inherit its peak of memory."""
    for seed, place in enumerate(places):
        run([sys.executable, program, "--make", place, str(rows), str(seed)])


def environment(name: str, requirements: Sequence[str]) -> Path:
    """Return the Python of a throw-away environment for a rival, made once."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        uv = str(ROOT / ".venv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
        subprocess.run([*install, *requirements], check=True)
        (folder / "complete").touch()
    return python


def stage(name: str, *requirements: str) -> Path:
    """Return the Python of a stage in the environment that users have: the stage's own, from its lock files."""
    locked = [f"--requirements={ROOT / 'requirements' / lock}.txt" for lock in ("core", *requirements)]
    return environment(name, locked)


def run(command: Sequence[str | Path], expected: Sequence[int] = (0,)) -> Run:
    """Run a command to its end; an exit code that is not expected ends the benchmark."""
    # Without compiled modules every run would compile them again, which takes longer than a million rows.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    with (CACHE / "output").open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, env=variables
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code not in expected:
        sys.exit(f"{command}: exit code {code}\n{(CACHE / 'output').read_text(errors='replace')[-2000:]}")
    return Run(cpu=usage.ru_utime + usage.ru_stime, wall=wall, peak=usage.ru_maxrss / 1024)


def compare(
    commands: Mapping[str, Sequence[str | Path]], rounds: int, expected: Sequence[int] = (0,)
) -> dict[str, Run]:
    """Run commands in turn, several rounds; return the medians."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            print(f"\r{number + 1}/{rounds} {name:30}", end="", file=sys.stderr, flush=True)
            runs[name].append(run(command, expected))
    print(f"\r{'':40}\r", end="", file=sys.stderr)
    return {
        name: Run(
            cpu=statistics.median(item.cpu for item in items),
            wall=statistics.median(item.wall for item in items),
            peak=statistics.median(item.peak for item in items),
        )
        for name, items in runs.items()
    }


def table(title: str, runs: Mapping[str, Run], limit: str, ours: str) -> None:
    """Print medians, and ratios against the limit and against ours."""
    print(f"\n{title}\n\n| engine | CPU s | wall s | peak MiB | CPU / {limit} | CPU / {ours} | wall / {ours} |")
    print("|---|---|---|---|---|---|---|")
    for name, item in runs.items():
        ratios = [item.cpu / runs[limit].cpu, item.cpu / runs[ours].cpu, item.wall / runs[ours].wall]
        shown = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {name} | {item.cpu:.2f} | {item.wall:.2f} | {item.peak:.0f} | {shown} |", flush=True)
