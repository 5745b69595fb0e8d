"""What a page or an export is about: the reports of a run, and the stages of which there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cd4ml.report import Published, Status, worst

NOT_RUN: Final = "not-run"
MISSING: Final = "missing"


def reached(said: Status, *, planned: bool) -> Status:
    """Return the verdict that a report stands for: a stage that had to run and was skipped has reached none."""
    return Status.ERROR if planned and said is Status.SKIPPED else said


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A report of a run.

    Attributes:
        file: its name in the folder.
        planned: whether its stage had to run, so that `skipped` is no answer.
    """

    file: str
    published: Published
    planned: bool = False

    @property
    def stage(self) -> str:
        """Name of the stage."""
        return self.published.report.stage

    @property
    def name(self) -> str:
        """The stage, and the file where it is not the stage's own."""
        return self.stage if self.file == f"{self.stage}.json" else f"{self.stage} ({self.file})"

    @property
    def status(self) -> Status:
        """The verdict that it stands for."""
        return reached(self.published.report.status, planned=self.planned)

    @property
    def told(self) -> str:
        """What is said of a report without checks."""
        if self.status is not self.published.report.status:
            return "It had to run, but its report says that it was skipped."
        none = "It is not configured." if self.status is Status.SKIPPED else "It ran no check."
        return self.published.report.summary or none

    @property
    def warned(self) -> bool:
        """Whether a verdict other than `passed` was let through because the options say so."""
        rule = {Status.FAILED: "on-failed", Status.INCONCLUSIVE: "on-inconclusive"}.get(self.status)
        return rule is not None and self.published.options.get(rule) == "warn"


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A report from which nothing is known, and which could be the one that blocks: an error.

    Attributes:
        name: the stage's, or that of a file of which no stage is known.
        rule: `missing-report` or `unreadable-report`.
        told: what is wrong, in sentences.
    """

    name: str
    rule: str
    told: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """All reports of a folder, in the order of the pipeline.

    Attributes:
        absent: stages without a report, and what became of them: `not-run`, `skipped` or `missing`.
        unreadable: reports, and files that could be one, that cannot be read, and why: each by its stage or file.
        complete: whether it is known which stages had to run, so that a missing report would be seen.
        unjudged: stages that judge and did not run: what was let through elsewhere is not let through without them.
    """

    entries: Sequence[Entry]
    absent: Sequence[tuple[str, str]] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    unjudged: Sequence[str] = ()

    @property
    def status(self) -> Status:
        """The worst verdict; a report that should be there and is not, or cannot be read, is an error."""
        return worst([*(entry.status for entry in self.entries), *(Status.ERROR for _ in self.lost)])

    @property
    def lost(self) -> list[Lost]:
        """What should be known and is not."""
        missing = [name for name, status in self.absent if status == MISSING]
        return [
            *(
                Lost(name=name, rule="missing-report", told="It had to run, but its report is missing.")
                for name in missing
            ),
            *(Lost(name=name, rule="unreadable-report", told=why) for name, why in self.unreadable.items()),
        ]

    @property
    def warned(self) -> bool:
        """Whether nothing blocks although not everything passed."""
        odd = [entry for entry in self.entries if entry.status not in (Status.PASSED, Status.SKIPPED)]
        blocked = self.status is Status.ERROR or self.unjudged
        return bool(odd) and all(entry.warned for entry in odd) and not blocked

    def by_test_rows(self) -> dict[str, list[str]]:
        """Return the reports that name their test rows, by the digest of these."""
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            for one in entry.published.report.inputs:
                if one.name == "test-data":
                    found.setdefault(one.sha256, []).append(entry.name)
        return found
