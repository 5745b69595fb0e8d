"""Outputs, step summary and annotations, written so that no text from data becomes a command.

The formats are those of the runner's own parser (actions/runner, ActionCommand.cs and FileCommandManager.cs).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from cd4ml.report import Check, Status, decisive
from cd4ml.wording import safe

# The platform shows 10 annotations of a type for each step and cuts a message at 4,096 characters.
MOST_ANNOTATIONS: Final = 10
_LONGEST_MESSAGE: Final = 4000


def write_outputs(file: Path, outputs: Mapping[str, str]) -> None:
    """Append outputs to the file that GITHUB_OUTPUT names.

    Keys are constants of this project. A value may be any text: its delimiter is random and not part of it.
    """
    with _appended(file) as stream:
        for key, value in outputs.items():
            delimiter = _delimiter(value)
            stream.write(f"{key}<<{delimiter}\n{value}\n{delimiter}\n")


def _appended(file: Path) -> TextIO:
    """Open a file to append to; a pipe that nobody reads is an error and no wait without end."""

    def opener(path: str, flags: int) -> int:
        opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
        os.set_blocking(opened, True)
        return opened

    return open(file, "a", encoding="utf-8", newline="", opener=opener)


def _delimiter(value: str) -> str:
    """Return a line that the value does not hold."""
    while True:
        delimiter = f"cd4ml-{os.urandom(16).hex()}"
        if delimiter not in value:
            return delimiter


def summary_room(file: Path, most: int) -> int:
    """Return how many of `most` bytes the summary of this step has left: its limit is one for all stages of a step."""
    return max(0, most - (file.stat().st_size if file.exists() else 0))


def append_summary(file: Path, text: str) -> None:
    """Append Markdown to the file that GITHUB_STEP_SUMMARY names."""
    with _appended(file) as stream:
        stream.write(text)


def prepend_summary(file: Path, text: str) -> None:
    """Put Markdown above what this step has written to its summary."""
    written = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(text + written, encoding="utf-8")


def commands(
    checks: Sequence[Check],
    *,
    prefix: str = "",
    title: str,
    written: Counter[str] | None = None,
    warned: bool = False,
) -> list[str]:
    """Return workflow commands that point at what did not pass, what decides first, at most ten of a type.

    One more says how many there are beyond.

    Args:
        prefix: the working directory relative to the repository's root, "" or ending in a slash.
        title: shown in bold; a constant.
        written: how many of each type this step has already; these are added to it.
        warned: whether what failed only warns.
    """
    levels = {Status.FAILED: "error", Status.ERROR: "error", Status.INCONCLUSIVE: "warning"}
    lines: list[str] = []
    counts: Counter[str] = Counter() if written is None else written
    hidden = 0
    for check in decisive(checks):
        level = "warning" if warned and check.status is Status.FAILED else levels[check.status]
        if counts[level] >= MOST_ANNOTATIONS:
            hidden += 1
            continue
        counts[level] += 1
        lines.append(_annotation(check, level, prefix, title))
    if hidden and counts["notice"] < MOST_ANNOTATIONS:
        counts["notice"] += 1
        lines.append(command("notice", f"And {hidden:,} more: the summary and the report list them.", title=title))
    return lines


def error_command(message: str, *, title: str) -> str:
    """Return a workflow command for a run that could not begin; `title` is a constant."""
    return command("error", message, title=title)


def command(level: str, message: str, *, title: str) -> str:
    """Return a workflow command that points nowhere; `level` and `title` are constants."""
    return f"::{level} title={_escape_property(title)}::{_escape_data(message[:_LONGEST_MESSAGE])}"


def _annotation(check: Check, level: str, prefix: str, title: str) -> str:
    """Return one workflow command."""
    properties = {"title": title}
    if check.place:
        properties["file"] = prefix + check.place.path
        if check.place.line:
            properties["line"] = str(check.place.line)
        if check.place.column:
            properties["col"] = str(check.place.column)
    message = " ".join(part for part in (check.message, check.advice) if part)[:_LONGEST_MESSAGE]
    joined = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
    return f"::{level} {joined}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    """Escape a message: one line without control characters and without a second command."""
    return safe(text).replace("%", "%25")


def _escape_property(text: str) -> str:
    """Escape a property's value."""
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def told(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where the run took place, from the platform's own variables."""
    names = (
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_WORKFLOW",
        "GITHUB_JOB",
        "GITHUB_ACTOR",
    )
    return {name.removeprefix("GITHUB_").lower(): environ[name] for name in names if environ.get(name)}
