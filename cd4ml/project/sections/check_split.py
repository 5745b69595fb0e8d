"""What is proposed for check-split."""

from __future__ import annotations

from collections.abc import Iterator

from cd4ml.project.findings import Project
from cd4ml.project.yaml_lines import Entry, Section, scalar, sentence


def section(project: Project) -> Section:
    """Return the training rows, the test rows and the target, where both tables hold it."""
    train, test, target = project.tables.train, project.tables.test, project.target
    lacking = "; ".join(_lacking(project))
    if lacking or not (train and test and target):
        return Section(remarks=[f"{lacking}. Then add:"], example=_example(project))
    entries = [
        Entry(key="train-data", value=train.value.name, why=sentence(train.why)),
        Entry(key="test-data", value=test.value.name, why=sentence(test.why)),
        Entry(key="target", value=target.value, why=sentence(target.why)),
    ]
    told = "Where rows have them, name their key, their customers or devices (group) and their time: more is looked at."
    return Section(entries=entries, remarks=[told])


def _lacking(project: Project) -> Iterator[str]:
    """Yield what must be there before the test rows can be held against the training rows."""
    found = (("training", project.tables.train), ("test", project.tables.test))
    absent = [name for name, table in found if not table]
    if absent:
        yield f"no table of {' and none of '.join(absent)} rows was found: save both where the data are split"
    elif not project.target:
        yield "which column is the target is not certain"
    for _, table in found:
        if not absent and table and project.target and project.target.value not in table.value.columns:
            yield f"{table.value.name} does not hold the target `{project.target.value}`"


def _example(project: Project) -> list[str]:
    """Return what to add, with what is known already."""
    train, test, target = project.tables.train, project.tables.test, project.target
    return [
        "check-split:",
        f"  train-data: {scalar(train.value.name) if train else 'data/train.parquet'}",
        f"  test-data: {scalar(test.value.name) if test else 'data/test.parquet'}",
        f"  target: {scalar(target.value) if target else '<column>'}",
    ]
