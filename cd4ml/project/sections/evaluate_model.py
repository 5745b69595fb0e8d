"""What is proposed for evaluate-model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cd4ml.metrics.performance.catalogue import FIRST, METRICS
from cd4ml.metrics.performance.metric import Task
from cd4ml.project.findings import Finding, Project
from cd4ml.project.yaml_lines import Entry, Section, scalar, sentence, value


def section(project: Project) -> Section:
    """Return the predictions, the task and limits that rest on what is known today."""
    if not project.judged:
        why = "there are no predictions to judge. Have your code write a table of the test rows, then add:"
        return Section(remarks=[why], example=_example(project))
    if project.task is None:
        return Section(
            remarks=["what the model predicts (classes or a number) is not certain. Set task, then:"],
            example=_example(project),
        )
    if not project.limits.any:
        return Section(
            remarks=["nothing is known that a limit could rest on. Set one, then:"], example=_example(project)
        )
    entries = [
        Entry(key="predictions", value=predictions(project), why=_where(project)),
        Entry(key="task", value=str(project.task.value), why=sentence(project.task.why)),
    ]
    if project.positive_label:
        label = project.positive_label
        entries.append(Entry(key="positive-label", value=label.value, why=sentence(label.why)))
    limits = project.limits
    entries += [
        *_bounds("minimum", limits.minimum),
        *_bounds("maximum", limits.maximum),
    ]
    if limits.regression:
        why = "How much of a metric a new model may lose against production; 0 blocks every other retraining."
        entries.append(Entry(key="maximum-regression", value=dict(limits.regression), why=why))
    if not has_production(project):
        why = "Nothing to compare with yet. Take this out once production's predictions are in the table."
        entries.append(Entry(key="bootstrap", value=True, why=why))
    return Section(entries=entries)


def predictions(project: Project) -> str:
    """Return the table that is judged: score-model's, else the project's own."""
    own = project.tables.predictions
    return "predictions.parquet" if project.scored or own is None else own.value.name


def has_production(project: Project) -> bool:
    """Whether the predictions are compared with production's."""
    if project.scored:
        return project.models is not None and project.models.production is not None
    own = project.tables.predictions
    return own is not None and "production_y_pred" in own.value.columns


def _where(project: Project) -> str:
    """Say where the predictions come from."""
    own = project.tables.predictions
    return "Written by score-model." if project.scored or own is None else sentence(own.why)


def _bounds(key: str, limits: Mapping[str, Finding[float]]) -> list[Entry]:
    """Return the entry of limits on one side, with what each rests on."""
    why = " ".join(sentence(limit.why) for limit in limits.values())
    values: dict[str, Any] = {name: limit.value for name, limit in limits.items()}
    return [Entry(key=key, value=values, why=why)] if limits else []


def _example(project: Project) -> list[str]:
    """Return what to add, with what is known already."""
    label = project.positive_label
    metric = METRICS[FIRST[project.task.value if project.task else Task.BINARY][0]]
    side = "minimum" if metric.greater_is_better else "maximum"
    return [
        "evaluate-model:",
        f"  predictions: {value(predictions(project))}    # y_true, y_pred, and y_score where there are probabilities",
        f"  task: {project.task.value if project.task else 'binary'}",
        *([f"  positive-label: {scalar(label.value)}"] if label else []),
        f"  {side}: {{{metric.name}: <what today's model reaches, less what you would accept>}}",
        "  bootstrap: true    # until the table holds production_y_pred as well",
    ]
