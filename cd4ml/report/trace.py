"""What is known of something that runs: what sources say of it, who says it, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cd4ml.report.model import Published, Status


class Topic(StrEnum):
    """What a fact is about, in the order in which the story is told."""

    DELIVERY = "delivery"
    IMAGE = "image"
    MODEL = "model"
    CODE = "code"
    DATA = "data"
    DEPENDENCIES = "dependencies"


class Looked(StrEnum):
    """What became of a source."""

    READ = "read"
    SILENT = "silent"
    """It was read, and says nothing of what is traced."""
    NOT_ASKED = "not-asked"
    """Nobody named it, or it is not on this machine and the network was not allowed."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A place that was looked at, or was not: why it says nothing stands in `message`."""

    name: str
    place: str
    looked: Looked
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Saying:
    """A value, and who says it."""

    value: str
    by: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that has one value.

    Attributes:
        sayings: each different value that was said; more than one is a contradiction.
    """

    topic: Topic
    name: str
    sayings: Sequence[Saying]

    @property
    def contradictory(self) -> bool:
        """Whether sources disagree."""
        return len(self.sayings) > 1


@dataclass(frozen=True, kw_only=True)
class Event:
    """A commit of the GitOps repository about what is traced.

    Attributes:
        kind: `deployed`, `promoted` or `rolled-back`.
        time: RFC 3339; None where the commit itself is not there.
        author, committer: as the commit names them.
        signature: what git says of the commit's signature, in words.
    """

    kind: str
    commit: str
    title: str = ""
    time: str | None = None
    author: str | None = None
    committer: str | None = None
    signature: str = ""
    trailers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The report of a stage, in its file."""

    file: str
    published: Published


@dataclass(frozen=True, kw_only=True)
class Document:
    """Something that was written about the image: a statement, a bill of materials.

    Attributes:
        place: its file, or its digest in the registry.
        signature: who signed it and whether that was verified, in words.
    """

    kind: str
    place: str
    signature: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The story of an image, a model or a commit.

    Attributes:
        subject: as it was asked for.
        kind: `image`, `model` or `commit`.
        problems: what contradicts a digest or a signature, beyond facts that have two values.
        notices: what is worth knowing and contradicts nothing.
    """

    subject: str
    kind: str
    facts: Sequence[Fact] = ()
    verdicts: Sequence[Verdict] = ()
    documents: Sequence[Document] = ()
    events: Sequence[Event] = ()
    sources: Sequence[Source] = ()
    problems: Sequence[str] = ()
    notices: Sequence[str] = ()

    @property
    def contradictions(self) -> list[str]:
        """What does not fit together, each in a sentence."""
        disagreed = (fact for fact in self.facts if fact.contradictory)
        return [*map(_told, disagreed), *self.problems]

    @property
    def status(self) -> Status:
        """Whether what is known fits together: a source that was named and cannot be read could say otherwise."""
        if self.contradictions:
            return Status.FAILED
        if any(source.looked is Looked.UNREACHABLE for source in self.sources):
            return Status.ERROR
        said = any(source.looked is Looked.READ for source in self.sources)
        return Status.PASSED if said else Status.INCONCLUSIVE


def _told(fact: Fact) -> str:
    """Return a contradiction in a sentence."""
    said = "; ".join(f"{saying.value} ({', '.join(saying.by)})" for saying in fact.sayings)
    return f"{fact.topic}, {fact.name}: {said}"
