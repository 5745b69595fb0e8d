"""What the platform's runner reads out of a step's log and output file.

A port of actions/runner 2.336: ActionCommand.cs (TryParseV2, TryParse), ActionCommandManager.cs (registered names) and
FileCommandManager.cs (EnvFileKeyValuePairs). It is the referee: what it finds is what would happen on the platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REGISTERED: Final = frozenset(
    "internal-set-repo-path set-env set-output save-state add-path add-mask add-matcher remove-matcher "
    "warning error notice debug group endgroup echo stop-commands".split()
)


@dataclass(frozen=True)
class Command:
    """A workflow command that the runner would carry out."""

    name: str
    properties: str
    data: str


def commands(log: str) -> list[Command]:
    """Return the commands in a log; a line ends at CR, LF or CRLF, as .NET reads it."""
    found = (_second_form(line) or _first_form(line) for line in re.split(r"\r\n|\r|\n", log))
    return [command for command in found if command]


def _second_form(line: str) -> Command | None:
    """Read `::name properties::data`, which must begin the line."""
    line = line.strip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    return _command(line[2:end], line[end + 2 :])


def _first_form(line: str) -> Command | None:
    """Read `##[name properties]data`, anywhere in the line."""
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    return _command(line[start + 3 : end], line[end + 1 :])


def _command(head: str, data: str) -> Command | None:
    """Return the command if its name is registered; upper and lower case are the same."""
    name, _, properties = head.partition(" ")
    return Command(name.lower(), properties, data) if name.lower() in REGISTERED else None


def outputs(text: str) -> dict[str, str]:
    """Return the outputs that a file command sets; a line ends at LF, as the runner reads it on Linux and macOS.

    Raises:
        ValueError: the runner would fail the step.
    """
    found: dict[str, str] = {}
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            key, value = line.split("=", 1)
        elif heredoc >= 0:
            key, delimiter = line.split("<<", 1)
            end = next((at for at in range(index, len(lines)) if lines[at] == delimiter), None)
            if end is None or not delimiter:
                raise ValueError(f"no end of {key}")
            value = "\n".join(lines[index:end])
            index = end + 1
        else:
            raise ValueError(f"neither = nor << in {line!r}")
        if not key:
            raise ValueError("a value without a key")
        found[key] = value
    return found
