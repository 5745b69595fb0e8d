"""What request-retraining can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.inputs import options as declaration
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--drift-report reports/detect-drift.json --by issue"
OUTPUTS: Final[dict[str, str]] = {
    "requested": "`true` if this run made a request, or finished one that was cut off, else `false`.",
    "request": "Number of the issue that stands for the request, empty if there is none.",
}


class By(StrEnum):
    """How retraining is asked for."""

    DISPATCH = "dispatch"
    ISSUE = "issue"


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of request-retraining."""

    drift_report: str = option(
        "The report of detect-drift on the newest window.", default="reports/detect-drift.json", group=Group.INPUT
    )
    violations: int = option("Windows that must have drifted, the newest among them.", default=2, group=Group.DECISION)
    windows: int = option("Number of newest windows to look at.", default=3, group=Group.DECISION)
    cooldown_days: float = vocabulary.COOLDOWN_DAYS.here(default=7.0)
    request_budget: int = option("Most requests in a calendar month.", default=2, formerly="budget", group=Group.LIMITS)
    by: By = option(
        "`dispatch` opens an issue and sends the `repository_dispatch`; `issue` only opens the issue.",
        default=By.DISPATCH,
        group=Group.OUTPUT,
    )
    event_type: str = option("Type of the `repository_dispatch`.", default="cd4ml-retrain", group=Group.OUTPUT)
    issue_label: str = vocabulary.ISSUE_LABEL.here(default="cd4ml-retraining")
    artifact: str = option(
        "Artifact that holds a run's drift report.", default="cd4ml-report-detect-drift", group=Group.INPUT
    )
    github_repository: str | None = option(
        "The repository on GitHub as OWNER/NAME (default: GITHUB_REPOSITORY).", formerly="repository", group=Group.INPUT
    )
    window_branch: str | None = option(
        "Branch whose runs count as windows (default: GITHUB_REF_NAME).", formerly="branch", group=Group.INPUT
    )
