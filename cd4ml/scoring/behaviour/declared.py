"""What can be declared of a model's behaviour: the keys of the file, and the tests that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cd4ml.report.ids import check_id

INVARIANCE: Final = "invariance"
DIRECTION: Final = "direction"
ROBUSTNESS: Final = "robustness"
KNOWN_ANSWERS: Final = "known-answers"
MOST_POINTS: Final = 50


class Change(StrEnum):
    """What is done to a column of each row."""

    ANOTHER_VALUE = "another-value"
    ANOTHER_ROW = "another-row"
    CASE = "case"
    SPACES = "spaces"
    NOISE = "noise"
    MISSING = "missing"
    UNSEEN = "unseen-category"
    UNIT = "unit"


class Trend(StrEnum):
    """What the score never does while a column rises."""

    NEVER_FALLS = "never-falls"
    NEVER_RISES = "never-rises"


class Kind(StrEnum):
    """How the value of a key is written."""

    NAMES = "names"
    TEXT = "text"
    CHOICE = "choice"
    MOST = "most"
    LEAST = "least"
    POSITIVE = "positive"
    POINTS = "points"
    FLAG = "flag"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of a test.

    Attributes:
        help: one sentence, which editors show.
        change: the one change that it belongs to.
    """

    kind: Kind
    help: str
    required: bool = False
    choices: Sequence[str] = ()
    default: Any = None
    change: Change | None = None


_COLUMNS: Final = Key(kind=Kind.NAMES, help="A column, or a list of columns: each is a test of its own.", required=True)
_TOLERANCE: Final = Key(
    kind=Kind.POSITIVE,
    help="How far a number may move without counting: for regressions a share of the prediction (default 0.01), for a "
    "score the difference (default: only the decision counts).",
)
_MOST_FLIPS: Final = "Largest allowed share of the rows whose decision changes"
SECTIONS: Final[Mapping[str, Mapping[str, Key]]] = {
    INVARIANCE: {
        "columns": _COLUMNS,
        "change": Key(
            kind=Kind.CHOICE,
            help="What is changed and must not matter.",
            choices=(Change.ANOTHER_VALUE, Change.ANOTHER_ROW, Change.CASE, Change.SPACES),
            default=Change.ANOTHER_VALUE,
        ),
        "maximum-flips": Key(kind=Kind.MOST, help=f"{_MOST_FLIPS}.", default=0.0),
        "tolerance": _TOLERANCE,
    },
    DIRECTION: {
        "columns": _COLUMNS,
        "score": Key(
            kind=Kind.CHOICE,
            help="What the score never does while the column rises and everything else stays.",
            choices=tuple(Trend),
            required=True,
        ),
        "points": Key(
            kind=Kind.POINTS, help=f"Quantiles of the column to ask at, from 2 to {MOST_POINTS}.", default=10
        ),
        "maximum-violations": Key(
            kind=Kind.MOST, help="Largest allowed share of the rows whose score moves the wrong way.", default=0.0
        ),
        "tolerance": Key(
            kind=Kind.POSITIVE,
            help="How far a score may move the wrong way without counting (default: a millionth of its row's largest).",
        ),
    },
    ROBUSTNESS: {
        "columns": _COLUMNS,
        "change": Key(
            kind=Kind.CHOICE,
            help="What the model must answer to.",
            choices=(Change.NOISE, Change.MISSING, Change.UNSEEN, Change.UNIT),
            required=True,
        ),
        "maximum-flips": Key(kind=Kind.MOST, help=f"{_MOST_FLIPS}; without it the share is only reported."),
        "tolerance": _TOLERANCE,
        "step": Key(
            kind=Kind.POSITIVE,
            help="How far the number is moved (default: the column's unit of measurement, or a hundredth of its "
            "interquartile range).",
            change=Change.NOISE,
        ),
        "factor": Key(kind=Kind.POSITIVE, help="How far the mistaken unit is off.", default=1000.0, change=Change.UNIT),
        "may-refuse": Key(kind=Kind.FLAG, help="Whether the model may refuse such rows with an error.", default=False),
    },
    KNOWN_ANSWERS: {
        "table": Key(kind=Kind.TEXT, help="A table of rows with their right answers.", required=True),
        "target": Key(kind=Kind.TEXT, help="Its column of right answers (default: the stage's target)."),
        "minimum-share": Key(kind=Kind.LEAST, help="Smallest allowed share of right answers.", default=1.0),
        "tolerance": Key(
            kind=Kind.POSITIVE,
            help="How far from the right answer a regression may be, as a share of it (default 0.01).",
        ),
    },
}


@dataclass(frozen=True, kw_only=True)
class FlipTest:
    """Rows are changed in one column, and the share of the decisions that change is measured.

    Attributes:
        line: of the file, where it is declared.
        rule: `invariance` or `robustness`.
        limit: largest allowed share, None to report it alone.
        step: of noise; None to measure it.
        factor: of a mistaken unit.
        may_refuse: whether an error is an answer.
    """

    line: int
    rule: str
    column: str
    change: Change
    limit: float | None
    tolerance: float | None = None
    step: float | None = None
    factor: float = 1000.0
    may_refuse: bool = False

    @property
    def id(self) -> str:
        """The id of its check."""
        return check_id(self.rule, self.column, self.change)


@dataclass(frozen=True, kw_only=True)
class DirectionTest:
    """The score is asked for along a grid of one column's values.

    Attributes:
        limit: largest allowed share of rows whose score moves the wrong way.
        points: of the grid, at most.
    """

    line: int
    column: str
    trend: Trend
    limit: float
    points: int
    tolerance: float | None = None

    @property
    def id(self) -> str:
        """The id of its check."""
        return check_id(DIRECTION, self.column)


@dataclass(frozen=True, kw_only=True)
class KnownAnswersTest:
    """Rows of a table have answers that are known to be right.

    Attributes:
        target: column of the answers; None for the stage's own.
        limit: smallest allowed share of right answers.
    """

    line: int
    table: str
    target: str | None
    limit: float
    tolerance: float | None = None

    @property
    def id(self) -> str:
        """The id of its check."""
        return check_id(KNOWN_ANSWERS, self.table)


Test = FlipTest | DirectionTest | KnownAnswersTest


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The tests that a file declares, in its order."""

    path: str
    tests: Sequence[Test]

    @property
    def tables(self) -> Sequence[str]:
        """The tables of known answers."""
        return [test.table for test in self.tests if isinstance(test, KnownAnswersTest)]

    @property
    def columns(self) -> Mapping[str, int]:
        """The columns that are tested, with the line that names each first."""
        found: dict[str, int] = {}
        for test in self.tests:
            if not isinstance(test, KnownAnswersTest):
                found.setdefault(test.column, test.line)
        return found
