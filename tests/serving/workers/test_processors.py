"""How many workers there are, where that is left to the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cd4ml.serving.settings import MOST_WORKERS, Settings, SettingsError
from cd4ml.serving.workers.processors import processors, workers

HERE = len(os.sched_getaffinity(0))


def test_workers__a_number_or_auto() -> None:
    """WORKERS takes a number or `auto`, which is at least one and bounded; everything else is refused in words."""
    assert Settings.read({}).workers == 1 and workers(Settings.read({"WORKERS": "3"}).workers) == 3
    assert 1 <= workers(Settings.read({"WORKERS": "auto"}).workers) <= MOST_WORKERS
    for text in ("0", "65", "two", "-1", "1.5"):
        with pytest.raises(SettingsError, match="WORKERS must be a whole number from 1 to 64 or auto, not"):
            Settings.read({"WORKERS": text})


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/", {"cpu.max": "150000 100000\n"}, 1),
        ("0::/", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/", {"cpu.max": "max 100000\n"}, HERE),
        ("0::/pods/one", {"pods/one/cpu.max": "max 100000\n", "pods/cpu.max": "300000 100000\n"}, 3),
        ("0::/pods/one", {"cpu.max": "400000 100000\n"}, 4),
        ("4:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ("4:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, HERE),
        ("0::/", {"cpu.max": "nonsense\n"}, HERE),
        ("0::/", {}, HERE),
    ],
)
def test_processors__by_quota(tmp_path: Path, membership: str, files: dict[str, str], expected: int) -> None:
    """The smallest CPU quota of the cgroups decides, rounded down; without one, the processors of the machine do."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "membership").write_text(f"9:memory:/x\n{membership}\n")

    assert processors(tmp_path, tmp_path / "membership") == expected
