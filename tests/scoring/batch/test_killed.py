"""Runs that are killed at any moment lose no row, double none, and show readers the old table or the new one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from tests.conftest import ROOT, clean_environment

ROWS = 2_000
# `KILLS=100 pytest …` kills as often as one likes.
KILLS = int(os.environ.get("KILLS", "2"))


def start(folder: Path, output: str, offset: int) -> subprocess.Popen[bytes]:
    """Start a run."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scoring.batch.publishing", output, str(offset)],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(ROOT)),
    )


def offset_of(path: Path) -> int:
    """Return which run's table is there; every row of it must be there once."""
    found = DeltaTable(str(path)).to_pandas() if path.is_dir() else pd.read_parquet(path)
    found = found.sort_values("row_id")
    assert found["row_id"].tolist() == list(range(ROWS))
    (offset,) = set((found["y_pred"] - found["row_id"]).tolist())
    return int(offset)


@pytest.mark.timeout(600 + 60 * KILLS)
@pytest.mark.parametrize("output", ["scores.parquet", "scores"])
def test_killed_at_random(output: str, tmp_path: Path) -> None:
    """After kill -9 at any moment a table is whole, of this run or of the last one; the next run completes it."""
    pd.DataFrame({"x": range(ROWS)}).to_parquet(tmp_path / "rows.parquet", row_group_size=300)
    began = time.monotonic()
    assert start(tmp_path, output, 0).wait(timeout=240) == 0
    longest = time.monotonic() - began
    seed = int.from_bytes(os.urandom(4))
    chance, published = random.Random(seed), 0

    for kill in range(1, KILLS + 1):
        process = start(tmp_path, output, kill)
        time.sleep(chance.uniform(0.3, 1) * longest)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = offset_of(tmp_path / output)
        assert found in (published, kill), f"seed {seed}"
        if kill % 2:  # the same run again, from where it was killed; else one of other content begins anew
            assert start(tmp_path, output, kill).wait(timeout=240) == 0
            assert offset_of(tmp_path / output) == kill, f"seed {seed}"
            assert not list(tmp_path.glob(".*")), f"seed {seed}"
            found = kill
        published = found
