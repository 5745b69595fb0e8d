"""ruff format: every file is formatted."""

from __future__ import annotations

import re
from typing import Final

from cd4ml.code_tools.formatting import Formatter
from cd4ml.code_tools.tool import Output, Project, Result, nothing

NAME: Final = "ruff-format"
_RUFF: Final = Formatter(
    name=NAME,
    program="ruff",
    command="ruff format",
    unparsed=(re.compile(r"^error: Failed to parse (.+?):(\d+):\d+: ", re.M),),
)


def arguments(project: Project) -> list[str]:
    """Return the command line: check only, and show where."""
    return ["ruff", "format", "--check", "--diff", "--no-cache", *project.places]


def read(output: Output, project: Project) -> Result:
    """Read one check for each file that ruff would change or cannot parse."""
    if "No Python files found" in output.stderr:
        message = "ruff checked no file: its configuration excludes them all."
        return nothing(NAME, "no-files", message, f"Fix its configuration, or remove {NAME} from tools.")
    counted = sum(map(int, re.findall(r"(\d+) files? (?:would be reformatted|already formatted)", output.stderr)))
    return _RUFF.read(output, project, looked=counted > 0, files=counted or None)
