"""What is wrong with a service: which incidents it has, by what evidence, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cd4ml.report.model import Interval, Status
from cd4ml.report.trace import Looked, Source


class Incident(StrEnum):
    """The incidents that are looked for, in the order in which they are told."""

    LATENCY = "latency-grows-with-input"
    UPSTREAM = "upstream-change"
    MEMORY = "out-of-memory"


class Answer(StrEnum):
    """Whether it is this incident."""

    FOUND = "found"
    NOT_THIS = "not-this"
    CANNOT_TELL = "cannot-tell"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A number or a fact.

    Attributes:
        source: where it comes from: a file with its line, an address with the metric.
        contradicts: whether it speaks against the answer.
    """

    says: str
    source: str
    value: float | None = None
    interval: Interval | None = None
    contradicts: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """What to change.

    Attributes:
        place: a file, with the line where it is known; or where else something has to be done.
        key: which value there; empty where it is none.
        now: the value there.
        to: the value that it should have, or what to do.
    """

    place: str
    to: str
    key: str = ""
    now: str = ""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An incident, and whether it is this one.

    Attributes:
        told: the answer in a sentence.
        lacking: what was not given, not reachable or too little, where that leaves the answer open.
    """

    incident: Incident
    answer: Answer
    told: str
    evidence: Sequence[Evidence] = ()
    changes: Sequence[Change] = ()
    lacking: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All incidents, each judged, and where it was looked."""

    judged: Sequence[Judged]
    sources: Sequence[Source]

    @property
    def found(self) -> list[Judged]:
        """The incidents that there are."""
        return [one for one in self.judged if one.answer is Answer.FOUND]

    @property
    def status(self) -> Status:
        """`failed` if there is an incident; `passed` only if each was looked for, and every source could be read."""
        if self.found:
            return Status.FAILED
        if any(source.looked is Looked.UNREACHABLE for source in self.sources):
            return Status.ERROR
        told = self.judged and all(one.answer is Answer.NOT_THIS for one in self.judged)
        return Status.PASSED if told else Status.INCONCLUSIVE
