"""Code with mistakes that flake8 and mypy must find under the project's configuration.

A configuration that ignores everything (`ignore = F,E,W,C`, `ignore_errors = true`) leaves a tool content with any
code, and a gate green that looked at nothing. What the tool does not find here, it would not find in the project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MISTAKES: Final = """\
import os
def probe(value: int, items = [] ) -> str:
    if value == None :
        return missing_name + value
    return value.nowhere + len(1)
number: int = "text"; probe("text", 1, 2)  # it does not matter what this would do: it is only ever looked at, not run
"""


def write(folder: Path) -> Path:
    """Write the mistakes into a file in the folder and return its path."""
    path = folder / "cd4ml_probe.py"
    path.write_text(MISTAKES, encoding="utf-8")
    return path
