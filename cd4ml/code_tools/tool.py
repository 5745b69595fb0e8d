"""What the tools share: the project that they look at and the results that they give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from cd4ml.code_tools.settings import Settings
from cd4ml.report import Bound, Check, Status

_LAST_WORDS = 600


@dataclass(frozen=True, kw_only=True)
class Project:
    """The caller's project.

    Attributes:
        paths: files and folders to check, as they were named.
        python: the Python files below them that are the project's (see `files`).
        places: paths that hold just these, for tools that look for files themselves.
        top: the repository's own folder, where there is one.
        settings: which tools the project configures.
        scratch: a folder to write to.
        probe: a file with mistakes (see `probe`).
        versions: versions of the caller's own tools by module; what is absent is cd4ml's copy.
        coverage_configured: whether the caller's coverage configuration says what to measure.
    """

    paths: Sequence[str]
    scratch: Path
    probe: Path
    python: Sequence[Path] = ()
    places: Sequence[str] = ()
    top: Path = Path(".")
    settings: Settings = Settings()
    versions: Mapping[str, str] = field(default_factory=dict)
    coverage_configured: bool = False

    def plain(self, text: str) -> str:
        """Return a text of a tool without what differs between two runs: places, addresses and times."""
        for folder, shown in ((self.scratch, "TEMPORARY"), (self.scratch.resolve(), "TEMPORARY")):
            text = text.replace(str(folder), shown)
        text = text.replace(f"{Path.cwd()}/", "")
        return re.sub(r" in \d+\.\d+ ?s(econds)?\b", "", re.sub(r"\b0x[0-9a-fA-F]{6,}", "0x…", text))


CUT_OFF: Final = -1  # in place of an exit code: the tool was not let finish, or its output was not read


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a tool left behind."""

    code: int
    stdout: str
    stderr: str

    def last_words(self, project: Project) -> str:
        """Return the end of what the tool said, for a message."""
        said = self.stderr.strip() or self.stdout.strip() or "it printed nothing"
        return " ".join(project.plain(said).split())[-_LAST_WORDS:]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A tool's checks (one for each finding, and one for the tool itself) and numbers.

    Attributes:
        lines: the lines that a finding is about, by its id, where it is about others than that of its place.
    """

    checks: Sequence[Check]
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    lines: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Tool(Protocol):
    """A module of this package."""

    def arguments(self, project: Project) -> list[str]:
        """Return the tool's command line without the interpreter."""

    def read(self, output: Output, project: Project) -> Result:
        """Read what the tool left behind."""


class ProbedTool(Tool, Protocol):
    """A module whose tool can be configured to find nothing at all."""

    def probe_arguments(self, project: Project) -> list[str]:
        """Return the command line that looks at the mistakes, under the project's configuration."""

    def seen(self, output: Output, project: Project) -> int | None:
        """Return in how many files mistakes were found, None if the output makes no sense."""


def probed(name: str, result: Result, seen: int | None, output: Output, project: Project) -> Result:
    """Return the result of a tool, in the light of what it found among the mistakes."""
    if result.checks[0].status is not Status.PASSED:
        return result
    if seen is None:
        return crashed(name, output, project)
    if not seen:
        message = f"{name} would pass any code: configured as it is, it finds no mistake in code full of mistakes."
        advice = f"Change the configuration of {name} so that it finds mistakes, or remove {name} from tools."
        return nothing(name, "finds-nothing", message, advice)
    return replace(result, checks=(replace(result.checks[0], n=seen), *result.checks[1:]))


def crashed(name: str, output: Output, project: Project) -> Result:
    """Return the result of a tool that could not do its work: an error, never a pass."""
    ending = f" ended with code {output.code}" if output.code != CUT_OFF else ""
    check = Check(
        id=name,
        status=Status.ERROR,
        reason="tool-failed",
        message=f"{name}{ending}: {output.last_words(project).rstrip('.')}.",
        advice=f"Run {name} by hand in the project's environment and fix what it reports.",
    )
    return Result(checks=(check,))


def nothing(name: str, reason: str, message: str, advice: str) -> Result:
    """Return the result of a tool that had nothing to look at: an error, never a pass."""
    check = Check(id=name, status=Status.ERROR, reason=reason, n=0, message=message, advice=advice)
    return Result(checks=(check,))


def verdict(name: str, findings: Sequence[Check], *, clean: str, found: str, files: int | None = None) -> Result:
    """Return a tool's findings, led by one check for the tool itself; `files` is how many it looked at."""
    own = Check(
        id=name,
        status=Status.FAILED if findings else Status.PASSED,
        reason="findings" if findings else None,
        metric="findings",
        value=len(findings),
        limit=0,
        bound=Bound.AT_MOST,
        n=files,
        message=found if findings else clean,
    )
    return Result(checks=(own, *findings), metrics={"findings": len(findings)})


def found_by(name: str, count: int) -> str:
    """Say how many problems a tool found."""
    return f"{name} found {count or 'no'} problem{'' if count == 1 else 's'}"


def bounded(results: Mapping[str, Result], most: int) -> dict[str, Result]:
    """Return results with at most so many checks in all; a tool's hidden findings are counted in a check of their own.

    Each tool's own check stays, and room is shared so that thousands of findings of one tool hide none of another.
    """
    room = most - len(results)
    shares = {}
    for left, name in zip(
        range(len(results), 0, -1), sorted(results, key=lambda n: len(results[n].checks)), strict=True
    ):
        shares[name] = min(len(results[name].checks) - 1, room // left)
        room -= shares[name]
    return {name: _cut(result, shares[name]) for name, result in results.items()}


def _cut(result: Result, share: int) -> Result:
    """Return a result with at most so many findings, the last of which counts what is hidden."""
    own, findings = result.checks[0], list(result.checks[1:])
    if len(findings) <= share:
        return result
    hidden = findings[share - 1 :]
    rest = Check(
        id=f"more-findings:{own.id}",
        status=Status.FAILED,
        reason="too-many",
        metric="findings",
        value=len(hidden),
        message=f"{len(hidden)} more findings of {own.id} are not listed.",
        advice="Fix these first.",
    )
    return replace(result, checks=(own, *findings[: share - 1], rest))


def relative(path: str) -> str:
    """Return a path as the report shows it: relative to the working directory, with forward slashes."""
    try:
        return Path(path).resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path
