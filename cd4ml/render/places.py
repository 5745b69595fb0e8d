"""Where a finding stands in the repository, for platforms that show it there."""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.report import Check


@dataclass(frozen=True, kw_only=True)
class Places:
    """How paths of reports become paths of the repository.

    Attributes:
        prefix: the working directory relative to the repository's root, "" or ending in a slash.
        config: the configuration file, where findings stand that have no place of their own.
    """

    prefix: str = ""
    config: str = "cd4ml.yaml"

    def of(self, check: Check) -> tuple[str, int]:
        """Return the path and the line of a finding."""
        if check.place is None:
            return self.prefix + self.config, 1
        return self.prefix + check.place.path.removeprefix("./"), check.place.line or 1
