"""`POST /predict`: `{"rows": [{column: value, …}, …]}`, answered by a prediction for each row and the model.

`?probabilities=true` asks for the probability of each class too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET, UnsetType

from cd4ml.serving.exchange import Answers, Exchange
from cd4ml.serving.protocols import Answer, Body, Question, classes
from cd4ml.serving.reading import fast
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import Runtime

MEDIA_TYPES: Final = frozenset({"application/json"})


class _Pair(msgspec.Struct, gc=False):
    """What is answered for a row."""

    y_pred: Any
    y_score: float | None
    probabilities: list[float] | UnsetType = UNSET


class _Answer(msgspec.Struct, gc=False):
    """What is answered for all."""

    predictions: list[_Pair]
    model: msgspec.Raw
    cached: int
    classes: list[Any] | UnsetType = UNSET


class Predict:
    """The gateway's own protocol."""

    name: str = "predict"
    media_types: Collection[str] = MEDIA_TYPES

    def __init__(self, runtime: Runtime, model: Mapping[str, str | None], maximum_rows: int) -> None:
        self._read = fast.reader(runtime.columns, maximum_rows=maximum_rows)
        self._encode = msgspec.json.Encoder().encode
        self._model = msgspec.Raw(self._encode(dict(model)))
        self._classes = classes.offered(runtime)

    def read(self, body: Body) -> Question:
        """See Dialect."""
        probabilities = self.asks_for_probabilities(body)
        return Question(self._read(body.content), probabilities)

    def write(self, question: Question, answers: Answers, exchange: Exchange) -> Answer:
        """See Dialect."""
        scores: Sequence[float | None] = answers.y_score or [None] * len(answers.y_pred)
        pairs = list(map(_Pair, answers.y_pred, scores))
        answer = _Answer(pairs, self._model, exchange.cached)
        if question.probabilities:
            for pair, row in zip(pairs, answers.probabilities or [], strict=True):
                pair.probabilities = row
            answer.classes = list(self._classes)
        try:
            return Answer(self._encode(answer))
        except OverflowError:  # JSON has whole numbers of any length, msgspec those of 64 bits
            return Answer(json.dumps(msgspec.to_builtins(answer) | {"model": json.loads(self._model)}).encode())

    def asks_for_probabilities(self, body: Body) -> bool:
        """Whether the query of a request asks for probabilities.

        Raises:
            Refused: it does not say so clearly, or the model gives none.
        """
        return bool(body.query) and self._probabilities(body.query)

    def _probabilities(self, query: bytes) -> bool:
        """See above."""
        given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("probabilities", ["false"])
        if given not in (["true"], ["false"]):
            problem = Problem(path="?probabilities", problem="must be true or false")
            raise Refused(422, "bad-parameter", "A parameter of the query is wrong.", [problem])
        if given == ["true"] and not self._classes:
            problem = Problem(path="?probabilities", problem="the model gives no probabilities of classes")
            raise Refused(422, "unknown-output", "The model has no such output.", [problem])
        return given == ["true"]


def error_document(refused: Refused) -> bytes:
    """Return the JSON document of a refusal, as every path but those of other protocols writes it."""
    problems = [asdict(problem) for problem in refused.problems]
    content = {"code": refused.code, "message": refused.message, "problems": problems, "more": refused.more}
    return json.dumps({"error": content}).encode()
