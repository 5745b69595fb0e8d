"""black, flake8, ruff, mypy and pytest: how each is started and how its output is read."""

from __future__ import annotations

from typing import Final

from cd4ml.code_tools import black, flake8, mypy, pytest, ruff, ruff_format
from cd4ml.code_tools.tool import ProbedTool, Project, Result, Tool

__all__ = ["PROBED_TOOLS", "TOOLS", "Project", "Result", "Tool"]

# By rising weight of what they find: a report lists the findings of the last one first.
TOOLS: Final[dict[str, Tool]] = {
    "black": black,
    "ruff-format": ruff_format,
    "flake8": flake8,
    "ruff": ruff,
    "mypy": mypy,
    "pytest": pytest,
}
PROBED_TOOLS: Final[dict[str, ProbedTool]] = {"flake8": flake8, "ruff": ruff, "mypy": mypy}
