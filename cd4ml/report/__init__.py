"""What a stage found: frozen values, no formatting, no input or output."""

from cd4ml.report.digits import as_set, chance, fixed, floored, percent
from cd4ml.report.model import (
    Bound,
    Check,
    InputDigest,
    Interval,
    Location,
    ModelIdentity,
    Published,
    Report,
    Source,
    Status,
    decisive,
    error_report,
    headline,
    worst,
)

__all__ = [
    "Bound",
    "Check",
    "InputDigest",
    "Interval",
    "Location",
    "ModelIdentity",
    "Published",
    "Report",
    "Source",
    "Status",
    "as_set",
    "chance",
    "decisive",
    "error_report",
    "fixed",
    "floored",
    "headline",
    "percent",
    "worst",
]
