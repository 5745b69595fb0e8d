"""The costs that score-model measured, for evaluate-model: of these models on these rows, or an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cd4ml.checks.performance.costs import Cost, of_cost
from cd4ml.data.predictions.table import Predictions
from cd4ml.errors import OptionsError
from cd4ml.evidence.verify import read_report
from cd4ml.report import Check, Status
from cd4ml.stages.evaluate_model.options import Options


def cost_problems(options: Options) -> Iterable[str]:
    """Yield what keeps costs from being decided on."""
    for name, limit in (
        ("maximum-latency-ratio", options.maximum_latency_ratio),
        ("maximum-size-ratio", options.maximum_size_ratio),
    ):
        if limit is not None and limit <= 0:
            yield f"{name} must be above 0: 1.5 allows half as much again as production; got {limit:g}"
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
        repeats, rows = min(len(times) for times in pair), int(report["metrics"]["rows"])
        candidate, production = (1e6 * min(times) / rows for times in pair)
        how = f"the fastest of {repeats} repeated predictions of all {rows:,} rows, loading excluded"
        cost = Cost(
            name="latency", candidate=candidate, production=production, unit="microseconds a row", how=how, n=rows
        )
        yield of_cost(cost, options.maximum_latency_ratio)
    if options.maximum_size_ratio is not None:
        candidate, production = (_size(report, model) for model in ("candidate", "production"))
        cost = Cost(
            name="size", candidate=candidate, production=production, unit="bytes", how="all files of the model's folder"
        )
        yield of_cost(cost, options.maximum_size_ratio)


def _about(options: Options, predictions: Predictions) -> Mapping[str, Any]:
    """Return the report of score-model; refuse one that is not about these predictions."""
    path = Path(options.scoring_report)
    report = read_report(path.parent, path.stem)
    if isinstance(report, str):
        raise OptionsError(f"costs are limited, but {report}", advice=_ADVICE)
    if report.get("stage") != "score-model" or report.get("status") != Status.PASSED:
        raise OptionsError(f"costs are limited, but {path} is no report of a score-model that passed", advice=_ADVICE)
    known = {"candidate": predictions.candidate, "production": predictions.production}
    known_digests = {name: model.sha256 if model else None for name, model in known.items()}
    told = {name: (report.get(name) or {}).get("sha256") for name in known}
    rows = {one.get("sha256") for one in report.get("inputs") or [] if one.get("name") == "test-data"}
    test_data = predictions.test_data.sha256 if predictions.test_data else None
    if None in known_digests.values() or told != known_digests or rows != {test_data}:
        raise OptionsError(
            f"costs are limited, but {path} is not about the models and rows of {options.predictions}", advice=_ADVICE
        )
    return report


_ADVICE = "Run score-model with both models and measure-latency: true, and keep its report beside the predictions."


def _latency(report: Mapping[str, Any], model: str) -> list[float]:
    """Return the seconds of each repeated prediction."""
    measured = ((report.get("run") or {}).get("measured") or {}).get(model) or {}
    times = measured.get("repeated_seconds") or []
    if not times or not all(isinstance(time, int | float) and math.isfinite(time) and time > 0 for time in times):
        raise OptionsError(f"maximum-latency-ratio is set, but score-model did not measure the {model}", advice=_ADVICE)
    return [float(time) for time in times]


def _size(report: Mapping[str, Any], model: str) -> float:
    """Return the bytes of the model's files."""
    size = ((report.get("metrics") or {}).get("size_bytes") or {}).get(model)
    if not isinstance(size, int) or size <= 0:
        raise OptionsError(f"maximum-size-ratio is set, but score-model did not measure the {model}", advice=_ADVICE)
    return float(size)
