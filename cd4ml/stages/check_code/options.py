"""What check-code can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.inputs import options as declaration
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--paths src,tests --minimum-coverage 80"
OUTPUTS: Final[dict[str, str]] = {}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of check-code."""

    paths: tuple[str, ...] = option(
        "Files and folders to check.", default=(".",), example="src, tests", group=Group.INPUT
    )
    tools: tuple[str, ...] = option(
        "Tools to run (default: black, flake8, mypy, pytest; ruff-format and ruff in place of the first two where the "
        "project configures ruff instead of them).",
        example="black, flake8, mypy, pytest",
        group=Group.DECISION,
    )
    minimum_coverage: float | None = option(
        "Lowest allowed test coverage in percent.", example="80", group=Group.LIMITS
    )
    baseline: str | None = option(
        "Branch or commit; findings on lines that did not change since this branch left it do not block.",
        example="origin/main",
        group=Group.DECISION,
    )
    python: str | None = option(
        "The interpreter of the project's environment (default: the active one, else python on PATH).",
        group=Group.INPUT,
    )
    mypy_cache: str = option(
        "Where mypy's cache is kept from run to run: `auto` (in your user's cache on your own machine, nowhere in "
        "continuous integration), `never`, or a folder outside of the repository on runners that are new for each job, "
        "which cd4ml writes to in runs for the default branch alone.",
        default="auto",
        group=Group.ADVANCED,
    )
    tool_timeout: float = option(
        "Seconds that one tool may take.", default=1800.0, formerly="timeout", group=Group.ADVANCED
    )
