"""A user's own metrics: `module:function`, called with the rows, and held to the same rules as the built-in ones."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.metric import ALL_TASKS, Metric, Sample, UndefinedMetricError
from cd4ml.user_code import UserCodeError, load, user_code

# Metrics may use it, and no stage does by itself: the lock file that brings it, by module.
_INSTALLABLE: Final = {"sklearn": "scikit-learn"}
ARGUMENTS: Final = ("y_true", "y_pred", "y_score", "sample_weight")


def load_metrics(sources: Mapping[str, str], directory: Path, *, greater_is_better: bool) -> dict[str, Metric]:
    """Load functions of the caller's code as metrics.

    Args:
        sources: `module:function` by the metric's name. A function takes any of y_true, y_pred, y_score and
            sample_weight by name, arrays of shape (n,) that it may not write to, and returns a number. Of several
            classes y_score has shape (n, K), in the order of their names.
        directory: where modules are found.

    Raises:
        UnavailableError: a module is missing.
        OptionsError: it does not load, or is not a function of these arguments.
    """
    return {
        name: Metric(
            name=name,
            tasks=ALL_TASKS,
            greater_is_better=greater_is_better,
            lowest=-math.inf,
            highest=math.inf,
            function=_guarded(name, *_load(source, directory)),
        )
        for name, source in sources.items()
    }


def _load(source: str, directory: Path) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Import a function; return it with the names of the arguments that it takes."""
    function, taken = load(
        source,
        directory,
        what="metric",
        kind="function",
        may_import="NumPy, pandas, SciPy, scikit-learn",
        installable=_INSTALLABLE,
        prepare=lambda found: (found, tuple(inspect.signature(found).parameters)),
    )
    if not taken or not set(taken) <= set(ARGUMENTS):
        raise OptionsError(
            f"metric {source} takes {', '.join(taken) or 'nothing'}", advice=f"It may take {', '.join(ARGUMENTS)}."
        )
    return function, taken


def _guarded(name: str, function: Callable[..., Any], taken: tuple[str, ...]) -> Callable[[Sample], float]:
    """Return the function as a metric of a sample; whatever it raises, or returns but a number, has no value."""

    def compute(sample: Sample) -> float:
        arguments = {argument: value for argument, value in _arrays(sample).items() if argument in taken}
        if "y_score" in taken and arguments["y_score"] is None:
            raise UndefinedMetricError("the predictions table has no scores")
        try:
            with user_code():
                found = function(**arguments)
                value = math.nan if isinstance(found, bool | str) else float(found)
        except UserCodeError as error:
            raise UndefinedMetricError(f"it raised {error.raised.where}") from error
        if not math.isfinite(value):
            raise UndefinedMetricError(f"{name} returned no finite number")
        return value

    return compute


def _arrays(sample: Sample) -> dict[str, Any]:
    """Return the arrays by the names that functions take; read-only, or one metric could change the next."""
    labels = None if sample.labels is None else np.array(sample.labels)
    values = {
        "y_true": _wide(sample.y_true) if labels is None else labels[sample.y_true.astype(int)],
        "y_pred": _wide(sample.y_pred) if labels is None else labels[sample.y_pred.astype(int)],
        "y_score": sample.y_score if sample.scores is None else sample.scores,
        "sample_weight": sample.weight,
    }
    shown = {name: None if value is None else value.view() for name, value in values.items()}
    for view in shown.values():
        if view is not None:
            view.flags.writeable = False
    return shown


def _wide(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return 0 and 1 as whole numbers that do not overflow when a function multiplies them."""
    return values.astype("int64") if values.dtype.kind in "iub" else values
