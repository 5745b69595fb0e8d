"""What is wrong with audit-fairness before a row is counted."""

from __future__ import annotations

from collections.abc import Iterator

from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.metric import Task
from cd4ml.stages.audit_fairness.options import Options, needs_labels
from cd4ml.stages.audit_fairness.refusals import check_options
from cd4ml.stages.preflight import Early, Finding, tried


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(lambda: options.reading)
    if early.here or options.task is not Task.REGRESSION:  # whose limits may still be set
        yield from tried(lambda: check_options(options))
    if early.here:
        yield from tried(lambda: _check_columns(options, early))
        yield from tried(lambda: _check_test_data(options))


def _check_columns(options: Options, early: Early) -> None:
    """Refuse predictions that are not there, or lack a column."""
    from cd4ml.data.predictions.opening import header_of, refuse_unkept  # a plan opens no table

    wanted, kept = options.sensitive_features, early.columns_made(options.predictions)
    if kept is None:
        labels = needs_labels(options) or options.task is Task.REGRESSION
        needed = ("y_true", "y_pred") if labels else ("y_pred",)
        header_of(options.predictions, options.reading, options.columns, wanted=wanted, needed=needed)
    elif not options.columns:
        refuse_unkept(wanted, kept, options.predictions)


def _check_test_data(options: Options) -> None:
    """Refuse test data that are not there, or lack a sensitive feature."""
    from cd4ml.data.tables.header import header, lacking, present

    if options.test_data is None:
        return
    present(options.test_data)
    found = header(options.test_data, options.reading)
    problems = [] if found is None else lacking(options.test_data, options.sensitive_features, found)
    if problems:
        raise OptionsError(problems)
