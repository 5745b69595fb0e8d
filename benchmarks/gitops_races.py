#!/usr/bin/env python3
"""Whether writers that race for one manifest lose anything, and what a run leaves behind that is killed at any moment.

Every writer sets a key of its own in one file and records it; a round holds if all keys, all commits and all entries of
the ledger are there. A run that is killed, with or without the git that it started, must leave the whole change or none
of it, and the next run must finish it without help.

benchmarks/gitops_races.py --writers 50 --rounds 20 --kills 200
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from cd4ml.gitops.edit import Edit, apply
from cd4ml.gitops.repository import clone, land

FILE: Final = "credit/values.yaml"


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(folder: Path, keys: int) -> Path:
    """Make a bare repository with one file of so many keys."""
    work, bare = folder / "work", folder / "gitops.git"
    (work / FILE).parent.mkdir(parents=True)
    (work / FILE).write_text("".join(f"key-{n}: {{weight: 0}}  # of writer {n}\n" for n in range(keys)))
    git(folder, "init", "--quiet", "--bare", "--initial-branch", "main", str(bare))
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "Keys")
    git(work, "push", "--quiet", str(bare), "main")
    return bare


def write(bare: Path, key: int, value: int) -> None:
    """Set one key, as a run of deploy-model would."""
    edit = Edit(document=0, path=(f"key-{key}", "weight"), value=value)
    said = f"Set {key}\n\nCd4ml-Image: registry.example.com/credit@sha256:{value:032x}{key:032x}\n"
    with clone(str(bare), "main", os.environ) as opened:
        land(opened, FILE, lambda text: apply(text, [edit]), said, progress=lambda words: None)


def _grouped(bare: Path, key: int, value: int) -> None:
    """Write in a process group of its own, which can be killed as a whole."""
    os.setsid()
    write(bare, key, value)


def started(bare: Path, key: int, value: int) -> multiprocessing.Process:
    """Start a writer."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_grouped, args=(bare, key, value))
    process.start()
    return process  # type: ignore[return-value]


def races(folder: Path, writers: int, rounds: int) -> None:
    """Let writers race, round after round, and print what is there afterwards."""
    bare, seconds, landed = repository(folder, writers), [], 0
    for number in range(1, rounds + 1):
        begun = time.monotonic()
        processes = [started(bare, key, number) for key in range(writers)]
        for process in processes:
            process.join()
        seconds.append(time.monotonic() - begun)
        failed = sum(process.exitcode != 0 for process in processes)
        there = git(bare, "show", f"main:{FILE}").count(f"weight: {number}}}")
        landed += there
        commits = int(git(bare, "rev-list", "--count", "main")) - 1
        ledger = git(bare, "log", "--format=%B", "refs/cd4ml/ledger/main").count("Cd4ml-Commit: ")
        print(f"round {number}: {there} of {writers} there, {failed} gave up, {seconds[-1]:.0f} s", flush=True)
        if (there, commits, ledger) != (writers - failed, landed, landed):
            sys.exit(f"lost: {there} keys, {commits} commits, {ledger} entries of the ledger for {landed} writers")
    merges = git(bare, "rev-list", "--merges", "--count", "main")
    git(bare, "fsck", "--strict")
    print(
        f"{writers} writers x {rounds} rounds: {landed} of {writers * rounds} landed, 0 lost, {merges} merges; "
        f"{statistics.median(seconds):.0f} s a round (median)"
    )


def settled(bare: Path) -> None:
    """Wait until what a killed run had started has ended, and check that the repository is whole then.

    A push that goes on adds objects while they are counted, so that only what stays missing is missing.
    """
    for pause in (0.2, 0.5, 1.0, 2.0, 4.0):
        time.sleep(pause)
        head = git(bare, "rev-parse", "main")
        if subprocess.run(["git", "fsck", "--strict"], cwd=bare, capture_output=True).returncode == 0:
            if git(bare, "rev-parse", "main") == head:
                return
    git(bare, "fsck", "--strict")


def kills(folder: Path, number: int) -> None:
    """Kill runs at random moments, and print what they left behind."""
    bare = repository(folder, 1)
    begun = time.monotonic()
    write(bare, 0, 1)
    usual, before, killed, whole = time.monotonic() - begun, 2, 0, 0
    for value in range(2, number + 2):
        process = started(bare, 0, value)
        time.sleep(random.uniform(0.02, 1.1) * usual)
        if process.is_alive() and process.pid:
            killed += 1
            # Alone, it leaves the git that it started to go on; with its group, nothing goes on.
            (os.kill if value % 2 else os.killpg)(process.pid, signal.SIGKILL)
        process.join()
        settled(bare)
        commits, done = int(git(bare, "rev-list", "--count", "main")), f"weight: {value}}}" in git(
            bare, "show", f"main:{FILE}"
        )
        if commits - before != done:
            sys.exit(
                f"half done after kill {killed}: {commits - before} commits, the file is {'new' if done else 'old'}"
            )
        whole += done
        write(bare, 0, value)
        before += 1
        if int(git(bare, "rev-list", "--count", "main")) != before:
            sys.exit(f"the run after kill {killed} did not finish the work")
        if (value - 1) % 20 == 0:
            print(
                f"{value - 1} runs, {killed} killed: {whole} had landed as a whole, the next run finished each",
                flush=True,
            )
    print(
        f"{number} runs, {killed} killed within {1.1 * usual:.1f} s: {whole} had landed as a whole, "
        f"{number - whole} not at all, 0 half done; the next run finished each"
    )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--writers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        if given.rounds:
            races(Path(one), given.writers, given.rounds)
        if given.kills:
            kills(Path(two), given.kills)


if __name__ == "__main__":
    main()
