"""What was found in a project, each with the reason why it is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from cd4ml.metrics.performance.metric import Task

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Finding(Generic[T]):
    """A value and, in words, where it was found."""

    value: T
    why: str


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the project's CSV files are written, as far as that is not the default."""

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    def options(self) -> dict[str, str]:
        """Return what is to be declared."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A table, of which nothing but the header was read.

    Attributes:
        name: as stages are told of it: a file, or DVC's name of it.
        path: the file, relative to the working directory.
    """

    name: str
    path: str
    columns: tuple[str, ...]
    bytes: int
    dialect: Dialect = Dialect()


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of a project, by what they are for.

    Attributes:
        others: tables that are none of these.
        notes: what was passed over, and why.
    """

    train: Finding[TableFile] | None = None
    test: Finding[TableFile] | None = None
    predictions: Finding[TableFile] | None = None
    others: tuple[TableFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def every(self) -> list[TableFile]:
        """All tables that are not predictions."""
        return [*(found.value for found in (self.train, self.test) if found), *self.others]

    def of(self, role: str) -> Finding[TableFile] | None:
        """Return the table of a role: `train`, `test` or `predictions`."""
        return {"train": self.train, "test": self.test, "predictions": self.predictions}[role]

    def with_role(self, role: str, table: Finding[TableFile] | None) -> Tables:
        """Return the tables with another one for a role."""
        if role == "train":
            return replace(self, train=table)
        return replace(self, test=table) if role == "test" else replace(self, predictions=table)

    def without(self, table: TableFile) -> Tables:
        """Return the tables without one that cannot be read."""
        train, test = (None if found and found.value is table else found for found in (self.train, self.test))
        return replace(self, train=train, test=test)

    @property
    def alike(self) -> list[TableFile]:
        """The tables that one schema can be about: the training rows, and test rows with the same columns."""
        rows = [found.value for found in (self.train, self.test) if found]
        return [table for table in rows if table.columns == rows[0].columns]


@dataclass(frozen=True, kw_only=True)
class Code:
    """The project's own code.

    Attributes:
        tools: each with the file that names it.
    """

    paths: tuple[str, ...]
    tools: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Sensitive:
    """A column that may tell groups of people apart.

    Attributes:
        bins: edges, where the column holds many numbers.
        small: groups with too few test rows to be compared, each with its number.
    """

    name: str
    word: str
    bins: str | None = None
    small: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Registry:
    """How the project speaks of its models.

    Attributes:
        uri: where the registry is, without credentials.
        local: whether nobody but this machine reaches that.
        folder: a model in the repository itself.
        aliases: that the code mentions.
        stages: MLflow's stages that the code mentions, which aliases have replaced.
    """

    uri: Finding[str] | None = None
    local: bool = False
    model: Finding[str] | None = None
    folder: Finding[str] | None = None
    aliases: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    flavours: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models that are to be scored, as score-model is told of them.

    Attributes:
        production: None in a first release.
        known: whether the registry was asked and has the candidate.
        notes: what is missing there, and what to do about it.
    """

    candidate: Finding[str]
    production: Finding[str] | None = None
    known: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What metrics are to be held to.

    Attributes:
        minimum, maximum: by metric, each with the reason.
        regression: how much may be lost against production, by metric.
    """

    minimum: Mapping[str, Finding[float]] = field(default_factory=dict)
    maximum: Mapping[str, Finding[float]] = field(default_factory=dict)
    regression: Mapping[str, float] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is any limit."""
        return bool(self.minimum or self.maximum or self.regression)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a workflow needs to know.

    Attributes:
        directory: of the project in its repository, `.` for the repository's own folder.
        install: the command that installs what code and tests need.
        fetch: commands that fetch data.
        workflows: those that are there already.
    """

    directory: str = "."
    python: Finding[str] | None = None
    install: Finding[str] | None = None
    fetch: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Project:
    """Everything that the files of cd4ml are proposed from.

    Attributes:
        checked: the tables that the proposed schema is about.
        rows: of the shortest of these.
        schemas: pandera schemas of the project's own, as `module:object`.
        candidates: columns that may be the target, where none is certain.
        other_features: columns named like sensitive features that cannot be audited, and why.
        notes: what a person should know beside the files.
    """

    tables: Tables = Tables()
    code: Code | None = None
    registry: Registry = Registry()
    surroundings: Surroundings = Surroundings()
    schemas: tuple[str, ...] = ()
    checked: tuple[TableFile, ...] = ()
    rows: int = 0
    target: Finding[str] | None = None
    candidates: Sequence[str] = ()
    task: Finding[Task] | None = None
    positive_label: Finding[str] | None = None
    sensitive: Sequence[Sensitive] = ()
    other_features: Mapping[str, str] = field(default_factory=dict)
    models: Models | None = None
    limits: Limits = Limits()
    notes: Sequence[str] = ()

    @property
    def scored(self) -> bool:
        """Whether score-model can be configured: models, test rows, and the column with the truth in them."""
        return bool(
            self.models and self.tables.test and self.target and self.target.value in self.tables.test.value.columns
        )

    @property
    def registered(self) -> bool:
        """Whether a registry is needed to score the models."""
        return self.scored and self.models is not None and self.models.candidate.value.startswith("models:/")

    @property
    def judged(self) -> bool:
        """Whether there are predictions to judge: score-model's, or a table of the project's own."""
        return self.scored or self.tables.predictions is not None
