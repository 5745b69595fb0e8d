"""The rig: one API server with Argo CD and Argo Rollouts for all tests, in a network that has loopback only."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig import argo, kubernetes
from tests.rig.kubernetes import Api
from tests.rig.processes import Processes
from tests.rig.release import Release, chart_repository
from tests.rig.standins import StandIns
from tests.rig.verdicts import Verdicts


@dataclass(frozen=True, kw_only=True)
class Rig:
    """What runs."""

    folder: Path
    api: Api
    processes: Processes
    verdicts: Verdicts
    chart: Path

    def release(self, name: str) -> Release:
        """Return a model that is not deployed yet."""
        return Release(name, self.folder / name, self.api, self.processes)


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Start everything, and end it whatever happens."""
    # Some of the controllers listen on every interface: there must be no other than loopback.
    assert [name for _, name in socket.if_nameindex()] == ["lo"], "run these tests by `make test-rig`"
    folder = tmp_path_factory.mktemp("rig")
    processes = Processes(folder)
    began = time.monotonic()
    try:
        api = kubernetes.start(processes)
        argo.start(processes, api)
        stand_ins, verdicts = StandIns(api), Verdicts(folder / "verdicts")
        stand_ins.start()
        say(f"started in {time.monotonic() - began:.0f} s")
        yield Rig(folder=folder, api=api, processes=processes, verdicts=verdicts, chart=chart_repository(folder))
        say(f"memory in MiB: {processes.memory()}, together {sum(processes.memory().values())}")
        stand_ins.stop()
        verdicts.stop()
    finally:
        processes.stop()


def say(figure: str) -> None:
    """Print a figure that was measured, past pytest's capture."""
    print(f"\nrig: {figure}", flush=True)
