"""What is wrong with score-batch before a model is fetched or a row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cd4ml.data.predictions.table import COLUMNS, is_score
from cd4ml.data.tables.opening import behind
from cd4ml.errors import OptionsError
from cd4ml.stages.models import looked_at, model_findings
from cd4ml.stages.preflight import Early, Finding, tried
from cd4ml.stages.score_batch.options import LOCAL, Options


def preflight(options: Options, early: Early) -> Iterator[Finding]:
    """See Preflight."""
    yield from tried(lambda: options.reading)
    if early.here:
        yield from tried(lambda: check_options(options))
    for name in options.data if early.here and options.backend == LOCAL else ():
        yield from tried(partial(early.table, name))
    yield from model_findings(options.model, looked_at([options.model], options.tracking_uri, early), early)


def check_options(options: Options) -> None:
    """Refuse what names no rows or several tables, and an output that would take the place of the rows.

    Raises:
        OptionsError: all that is wrong.
    """
    problems = []
    if len(options.data) + (options.query is not None) != 1:
        problems.append("data and query: name one table, or one query")
    if options.query is not None and options.backend == LOCAL:
        problems.append("query: set backend to the warehouse that answers it (`ibis://…`, `spark`)")
    taken = sorted(set(COLUMNS) - {"sample_weight", "y_true"})
    problems += [
        f"keep: `{name}` is written by score-batch itself" for name in options.keep if name in taken or is_score(name)
    ]
    problems += [f"keep: `{name}` is named more than once" for name, n in Counter(options.keep).items() if n > 1]
    if options.part_rows < 1:
        problems.append(f"part-rows must be at least 1, got {options.part_rows}")
    output = Path(options.output).resolve()
    if any(output == place or place in output.parents for name in options.data for place in [behind(name).resolve()]):
        problems.append("output must lie elsewhere than data")
    if problems:
        raise OptionsError(problems)
