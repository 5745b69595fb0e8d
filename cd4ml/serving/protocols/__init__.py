"""The protocols in which predictions are asked for. Each reads and writes bytes alone; what is between is the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from cd4ml.serving.exchange import Answers, Batch, Exchange, Headers


@dataclass(slots=True)
class Body:
    """What a protocol reads of a request.

    Attributes:
        media_type: in small letters and without parameters; "" if there is none.
        query: what stands behind the path's question mark.
        headers: names in small letters.
    """

    content: bytes
    media_type: str = "application/json"
    query: bytes = b""
    headers: Headers = ()


@dataclass(slots=True)
class Question:
    """What a request asks for.

    Attributes:
        probabilities: whether the probability of each class is asked for.
        about: whatever the protocol needs of the request to write its answer.
    """

    batch: Batch
    probabilities: bool = False
    about: Any = None


@dataclass(slots=True)
class Answer:
    """What a protocol answers.

    Attributes:
        headers: beside its type and length.
    """

    body: bytes
    media_type: bytes = b"application/json"
    headers: Headers = ()


class Dialect(Protocol):
    """How one protocol writes its requests and answers."""

    @property
    def name(self) -> str:
        """The `protocol` of its exchanges."""

    @property
    def media_types(self) -> Collection[str]:
        """Content types of requests, in small letters and without parameters; others are refused."""

    def read(self, body: Body) -> Question:
        """Read a request.

        Raises:
            Refused: it is not one.
        """

    def write(self, question: Question, answers: Answers, exchange: Exchange) -> Answer:
        """Return the answer.

        Raises:
            Refused: the model gave nothing of what was asked for.
        """
