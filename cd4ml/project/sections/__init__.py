"""The sections of cd4ml.yaml: what is proposed for each stage. A new one is a module here, named after its stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cd4ml.project.findings import Project
from cd4ml.project.sections import (
    audit_fairness,
    check_code,
    check_split,
    evaluate_model,
    score_model,
    validate_data,
)
from cd4ml.project.yaml_lines import Entry, Section, comment, lines
from cd4ml.published import EDITOR_HEADER

# In the order of the pipeline.
_MODULES: Final = (check_code, validate_data, check_split, score_model, evaluate_model, audit_fairness)
_HEAD: Final = (
    "What the gates of this project demand. Proposed by `cd4ml init` from what the repository holds: review every "
    "line. The comments say where each value comes from; delete them when it is right."
)


def sections(project: Project) -> dict[str, Section]:
    """Return what is proposed for each stage."""
    return {module.__name__.rpartition(".")[2].replace("_", "-"): module.section(project) for module in _MODULES}


def configuration(project: Project) -> str:
    """Return the text of cd4ml.yaml."""
    written = [EDITOR_HEADER, *comment(_HEAD), "", *_defaults(project)]
    for name, section in sections(project).items():
        written += [*lines(name, section), ""]
    return "\n".join(written)


def configured(project: Project) -> list[str]:
    """Return the stages that are configured."""
    return [name for name, section in sections(project).items() if section.entries]


def _defaults(project: Project) -> Iterator[str]:
    """Yield what holds for all stages: how CSV files are written."""
    main = project.tables.train or project.tables.test or project.tables.predictions
    options = main.value.dialect.options() if main else {}
    if main and options:
        why = f"How {main.value.name} is written; the first lines show it."
        entries = [Entry(key=key, value=value) for key, value in options.items()]
        yield from (*lines("defaults", Section(entries=entries, remarks=[why])), "")
