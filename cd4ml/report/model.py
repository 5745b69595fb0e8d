"""The report of one stage: checks, numbers and what they were computed from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

import cd4ml
from cd4ml.errors import Cd4mlError
from cd4ml.report.ids import rule_of


class Status(StrEnum):
    """The verdict of a check and of a report. Only `passed` lets a change through."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIPPED = "skipped"


# From harmless to worst. `skipped` ranks lowest: it can never cover up another verdict.
_SEVERITY: Final = (Status.SKIPPED, Status.PASSED, Status.INCONCLUSIVE, Status.FAILED, Status.ERROR)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst status; no status at all is an `error`, because nothing was looked at."""
    ranks = [_SEVERITY.index(status) for status in statuses]
    return _SEVERITY[max(ranks)] if ranks else Status.ERROR


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place in the caller's source: path relative to the working directory, 1-based line and column."""

    path: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval, in the units of the metric.

    Attributes:
        lower, upper: an infinite one says nothing on that side.
        of: what lies in it: the check's value, or the difference between its value and its baseline.
    """

    lower: float
    upper: float
    confidence: float
    method: str
    of: Literal["value", "difference"] = "value"


class Bound(StrEnum):
    """On which side of its limit a check's value must lie."""

    AT_LEAST = "at-least"
    AT_MOST = "at-most"
    BELOW = "below"
    EQUAL = "equal"
    MAGNITUDE = "magnitude-at-most"
    """With either sign."""
    DECREASE = "decrease-at-most"
    """By how much it lies below its baseline."""
    INCREASE = "increase-at-most"
    """By how much it lies above its baseline."""
    CHANGE = "relative-change-at-most"
    """By what share of its baseline it lies below or above that."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One decision.

    Attributes:
        id: of `ids`, e.g. `minimum:accuracy` or `disparate-impact:race=black`.
        reason: machine-readable cause, kebab-case, e.g. `below-minimum`, `not-a-number`, `too-few-rows`.
        message: what was found, for people. Text from data is not escaped here: renderers do that.
        advice: what to do next, if the check did not pass.
        slice: the subgroup (column name to value), if the check is about one.
        n: number of rows that the value rests on.
        bound: which way the limit points; whether a value beyond it is evidence enough is for the status to say.
        option: of the stage, that sets the limit, and within it the metric or feature, if it is about one.
        location: where what was found stands.
        set_at: where its limit is set: in the configuration, or in the schema.
    """

    id: str
    status: Status
    message: str
    reason: str | None = None
    advice: str | None = None
    metric: str | None = None
    value: float | int | str | bool | None = None
    interval: Interval | None = None
    limit: float | int | str | bool | None = None
    bound: Bound | None = None
    baseline: float | int | str | bool | None = None
    slice: Mapping[str, str] | None = None
    n: int | None = None
    location: Location | None = None
    option: Sequence[str] | None = None
    set_at: Location | None = None

    @property
    def place(self) -> Location | None:
        """Where to look: at what was found or, where that has no place, at what it was held to."""
        return self.location or self.set_at

    @property
    def rule(self) -> str:
        """What it decides, whatever it is held against, e.g. `minimum` or `flake8/F401`."""
        return rule_of(self.id)

    @property
    def kind(self) -> str:
        """The rule, or the tool whose rule it is, e.g. `flake8`."""
        return self.rule.partition("/")[0]

    def __post_init__(self) -> None:
        """Refuse to pass on a value that is not a number: it compares false with every limit."""
        if self.status is Status.PASSED and isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError(f"check {self.id} cannot pass with the value {self.value}")


def headline(checks: Sequence[Check]) -> str:
    """Return what blocks in a sentence or two: the worst check first, since it decides; empty if nothing blocks."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        return ""
    first = max(blocking, key=lambda check: _SEVERITY.index(check.status))
    return first.message if len(blocking) == 1 else f"{first.message} And {len(blocking) - 1} more."


def decisive(checks: Sequence[Check]) -> list[Check]:
    """Return what did not pass, the worst first, since it decides.

    A tool's own check is left out where its findings say the same, each at its place.
    """
    blocking = [check for check in checks if check.status not in (Status.PASSED, Status.SKIPPED)]
    placed = {check.kind for check in blocking if check.location and check.id != check.kind}
    found = [one for one in blocking if not (one.status is Status.FAILED and one.id in placed)]
    return sorted(found, key=lambda check: -_SEVERITY.index(check.status))


@dataclass(frozen=True, kw_only=True)
class InputDigest:
    """An input of the verdict: `sha256` covers the whole content (or the sorted manifest of a folder)."""

    name: str
    path: str
    sha256: str
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which model: where it was looked up, what the registry calls it, and the digest of its files."""

    uri: str
    sha256: str
    name: str | None = None
    version: str | None = None
    alias: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one stage decided, and on what grounds.

    Attributes:
        metrics: numbers by name; may be nested. Not-a-number and infinity become null in the JSON.
        details: further structured results of the stage (image digest, commit, confusion matrix, samples of rows).
        outputs: short strings that later jobs need; the stage declares their names in OUTPUTS.
        measured: what took how long, by name: it differs between two runs on the same inputs.
        plan: what a stage that changes the world set out to do, in order, written before it acts.
    """

    stage: str
    checks: Sequence[Check]
    summary: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[InputDigest] = ()
    candidate: ModelIdentity | None = None
    production: ModelIdentity | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    plan: Sequence[str] = ()
    seed: int | None = None
    # The verdict where it does not follow from checks: of skipped(), and of a document that holds none. A report
    # without checks is otherwise an error.
    stated: Status | None = None

    @property
    def status(self) -> Status:
        """The worst check; zero checks are an `error`."""
        return self.stated or worst(check.status for check in self.checks)

    def require_unique_ids(self) -> None:
        """Refuse two checks with one id: whoever compares runs, or tolerates a check, could not tell them apart.

        Raises:
            ValueError: an id occurs twice, which is a defect of whoever made it.
        """
        counts = Counter(check.id for check in self.checks)
        twice = [id for id, n in counts.items() if n > 1]
        if twice:
            raise ValueError(f"{self.stage}: the check {twice[0]} occurs {counts[twice[0]]} times")

    @classmethod
    def skipped(cls, stage: str) -> Report:
        """Return the report of a stage that the user configured none of."""
        return cls(stage=stage, checks=(), summary="Not configured.", stated=Status.SKIPPED)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The state of the working directory that a report is about.

    Attributes:
        git_sha: its commit, None outside a repository.
        modified: tracked files that differ from that commit, None if that is unknown. The first 20 are published.
    """

    git_sha: str | None
    modified: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """A report with what is published beside it: how the run was told to work, where, and on which commit.

    Attributes:
        options: the stage's options by their outside names; secrets are never options.
        run: times, place and door. With the report's `measured`, all that differs between two runs on the same inputs.
        version: of the cd4ml that made it.
    """

    report: Report
    source: Source
    options: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    version: str = cd4ml.__version__


def error_report(stage: str, error: Cd4mlError) -> Report:
    """Return the report of a run that ended without a verdict."""
    check = Check(
        id=error.reason,
        status=Status.ERROR,
        reason=error.reason,
        message=error.message,
        advice=error.advice or None,
    )
    return Report(stage=stage, checks=(check,), summary=error.message)
