"""In-toto statements: what is claimed about which bytes, in the one form that is signed.

https://github.com/in-toto/attestation/tree/main/spec/v1
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cd4ml.errors import OptionsError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_TYPE: Final = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something by its digests: what a statement is about, or what it rests on.

    Attributes:
        digest: hexadecimal digests by the names of their algorithms.
    """

    digest: Mapping[str, str]
    name: str = ""
    uri: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The ResourceDescriptor, without fields that say nothing."""
        fields = {"name": self.name, "uri": self.uri, "digest": dict(self.digest), "annotations": self.annotations}
        return {key: value for key, value in fields.items() if value}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A claim about its subjects."""

    subjects: Sequence[Resource]
    predicate_type: str
    predicate: Mapping[str, Any]

    @property
    def payload(self) -> bytes:
        """The bytes that are signed: the same statement is always the same bytes."""
        document = {
            "_type": _TYPE,
            "subject": [subject.document for subject in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    def about(self, sha256: str) -> bool:
        """Whether one of its subjects has this digest."""
        return any(subject.digest.get("sha256") == sha256 for subject in self.subjects)


def read_statement(payload: bytes) -> Statement:
    """Read a statement.

    Raises:
        OptionsError: it is not an in-toto statement, version 1, or names nothing that it is about.
    """
    try:
        document = json.loads(payload)
        if document["_type"] != _TYPE:
            raise ValueError(f"its type is {str(document['_type'])[:100]!r}")
        subjects = tuple(_subject(item) for item in document["subject"])
        kind, predicate = document["predicateType"], document.get("predicate") or {}
        if not subjects or not isinstance(kind, str) or not isinstance(predicate, dict):
            raise ValueError("its subject or its predicate is missing")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OptionsError(f"not an in-toto statement: {error}") from error
    return Statement(subjects=subjects, predicate_type=kind, predicate=predicate)


def _subject(item: Mapping[str, Any]) -> Resource:
    """Read one subject."""
    digest = {str(name): str(value) for name, value in item["digest"].items()}
    if not digest:
        raise ValueError("a subject has no digest")
    return Resource(digest=digest, name=str(item.get("name") or ""))
