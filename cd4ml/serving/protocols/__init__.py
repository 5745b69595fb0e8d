"""The protocols in which predictions are asked for. Each reads and writes bytes alone; what is between is the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.refused import Refused


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


class Dialect(Protocol):
    """How one protocol writes its requests and answers."""

    @property
    def name(self) -> str:
        """The `protocol` of its exchanges."""

    @property
    def media_types(self) -> Collection[str]:
        """Content types of requests, in small letters and without parameters; others are refused."""

    def read(self, body: bytes, media_type: str) -> Question:
        """Read a request.

        Raises:
            Refused: it is not one.
        """

    def write(self, question: Question, answers: Answers, exchange: Exchange) -> bytes:
        """Return the JSON document of an answer."""

    def refusal(self, refused: Refused) -> bytes:
        """Return the JSON document of a refusal."""
