"""How many workers there are to be, where that is left to the processors that the gateway may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cd4ml.serving.settings import AUTO, MOST_WORKERS

_ROOT: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")


def workers(setting: int | str) -> int:
    """Return how many workers serve."""
    return min(MOST_WORKERS, processors()) if setting == AUTO else int(setting)


def processors(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> int:
    """Return how many whole processors this process may use: by its affinity and the CPU quotas of its cgroups."""
    quotas = [quota for folder in _folders(root, membership) if (quota := _quota(folder)) is not None]
    return max(1, int(min(quotas, default=len(os.sched_getaffinity(0)))))


def _folders(root: Path, membership: Path) -> Iterator[Path]:
    """Yield the cgroups that this process is in, up to the root; in a container the root is its own."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    # `0::/path` of version 2, `4:cpu,cpuacct:/path` of version 1.
    for _, controllers, path in (line.split(":", 2) for line in lines):
        mounted = root if not controllers else root / "cpu"
        if not controllers or "cpu" in controllers.split(","):
            inside = Path(path.lstrip("/"))
            yield from (mounted / folder for folder in (inside, *inside.parents))


def _quota(folder: Path) -> float | None:
    """Return the processors that a cgroup may use; None if it has no limit, or is not seen from here."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="utf-8")
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None
