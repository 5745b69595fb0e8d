"""What the probe finds inside the container, whose root file system is read-only where the engine can do that."""

from __future__ import annotations

import os

import pytest

from cd4ml.image import probe

OTHER = os.getuid() + 1


def _stat(mode: int, owner: int, group: int) -> os.stat_result:
    """Return what the system says of a folder."""
    return os.stat_result((0o40000 | mode, 1, 1, 2, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "writes"),
    [
        (0o755, OTHER, os.getgid() + 1, False),
        (0o757, OTHER, os.getgid() + 1, True),
        (0o775, OTHER, os.getgid(), True),
        (0o755, OTHER, os.getgid(), False),
        (0o755, os.getuid(), os.getgid(), True),
        (0o555, os.getuid(), os.getgid(), True),
    ],
)
def test_a_folder_that_could_be_changed_is_seen_on_a_read_only_root(
    mode: int, owner: int, group: int, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Owner and mode decide, whatever the mount says: who owns a folder may change its mode as well."""
    monkeypatch.setattr(probe, "single", lambda _: False)
    monkeypatch.setattr(os, "getgroups", list)
    assert probe.changeable(_stat(mode, owner, group)) is writes


def test_where_one_user_is_known__owners_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sandbox of one user every file is that user's; a folder that anybody may write to is still seen."""
    assert probe.single("     65532       1000          1\n")
    assert not probe.single("0 0 4294967295\n") and not probe.single("0 1000 1\n1 100000 65536\n")
    monkeypatch.setattr(probe, "single", lambda _: True)
    assert not probe.changeable(_stat(0o755, os.getuid(), os.getgid()))
    assert probe.changeable(_stat(0o777, os.getuid(), os.getgid()))
