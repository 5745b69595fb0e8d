"""What is known of a run of build-image while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status
from cd4ml.stages.build_image.options import Options

STAGE: Final = "build-image"


@dataclass(kw_only=True)
class Run:
    """What is known so far; the report is made of it at any moment."""

    options: Options
    candidate: ModelIdentity
    plan: Sequence[str]
    checks: list[Check] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    inputs: list[InputDigest] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every check so far has passed, and there was one."""
        return bool(self.checks) and all(check.status is Status.PASSED for check in self.checks)

    def report(self, summary: str) -> Report:
        """Return the report of what is known."""
        return Report(
            stage=STAGE,
            checks=tuple(self.checks),
            summary=summary,
            details=dict(self.details),
            outputs={"image": "", "digest": "", **self.outputs},
            inputs=tuple(self.inputs),
            candidate=self.candidate,
            plan=self.plan,
        )


def unfinished(state: Run) -> Report:
    """Return the plan as a report that lets nothing through."""
    check = Check(id="unfinished", status=Status.ERROR, reason="unfinished", message="The run did not finish.")
    return replace(state.report("The run did not finish."), checks=(*state.checks, check))
