"""What is proposed for score-model."""

from __future__ import annotations

from collections.abc import Iterator

from cd4ml.project.findings import Project
from cd4ml.project.yaml_lines import Entry, Section, scalar, sentence, value


def section(project: Project) -> Section:
    """Return the models, the test rows and the target."""
    models, test, target = project.models, project.tables.test, project.target
    if not (project.scored and models and test and target):
        if project.tables.predictions and not models:
            return Section(remarks=[f"{project.tables.predictions.value.name} holds the predictions already."])
        return Section(remarks=[f"{'; '.join(_lacking(project))}. Then add:"], example=_example(project))
    entries = [Entry(key="candidate", value=models.candidate.value, why=sentence(models.candidate.why))]
    if models.production:
        entries.append(Entry(key="production", value=models.production.value, why=sentence(models.production.why)))
    else:
        why = "There is no model in production yet. Once there is, name it here as `production`, and take this out."
        entries.append(Entry(key="bootstrap", value=True, why=why))
    entries += [
        Entry(key="test-data", value=test.value.name, why=sentence(test.why)),
        Entry(key="target", value=target.value, why=sentence(target.why)),
    ]
    if project.positive_label:
        label = project.positive_label
        entries.append(Entry(key="positive-label", value=label.value, why=sentence(label.why)))
    if project.sensitive:
        kept = [feature.name for feature in project.sensitive]
        entries.append(Entry(key="keep", value=kept, why="For the audit; the model sees what its signature names."))
    return Section(entries=entries, remarks=models.notes)


def _lacking(project: Project) -> Iterator[str]:
    """Yield what must be there before models can be scored."""
    if not project.models:
        yield "no MLflow model was found, neither registered nor as a folder with a file MLmodel"
    if not project.tables.test:
        yield "no table of test rows was found: save the rows that no model is trained on, with a fixed seed"
    elif not project.target:
        yield "which column is the target is not certain"
    elif project.target.value not in project.tables.test.value.columns:
        yield f"{project.tables.test.value.name} does not hold the target `{project.target.value}`"


def _example(project: Project) -> list[str]:
    """Return what to add, with what is known already."""
    test, target, models = project.tables.test, project.target, project.models
    candidate = models.candidate.value if models else "models:/<name>@challenger"
    production = models.production.value if models and models.production else "models:/<name>@champion"
    return [
        "score-model:",
        f"  candidate: {candidate}    # or a folder that MLflow's save_model wrote",
        f"  production: {production}    # for a first release: bootstrap: true instead",
        f"  test-data: {scalar(test.value.name) if test else 'data/test.parquet'}",
        f"  target: {scalar(target.value) if target else '<column>'}",
        *([f"  keep: {value([feature.name for feature in project.sensitive])}"] if project.sensitive else []),
    ]
