"""What a source says, in one form: values by topic and name, each with who says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cd4ml.report.trace import Document, Event, Fact, Saying, Source, Topic, Verdict
from cd4ml.tracing.subject import Ids

Key = tuple[Topic, str]
_LONGEST: Final = 200
# One digest of the tables that the stages before the evaluation read: see `registry.tags.of_tables`.
ALL_TABLES: Final = "digest of all tables"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one witness says: a report, a commit, a label, a version of a model.

    Attributes:
        by: who says it, as people read it.
        ids: what it says that image, model and commit are; the most exact of the bundle's decide whether it counts.
    """

    by: str
    ids: Ids = Ids()
    values: Mapping[Key, str] = field(default_factory=dict)

    def said(self) -> Iterable[tuple[Key, str]]:
        """Yield each value with what it is about, those of the ids too."""
        names = (
            (Topic.IMAGE, "digest"),
            (Topic.MODEL, "sha256"),
            (Topic.MODEL, "version"),
            (Topic.CODE, "commit"),
        )
        yield from ((key, value) for key, value in zip(names, self.ids.each, strict=True) if value)
        yield from self.values.items()


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Records that belong together: they are about what is traced if `ids` are.

    Attributes:
        told: what to call the bundle where it is about something else that is near.
        image: the image's name with its digest, where the bundle has one.
        believed: whether the ids lead to more; those of what is not signed as it must be do not.
    """

    ids: Ids
    told: str
    image: str | None = None
    records: Sequence[Record] = ()
    events: Sequence[Event] = ()
    verdicts: Sequence[Verdict] = ()
    documents: Sequence[Document] = ()
    problems: Sequence[str] = ()
    notices: Sequence[str] = ()
    believed: bool = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a source answered: `source` says how it was looked at."""

    source: Source
    bundles: Sequence[Bundle] = ()


def shown(name: object) -> str:
    """Return the name of a file as a message shows it: reports may name anything."""
    text = str(name)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def facts(records: Iterable[Record]) -> list[Fact]:
    """Return what records say, in the order of the topics; what has two values has them side by side."""
    found: dict[Key, dict[str, list[str]]] = {}
    for record in records:
        for key, value in record.said():
            by = found.setdefault(key, {}).setdefault(value, [])
            if record.by not in by:
                by.append(record.by)
    order = list(Topic)
    return [
        Fact(topic=key[0], name=key[1], sayings=[Saying(value=value, by=by) for value, by in values.items()])
        for key, values in sorted(found.items(), key=lambda item: order.index(item[0][0]))
    ]
