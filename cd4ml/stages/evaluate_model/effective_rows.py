"""As how many rows the test rows count: what check-split found of these very rows, or that it looked at others.

Equal rows tell the same thing again. check-split's report says as how many they count, so no data are read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.checks.performance.predictions import effective_rows_check, unknown_rows_check
from cd4ml.data.predictions.table import Predictions
from cd4ml.errors import OptionsError
from cd4ml.evidence.reports import SPLIT, absent, report_at
from cd4ml.report import Check, Report
from cd4ml.stages.evaluate_model.options import Options

_ADVICE: Final = "Run check-split on the test rows that were scored, or leave split-report out."


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What is known of the test rows.

    Attributes:
        design_effect: how many times more there are than they count for; 1 where nothing is known.
    """

    design_effect: float = 1.0
    check: Check | None = None


def counted_rows(options: Options, reports: Path, predictions: Predictions, n: int) -> Counted:
    """Return as how many rows the test rows count.

    A report that lies beside is about these rows if it has their digest. One that the option names may also be about
    predictions that do not say which rows they are of; it can only make intervals wider.

    Raises:
        OptionsError: a report cannot be read, or the one that is named says nothing about these rows.
    """
    named = options.split_report
    path = Path(named) if named else reports / f"{SPLIT}.json"
    published = report_at(path, SPLIT)
    if isinstance(published, str):
        raise OptionsError(published, advice="Run check-split again, or take its report away.")
    if published is None:
        if named:
            raise OptionsError(f"split-report: {absent(path)}", advice=_ADVICE)
        return Counted()
    problem = _other_rows(published.report, predictions, n, named=bool(named)) or _unknown(published.report)
    if problem and named:
        raise OptionsError(f"split-report: {path} {problem}", advice=_ADVICE)
    if problem:
        return Counted(check=unknown_rows_check(f"{path} {problem}", n))
    effect = _design_effect(published.report, n)
    found = effective_rows_check(n, n / effect, options.minimum_test_rows, source=str(path))
    return Counted(design_effect=effect, check=found)


def _design_effect(report: Report, n: int) -> float:
    """Return how many times more rows there are than they count for, among all that the report is about.

    Those of a table that holds only some of them are taken to repeat each other as much; one with more repeats more.
    """
    return max(n, _rows(report)) / _effective(report)


def _other_rows(report: Report, predictions: Predictions, n: int, *, named: bool) -> str:
    """Say why a report is not about the rows that were scored, "" if it is."""
    rows = {one.sha256 for one in report.inputs if one.name == "test-data"}
    if predictions.test_data is not None:
        return "" if predictions.test_data.sha256 in rows else "is about other test rows than were scored"
    if not named:
        return "may be about other test rows: the predictions do not say which they are of; name it with split-report"
    found = _rows(report)
    return "" if found == n else f"is about {found:,} test rows, and there are {n:,} predictions"


def _unknown(report: Report) -> str:
    """Say why a report does not tell as how many the rows count, "" if it does."""
    known = 0 < _effective(report) <= _rows(report)
    return "" if known else "does not say as how many rows the test rows count"


def _rows(report: Report) -> int:
    """Return how many test rows a report is about, 0 if it does not say."""
    found = _of(report.metrics, "rows").get("test")
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _effective(report: Report) -> float:
    """Return as how many rows the test rows count, 0 if the report does not say."""
    found = report.metrics.get("effective_test_rows")
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else 0.0


def _of(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object among a report's values, an empty one if there is none."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}
