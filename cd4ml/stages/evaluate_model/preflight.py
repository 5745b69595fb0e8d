"""What is wrong with evaluate-model before a number is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.stages.evaluate_model.options import Options
from cd4ml.stages.preflight import Early, Finding, tried

_OF_PRODUCTION: Final = ("production_y_pred", "production_y_score")


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(lambda: options.reading)
    if early.here:
        yield from tried(lambda: _check_limits(options, early), lambda: _check_columns(options, early))


def _check_limits(options: Options, early: Early) -> None:
    """Refuse limits as `run` does; what they name of the user's own code is not imported yet.

    The metrics and what they are computed with are imported here, and not again by `run`.
    """
    from cd4ml.stages.evaluate_model.limits import checked_metrics
    from cd4ml.stages.evaluate_model.names import known_metrics, with_own_names

    if not (options.custom_metrics or options.custom_losses):
        checked_metrics(with_own_names(options), known_metrics(options, early.context))


def _check_columns(options: Options, early: Early) -> None:
    """Refuse predictions that are not there, or lack a column."""
    from cd4ml.data.predictions.opening import header_of, refuse_unkept
    from cd4ml.stages.evaluate_model.limits import slice_columns

    wanted, kept = slice_columns(options), early.columns_made(options.predictions)
    if kept is None:
        needed = ("y_true", "y_pred")
        found = header_of(options.predictions, options.reading, options.columns, wanted=wanted, needed=needed)
        if found is not None and not options.bootstrap and not any(name in found for name in _OF_PRODUCTION):
            raise nothing_to_compare(options)
    elif not options.columns:
        refuse_unkept(wanted, kept, options.predictions)


def nothing_to_compare(options: Options) -> OptionsError:
    """Return the error for predictions of one model alone."""
    return OptionsError(
        f"{options.predictions} has no column `production_y_pred`: there is nothing to compare the candidate with",
        advice="Score the production model as well, or set bootstrap: true for a first release.",
    )
