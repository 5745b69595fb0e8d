"""Where limits are set: the lines of cd4ml.yaml that findings point at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from cd4ml.inputs.config import Config
from cd4ml.report import Check, Location, Report, Status


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is known of where the options of a run are set.

    Attributes:
        config: None if there is no configuration file.
        elsewhere: options that the command line, an input or the environment set, whatever the file says.
    """

    config: Config | None = None
    elsewhere: Collection[str] = field(default_factory=frozenset)

    def placed(self, report: Report) -> Report:
        """Return a report in which what did not pass says where its limit is set."""
        return replace(report, checks=[self._placed(report.stage, check) for check in report.checks])

    def _placed(self, stage: str, check: Check) -> Check:
        """Return a check with the line that sets its limit, or with its stage's section if nobody sets it.

        What is set elsewhere has no place in the file.
        """
        if self.config is None or check.option is None or check.set_at or check.status is Status.PASSED:
            return check
        if check.option[0] in self.elsewhere:
            return check
        line = self.config.line_of(stage, check.option) or self.config.line_of_section(stage)
        path = _relative(Path(self.config.path))
        return check if line is None or path is None else replace(check, set_at=Location(path=path, line=line))


def _relative(path: Path) -> str | None:
    """Return a path as reports have it, None if it lies outside the working directory."""
    here = Path.cwd().resolve()
    found = path.resolve()
    return found.relative_to(here).as_posix() if found.is_relative_to(here) else None
