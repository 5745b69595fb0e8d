"""black: every file is formatted."""

from __future__ import annotations

import re
from typing import Final

from cd4ml.code_tools.formatting import Formatter
from cd4ml.code_tools.tool import Output, Project, Result, crashed

_BLACK: Final = Formatter(
    name="black",
    program="black",
    command="black",
    unparsed=(  # newer versions, older ones
        re.compile(r"^error: cannot parse: (.+):(\d+):\d+$", re.M),
        re.compile(r"^error: cannot format (.+): Cannot parse[^\n]*?: (\d+):\d+:", re.M),
    ),
)
# 123 is said of files that cannot be parsed and of black's own mistakes: only the former are findings.
_CODES: Final = (0, 1, 123)


def arguments(project: Project) -> list[str]:
    """Return the command line: check only, and show where."""
    return ["black", "--check", "--diff", "--no-color", *project.places]


def read(output: Output, project: Project) -> Result:
    """Read one check for each file that black would change or cannot parse."""
    if output.code not in _CODES:
        return crashed("black", output, project)
    would_change = re.findall(r"^would reformat (.+)$", output.stderr, re.M)
    unchanged = re.search(r"(\d+) files? would be left unchanged", output.stderr)
    files = int(unchanged[1]) if unchanged and not would_change else None
    return _BLACK.read(output, project, looked=bool(unchanged), would_change=would_change, files=files)
