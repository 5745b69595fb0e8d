"""From a repository to a proposal: what its files say, what a person answers, what its data show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cd4ml.commands.door import Door
from cd4ml.commands.init import present
from cd4ml.commands.init.asking import Answers, all_of, one_of, split
from cd4ml.data.schema.infer import propose
from cd4ml.data.tables.source import Source
from cd4ml.errors import Cd4mlError, OptionsError
from cd4ml.git import Checkout
from cd4ml.metrics.performance.metric import Task
from cd4ml.project import code, features, groups, labels, models, python, registry, surroundings, tables, target
from cd4ml.project.findings import Finding, Models, Project, Registry, Sensitive, Tables
from cd4ml.project.python import Module
from cd4ml.project.rows import source
from cd4ml.project.tree import Tree, look

_SLACK: Final = 0.1
_CATEGORIES: Final = 50
_YOURS: Final = "You named it"
_ADDRESS: Final = "MLFLOW_TRACKING_URI"
_CREDENTIALS: Final = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_QUESTIONS: Final = {"train": "Which table holds the training rows?", "test": "And the test rows?"}


@dataclass(frozen=True, kw_only=True)
class Named:
    """What the user named, so that it is not looked for."""

    train: str | None = None
    test: str | None = None
    predictions: str | None = None
    target: str | None = None

    @property
    def tables(self) -> dict[str, str | None]:
        """The tables, by their role."""
        return {"train": self.train, "test": self.test, "predictions": self.predictions}


@dataclass(kw_only=True)
class Proposing:
    """A proposal in the making.

    Attributes:
        say: told what is done from now on.
        answers: None where nobody is asked.
        schema: the text of schema.yaml, once there is one.
    """

    named: Named
    door: Door
    say: Callable[[str], None]
    answers: Answers | None
    schema: str | None = None

    def project(self, checkout: Checkout) -> Project:
        """Return what is proposed.

        Raises:
            OptionsError: several projects lie here, or what the user named is not there.
        """
        tree = look(Path.cwd(), checkout)
        _refuse_several(tree)
        self.say(f"Looking at {len(tree.names):,} files")
        unread: list[str] = []
        modules = python.modules(tree, unread)
        found = self._tables(tree, modules)
        spoken = registry.find(tree, modules, self.door.environ)
        self.door = _addressed(self.door, spoken)
        project = Project(
            tables=found,
            code=code.find(tree, modules),
            registry=spoken,
            surroundings=surroundings.find(tree, checkout.top()),
            schemas=code.schemas(modules),
            notes=[*tree.notes, *unread, *found.notes],
        )
        project = self._with_schema(self._with_target(project, tree, modules))
        project = self._with_models(self._with_labels(project, modules))
        limits, why = present.proposed(project, self.door.environ, self.say)
        return replace(project, limits=limits, notes=[*project.notes, *([why] if why else [])])

    def _tables(self, tree: Tree, modules: Sequence[Module]) -> Tables:
        """Return the tables, those first that the user names."""
        named = self.named.tables
        found = tables.find(tree, modules, named)
        for role, name in named.items():
            table = found.of(role)
            if name is not None and (table is None or table.value.name != name):
                raise OptionsError(f"{name}: it cannot be read as a table", advice=" ".join(found.notes))
        known = [table.name for table in found.every]
        for role, question in _QUESTIONS.items():
            if self.answers and known and named[role] is None:
                table = found.of(role)
                why = f"{table.why}." if table else f"Not certain. There are: {', '.join(known[:10])}"
                proposed = table.value.name if table else None
                answer = self.answers.ask(question, proposed, why, problem=one_of(known, "table"))
                found = found if answer == proposed else _chosen(found, role, answer)
        return found

    def _with_target(self, project: Project, tree: Tree, modules: Sequence[Module]) -> Project:
        """Return the project with the column that is predicted."""
        main = project.tables.test or project.tables.train
        if main is None:
            return project
        columns = list(main.value.columns)
        if self.named.target is not None:
            wrong = one_of(columns, f"column in {main.value.name}")(self.named.target)
            if wrong:
                raise OptionsError(f"target: {wrong}")
            return replace(project, target=Finding(value=self.named.target, why=_YOURS))
        found, candidates = target.find(tree, modules, columns)
        if self.answers:
            why = f"{found.why}." if found else f"Not certain. It may be: {', '.join(candidates) or 'any column'}"
            found = self._confirmed("Which column is the target?", found, why, columns, "column")
        if found is None:
            note = _no_target(project, tree, modules, candidates)
            return replace(project, candidates=candidates, notes=[*project.notes, note])
        return replace(project, target=found)

    def _confirmed(
        self, question: str, found: Finding[str] | None, why: str, known: list[str], what: str
    ) -> Finding[str] | None:
        """Return what a person answers to a question that has one of several answers."""
        assert self.answers
        answer = self.answers.ask(question, found.value if found else None, why, problem=one_of(known, what))
        if found and answer == found.value:
            return found
        return Finding(value=answer, why=_YOURS) if answer is not None else None

    def _with_labels(self, project: Project, modules: Sequence[Module]) -> Project:
        """Return the project with what the rows to be judged show: the task, the positive label, groups of people."""
        predictions = project.tables.predictions
        about = project.tables.test or predictions or project.tables.train
        name = "y_true" if about is predictions else project.target.value if project.target else None
        if about is None or name is None or name not in about.value.columns:
            return project
        try:
            rows = source(about.value)
            values = labels.column(rows, name)
            task = labels.task(values, modules)
            binary = task is not None and task.value is Task.BINARY
            positive = labels.positive(values, name, modules) if binary else None
            sensitive, others = groups.find(rows, features.sensitive(about.value.columns), without=name)
        except Cd4mlError as error:
            return replace(project, notes=[*project.notes, str(error)])
        if self.answers and positive:
            known = [str(value) for value in labels.counted(values)]
            positive = self._confirmed("Which label is the positive one?", positive, positive.why, known, "label")
        sensitive = self._sensitive(sensitive)
        return replace(project, task=task, positive_label=positive, sensitive=sensitive, other_features=others)

    def _sensitive(self, found: list[Sensitive]) -> list[Sensitive]:
        """Return the sensitive features that a person keeps."""
        if not (self.answers and found):
            return found
        known = [feature.name for feature in found]
        question, why = "Which columns tell groups of people apart?", "By their names."
        answer = self.answers.ask(question, ", ".join(known), why, problem=all_of(known, "column"))
        return [feature for feature in found if feature.name in split(answer or "")]

    def _with_schema(self, project: Project) -> Project:
        """Infer a schema; a table that cannot be read is left out, and a note says so."""
        found, notes = project.tables, [*project.notes]
        sources: dict[str, Source] = {}
        for table in found.alike:
            self.say(f"Reading {table.name} ({table.bytes / 1e6:,.1f} MB)")
            try:
                rows = source(table)
            except Cd4mlError as error:
                notes.append(str(error))
                found = found.without(table)
                continue
            first = next(iter(sources.values()), rows)
            if rows.schema != first.schema:
                notes.append(f"{table.name} has other types than {first.name}: the schema describes {first.name} only.")
            elif rows.rows:
                sources[table.name] = rows
        if not sources:
            return replace(project, tables=found, notes=notes)
        try:
            proposal = propose(*sources.values(), slack=_SLACK, most_categories=_CATEGORIES)
        except Cd4mlError as error:
            return replace(project, tables=found, notes=[*notes, str(error)])
        self.schema = proposal.text
        notes += [*(f"validate-data will block: {fault}." for fault in proposal.faults), *proposal.remarks]
        checked = tuple(table for table in found.alike if table.name in sources)
        fewest = min(rows.rows for rows in sources.values())
        return replace(project, tables=found, checked=checked, rows=fewest, notes=notes)

    def _with_models(self, project: Project) -> Project:
        """Return the project with the models that are to be scored; the registry is asked what it has."""
        if project.tables.predictions and (self.named.predictions or not project.registry.model):
            return project
        test, truth, spoken = project.tables.test, project.target, project.registry
        ask = test is not None and truth is not None and truth.value in test.value.columns
        if ask and spoken.model and spoken.uri:
            self.say(f"Asking the registry at {spoken.uri.value}")
        found = models.find(spoken, self.door.environ, ask=ask)
        return replace(project, models=self._models(found) if ask and self.answers else found)

    def _models(self, found: Models | None) -> Models | None:
        """Return the models that a person names, those that were found being proposed."""
        candidate = self._model("Which model is to be judged?", found.candidate if found else None)
        if candidate is None:
            return None
        production = self._model("Which model is in production?", found.production if found else None)
        same = found is not None and candidate == found.candidate and production == found.production
        notes = found.notes if found else ()
        return found if same else Models(candidate=candidate, production=production, known=True, notes=notes)

    def _model(self, question: str, found: Finding[str] | None) -> Finding[str] | None:
        """Return a model that a person names."""
        assert self.answers
        why = f"{found.why}." if found else "Write models:/<name>@<alias>, models:/<name>/<version> or a folder."
        answer = self.answers.ask(question, found.value if found else None, why, problem=models.problem)
        if found and answer == found.value:
            return found
        return Finding(value=answer, why=_YOURS) if answer is not None else None


def _no_target(project: Project, tree: Tree, modules: Sequence[Module], candidates: Sequence[str]) -> str:
    """Say that the target is not certain, and where else it may stand."""
    for table in project.tables.others:
        elsewhere, _ = target.find(tree, modules, table.columns)
        if elsewhere and not candidates:
            return (
                f"The target `{elsewhere.value}` stands in {table.name} ({elsewhere.why}): score-model needs it among "
                "the columns of the test rows."
            )
    shown = f" (it may be {', '.join(candidates)})" if candidates else ""
    return f"Which column is the target is not certain{shown}: run this again with --target."


def _addressed(door: Door, found: Registry) -> Door:
    """Return a door to the registry; one that only the repository names does not get the user's credentials."""
    if found.uri is None or door.environ.get(_ADDRESS):
        return door
    kept = {name: value for name, value in door.environ.items() if name not in _CREDENTIALS}
    return replace(door, environ={**kept, _ADDRESS: found.uri.value})


def _chosen(found: Tables, role: str, name: str | None) -> Tables:
    """Return the tables with the one that a person chose for a role, or with none."""
    table = next((one for one in found.every if one.name == name), None)
    return found.with_role(role, Finding(value=table, why=_YOURS) if table else None)


def _refuse_several(tree: Tree) -> None:
    """Refuse a folder that holds several projects and is none itself."""
    marks = ("pyproject.toml", "setup.py", "requirements.txt", "dvc.yaml")
    if tree.at_top(*marks) or any("/" not in name for name in tree.ending(".py")):
        return
    found = sorted({name.partition("/")[0] for name in tree.names if name.partition("/")[2] in marks})
    if len(found) > 1:
        raise OptionsError(
            f"{len(found)} projects lie here: {', '.join(found)}; nothing was written",
            advice=f"Run it for each: cd4ml init --working-directory {found[0]}",
        )
