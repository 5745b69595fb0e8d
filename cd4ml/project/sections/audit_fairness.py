"""What is proposed for audit-fairness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cd4ml.metrics.performance.metric import Task
from cd4ml.project.findings import Project, Sensitive
from cd4ml.project.sections.evaluate_model import predictions
from cd4ml.project.words import words
from cd4ml.project.yaml_lines import Entry, Section, value

# Outcomes that people would rather not have predicted of them.
_UNFAVOURABLE: Final = frozenset("churn churned exited attrition default defaulted fraud recidivism diagnosis".split())


def section(project: Project) -> Section:
    """Return the columns to audit, where decisions are of two kinds."""
    left = "; ".join(f"`{name}` {why}" for name, why in project.other_features.items())
    if not project.sensitive:
        why = "no column that could be audited is named like a sensitive feature (sex, age, race, marital status …)"
        return Section(
            remarks=[f"{why}{'; ' if left else ''}{left}. If one is sensitive, add:"], example=_example(project)
        )
    if not project.judged:
        names = ", ".join(feature.name for feature in project.sensitive)
        why = f"there are no predictions to audit. These columns look sensitive: {names}. Keep them in the table, then:"
        return Section(remarks=[why], example=_example(project))
    if project.task is None or project.task.value is not Task.BINARY:
        why = "which decision is favourable is a question for people, and the task has more than two. Answer it, then:"
        return Section(remarks=[why], example=_example(project))
    audited = _audited(project)
    if not audited:
        why = f"{predictions(project)} has none of the columns that look sensitive. Write one into it, then:"
        return Section(remarks=[why], example=_example(project))
    named = "; ".join(f"{feature.name} ({feature.word})" for feature in audited)
    entries = [
        Entry(key="predictions", value=predictions(project)),
        Entry(
            key="sensitive-features",
            value=[feature.name for feature in audited],
            why=f"By their names: {named}.{f' Left out: {left}.' if left else ''}",
        ),
        *_positive(project),
    ]
    bins = {feature.name: feature.bins for feature in audited if feature.bins}
    if bins:
        why = "Edges that cut numbers into groups of at least 30 test rows each. Choose those that fit your case."
        entries.append(Entry(key="bins", value=bins, why=why))
    return Section(entries=entries, remarks=list(_remarks(project)))


def _audited(project: Project) -> list[Sensitive]:
    """Return the features that are in the table that is judged; score-model keeps them there."""
    own = None if project.scored else project.tables.predictions
    return [feature for feature in project.sensitive if own is None or feature.name in own.value.columns]


def _positive(project: Project) -> Iterator[Entry]:
    """Yield the decision whose rates are compared."""
    if project.positive_label:
        why = "The decision whose rates are compared. If it is not the favourable one for people, name that instead."
        yield Entry(key="positive-label", value=project.positive_label.value, why=why)


def _remarks(project: Project) -> Iterator[str]:
    """Yield what a reviewer must know of the audit."""
    target = project.target.value if project.target else ""
    if _UNFAVOURABLE & {*words(target)}:
        yield f"`{target}` does not sound favourable. If people gain from the other decision, name it: positive-label."
    yield "No group may be selected at less than 0.8 of the rate of another (minimum-ratio; four fifths)."
    if not project.positive_label:
        yield "This compares how often each group gets the decision 1. If 0 is favourable, set positive-label: '0'."
    audited = _audited(project)
    absent = ", ".join(feature.name for feature in project.sensitive if feature not in audited)
    if absent:
        yield f"Not in {predictions(project)}, so not audited: {absent}. Write it into that table to audit it too."
    for feature in audited:
        if feature.small:
            shown = ", ".join(f"{group} ({n})" for group, n in feature.small.items())
            yield f"{feature.name}: too few test rows to pass: {shown}; 30 are needed. Get more, or set exclude-groups."


def _example(project: Project) -> list[str]:
    """Return what to add, with what is known already."""
    names = value([feature.name for feature in project.sensitive]) if project.sensitive else "[<column>]"
    return [
        "audit-fairness:",
        f"  predictions: {value(predictions(project))}",
        f"  sensitive-features: {names}    # columns of that table",
        "  positive-label: <the favourable decision>",
    ]
