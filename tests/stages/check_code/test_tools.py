"""What a tool has to bring to be run."""

from __future__ import annotations

import re
from typing import Final

import pytest

from cd4ml.code_tools import PROBED_TOOLS, TOOLS
from tests.conftest import ROOT

LOCKED: Final = re.findall(r"^([\w-]+)", (ROOT / "requirements" / "check-code.in").read_text(), re.M)


@pytest.mark.parametrize("name", TOOLS)
def test_tool__is_whole(name: str) -> None:
    """Every tool's module says how to start and read it, and how to probe one that can be told to find nothing."""
    functions = ["arguments", "read", *(["probe_arguments", "seen"] if name in PROBED_TOOLS else [])]

    assert all(callable(getattr(TOOLS[name], function)) for function in functions)


@pytest.mark.parametrize("name", TOOLS)
def test_tool__is_locked(name: str) -> None:
    """Of every tool there is a locked copy, for environments that lack it."""
    assert name.partition("-")[0] in LOCKED


def test_probed_tools__are_tools() -> None:
    """What can be probed can be run."""
    assert {name: TOOLS[name] for name in PROBED_TOOLS} == PROBED_TOOLS
