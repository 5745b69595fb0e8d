"""What today's model reaches: the limits that are proposed rest on it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cd4ml.commands.project import cache_directory
from cd4ml.context import Context
from cd4ml.data.tables.dialect import Reading
from cd4ml.errors import Cd4mlError, OptionsError
from cd4ml.inputs.values import Layer, resolve
from cd4ml.project import labels, limits, models
from cd4ml.project.findings import Limits, Project
from cd4ml.project.rows import reading, source
from cd4ml.project.sections.evaluate_model import has_production
from cd4ml.report import Status
from cd4ml.stages.score_model.options import Options

_SECONDS: Final = 300.0


def proposed(project: Project, environ: Mapping[str, str], say: Callable[[str], None]) -> tuple[Limits, str | None]:
    """Return limits from today's numbers, else those that hold for any model, and why today's are not known."""
    if project.task is None or not project.judged:
        return Limits(), None
    why = None
    try:
        found = _present(project, environ, say)
        if found is not None:
            return found, None
    except Cd4mlError as error:
        why = f"Today's numbers are not known, so no limit rests on them: {error}"
    try:
        return _without_numbers(project), why
    except Cd4mlError:
        return Limits(), why


def _present(project: Project, environ: Mapping[str, str], say: Callable[[str], None]) -> Limits | None:
    """Return limits from what the present predictions, or the present model, reach; None if there is neither."""
    assert project.task
    positive = project.positive_label.value if project.positive_label else None
    own, production = project.tables.predictions, has_production(project)
    if not project.scored:
        assert own
        reached = limits.present(own.value.name, project.task.value, positive, reading(own.value))
        return limits.from_present(reached, f"{own.value.name}, {reached.rows:,} rows", production=production)
    model = models.present(project.models) if project.models else None
    if model is None:
        return None
    with tempfile.TemporaryDirectory(prefix="cd4ml-init-") as folder:
        table = str(Path(folder) / "predictions.parquet")
        context = Context(
            directory=Path.cwd(), environ=environ, progress=say, reports=Path(folder), cache=cache_directory(environ)
        )
        _score(project, model.value, table, context)
        reached = limits.present(table, project.task.value, positive, Reading())
    assert project.tables.test
    about = f"{model.value}, {reached.rows:,} rows of {project.tables.test.value.name}"
    return limits.from_present(reached, about, production=production)


def _score(project: Project, model: str, table: str, context: Context) -> None:
    """Let a model predict the test rows.

    Raises:
        OptionsError: it cannot be scored; the text says why.
    """
    from cd4ml.stages.score_model import run as scoring  # which loads what nothing else here needs

    test, truth = project.tables.test, project.target
    assert test and truth
    context.progress(f"Scoring {model} on {test.value.name}, for limits from today's numbers")
    values = {
        "candidate": model,
        "bootstrap": True,
        "test-data": test.value.name,
        "target": truth.value,
        "predictions": table,
        "positive-label": project.positive_label.value if project.positive_label else None,
        "timeout": _SECONDS,
        **test.value.dialect.options(),
    }
    options = resolve(Options, [Layer(origin="init", values=values)])
    report = scoring.run(options, context)
    if report.status is not Status.PASSED:
        raise OptionsError(report.summary)


def _without_numbers(project: Project) -> Limits:
    """Return the limits that hold for any model."""
    if not (project.task and project.scored and project.target and project.tables.test):
        return Limits()
    counts = labels.counted(labels.column(source(project.tables.test.value), project.target.value))
    return limits.without_skill(project.task.value, counts, scores=False, production=has_production(project))
