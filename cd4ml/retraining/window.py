"""What a drift report says of the window of data that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.report import Report, Status
from cd4ml.report.reading import ReportError

STAGE: Final = "detect-drift"


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of current data.

    Attributes:
        drifted: None if its report reached no verdict.
        data: digest of the current data, None if the report names none.
        retrain: whether retraining may help.
        summary, worst_feature: texts that hold names from the data.
    """

    drifted: bool | None
    data: str | None
    retrain: bool
    worst_feature: str
    summary: str


def window(report: Report) -> Window:
    """Return what a report of detect-drift says.

    Raises:
        ReportError: it has a verdict without the output `drift`.
    """
    return Window(
        drifted=_drifted(report),
        data=next((item.sha256 for item in report.inputs if item.name == "current"), None),
        retrain=report.outputs.get("retrain") == "true",
        worst_feature=report.outputs.get("worst-feature", ""),
        summary=report.summary,
    )


def _drifted(report: Report) -> bool | None:
    """Return whether the window drifted; moderate drift passes, and counts."""
    if report.status not in (Status.PASSED, Status.FAILED):
        return None
    drift = report.outputs.get("drift")
    if drift not in ("true", "false"):
        raise ReportError(f"its output drift is {drift!r}, not 'true' or 'false'")
    return drift == "true" or report.status is Status.FAILED
