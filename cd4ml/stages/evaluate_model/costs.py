"""The costs that score-model measured, for evaluate-model: of these models on these rows, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.performance.costs import Cost, cost_check
from cd4ml.data.predictions.table import Predictions
from cd4ml.errors import OptionsError
from cd4ml.evidence.reports import SCORING, absent, report_at
from cd4ml.report import Check, Report, Status
from cd4ml.stages.evaluate_model.options import Options

_ADVICE: Final = (
    "Run score-model with both models and measure-latency: true, and keep its report beside the predictions."
)


def cost_problems(options: Options) -> Iterable[str]:
    """Yield what keeps costs from being decided on."""
    for name, limit in (
        ("maximum-latency-ratio", options.maximum_latency_ratio),
        ("maximum-size-ratio", options.maximum_size_ratio),
    ):
        if limit is not None and limit <= 0:
            yield f"{name} must be above 0 (1.5 allows 50 % more than production); got {limit:g}"
    if not options.scoring_report.endswith(".json"):
        yield f"scoring-report must be a .json file, got {options.scoring_report}"


def cost_checks(options: Options, predictions: Predictions) -> Iterator[Check]:
    """Check the costs that have a limit.

    Raises:
        OptionsError: the report of score-model is missing, is about other models or rows, or did not measure them.
    """
    if options.maximum_latency_ratio is None and options.maximum_size_ratio is None:
        return
    report = _about(options, predictions)
    if options.maximum_latency_ratio is not None:
        pair = [_latency(report, model) for model in ("candidate", "production")]
        repeats, rows = min(len(times) for times in pair), _rows(report)
        candidate, production = (1e6 * min(times) / rows for times in pair)
        how = f"the fastest of {repeats} repeated predictions of all {rows:,} rows, loading excluded"
        cost = Cost(
            name="latency", candidate=candidate, production=production, unit="microseconds a row", how=how, n=rows
        )
        yield cost_check(cost, options.maximum_latency_ratio)
    if options.maximum_size_ratio is not None:
        candidate, production = (_size(report, model) for model in ("candidate", "production"))
        cost = Cost(
            name="size", candidate=candidate, production=production, unit="bytes", how="all files of the model's folder"
        )
        yield cost_check(cost, options.maximum_size_ratio)


def _about(options: Options, predictions: Predictions) -> Report:
    """Return the report of score-model; refuse one that is not about these predictions."""
    path = Path(options.scoring_report)
    published = report_at(path, SCORING)
    if published is None or isinstance(published, str):
        raise OptionsError(f"latency or size is limited, but {published or absent(path)}", advice=_ADVICE)
    report = published.report
    if report.status is not Status.PASSED:
        raise OptionsError(f"latency or size is limited, but {path} says {report.status}, not passed", advice=_ADVICE)
    models = (predictions.candidate, predictions.production)
    known = [model.sha256 if model else None for model in models]
    told = [model.sha256 if model else None for model in (report.candidate, report.production)]
    rows = {one.sha256 for one in report.inputs if one.name == "test-data"}
    test_data = predictions.test_data.sha256 if predictions.test_data else None
    if None in known or told != known or rows != {test_data}:
        raise OptionsError(
            f"latency or size is limited, but {path} is not about the models and rows of {options.predictions}",
            advice=_ADVICE,
        )
    return report


def _rows(report: Report) -> int:
    """Return the number of rows that were predicted."""
    rows = report.metrics.get("rows")
    if not isinstance(rows, int) or rows < 1:
        raise OptionsError(
            "maximum-latency-ratio is set, but score-model does not say for how many rows", advice=_ADVICE
        )
    return rows


def _latency(report: Report, model: str) -> list[float]:
    """Return the seconds of each repeated prediction."""
    times = _part(report.measured, model).get("repeated_seconds")
    known = times if isinstance(times, list) else []
    if not known or not all(isinstance(time, int | float) and time > 0 for time in known):
        raise OptionsError(f"maximum-latency-ratio is set, but score-model did not measure the {model}", advice=_ADVICE)
    return [float(time) for time in known]


def _size(report: Report, model: str) -> float:
    """Return the bytes of the model's files."""
    size = _part(report.metrics, "size_bytes").get(model)
    if not isinstance(size, int) or size <= 0:
        raise OptionsError(f"maximum-size-ratio is set, but score-model did not measure the {model}", advice=_ADVICE)
    return float(size)


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object among a report's values, an empty one if there is none."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}
