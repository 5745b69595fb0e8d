"""What the tools share: the project that they look at and the results that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cd4ml.report import Check, Status

_LAST_WORDS = 600


@dataclass(frozen=True, kw_only=True)
class Project:
    """The caller's project: paths are relative to the working directory; `scratch` is a folder to write to."""

    paths: Sequence[str]
    scratch: Path
    coverage: bool


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a tool left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The end of what the tool said, for a message."""
        return " ".join((self.stderr.strip() or self.stdout.strip()).split())[-_LAST_WORDS:]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A tool's checks (one for each finding, and one for the tool itself) and numbers."""

    checks: Sequence[Check]
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)


class Tool(Protocol):
    """A module of this package."""

    def arguments(self, project: Project) -> list[str]:
        """Return the tool's command line without the interpreter."""

    def read(self, output: Output, project: Project) -> Result:
        """Read what the tool left behind."""


def crashed(name: str, output: Output) -> Result:
    """Return the result of a tool that could not do its work: an error, never a pass."""
    check = Check(
        id=name,
        status=Status.ERROR,
        reason="tool-failed",
        message=f"{name} ended with code {output.code}: {output.last_words}",
        advice=f"Run {name} by hand in the project's environment and mend what it says.",
    )
    return Result(checks=(check,))


def verdict(name: str, findings: Sequence[Check], *, clean: str, found: str) -> Result:
    """Return a tool's findings, led by one check for the tool itself."""
    own = Check(
        id=name,
        status=Status.FAILED if findings else Status.PASSED,
        reason="findings" if findings else None,
        metric="findings",
        value=len(findings),
        limit=0,
        message=found if findings else clean,
    )
    return Result(checks=(own, *findings), metrics={"findings": len(findings)})


def relative(path: str) -> str:
    """Return a path as the report shows it: relative to the working directory, with forward slashes."""
    try:
        return Path(path).resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path
