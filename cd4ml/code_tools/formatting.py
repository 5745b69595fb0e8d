"""What formatters have in common: a check for each file that they would change or cannot parse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cd4ml.code_tools.diff import changed_lines
from cd4ml.code_tools.tool import Output, Project, Result, crashed, relative, verdict
from cd4ml.report import Check, Location, Status
from cd4ml.report.ids import check_id


@dataclass(frozen=True, kw_only=True)
class Formatter:
    """A tool that formats files.

    Attributes:
        name: as an option of check-code names it.
        program: what messages call it.
        command: how it is run by hand.
        unparsed: how it names a file that is not Python, with the line; one pattern for each of its wordings.
    """

    name: str
    program: str
    command: str
    unparsed: Sequence[re.Pattern[str]]

    def read(
        self,
        output: Output,
        project: Project,
        *,
        looked: bool,
        would_change: Iterable[str] | None = None,
        files: int | None = None,
    ) -> Result:
        """Return one check for each file that it would change, at its first change, or that it cannot parse.

        Args:
            looked: whether it says that it looked at any file.
            would_change: files that it would change by its own word; None if only the diff names them.
            files: how many it looked at, None if it does not say.
        """
        changed = {relative(name): lines for name, lines in changed_lines(output.stdout, "old").items()}
        names = changed if would_change is None else [relative(name) for name in would_change]
        unparsed = list(self._unparsed(output.stderr))
        findings = [*self._unformatted(names, changed), *unparsed]
        understood = len(re.findall(r"^error: ", output.stderr, re.M)) == len(unparsed)
        if not (findings or looked) or not understood or (output.code != 0) != bool(findings):
            return crashed(self.name, output, project)
        found = "1 file is not formatted." if len(findings) == 1 else f"{len(findings):,} files are not formatted."
        clean = "Every file is formatted." if not files or files == 1 else f"All {files:,} files are formatted."
        result = verdict(self.name, findings, clean=clean, found=found, files=files)
        return replace(result, lines={check_id(self.name, path): tuple(lines) for path, lines in changed.items()})

    def _unformatted(self, names: Iterable[str], changed: Mapping[str, Sequence[int]]) -> Iterator[Check]:
        """Yield a check for each file that would be changed; the diff says where."""
        for path in names:
            yield Check(
                id=check_id(self.name, path),
                status=Status.FAILED,
                reason="not-formatted",
                message=f"{self.program} would reformat this file.",
                advice=f"Run: {self.command} {path}",
                location=Location(path=path, line=(changed.get(path) or [1])[0]),
            )

    def _unparsed(self, said: str) -> Iterator[Check]:
        """Yield a check for each file that is not Python."""
        for name, line in (found for pattern in self.unparsed for found in pattern.findall(said)):
            path = relative(name)
            yield Check(
                id=check_id(self.name, path),
                status=Status.FAILED,
                reason="cannot-parse",
                message=f"{self.program} cannot parse this file: a syntax error, or syntax of another Python version.",
                location=Location(path=path, line=int(line)),
            )
