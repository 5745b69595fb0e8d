"""`POST /predict`: `{"rows": [{column: value, …}, …]}`, answered by a prediction for each row and the model.

`?probabilities=true` asks for the probability of each class too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import parse_qs

from cd4ml.serving.exchange import Answers, Exchange
from cd4ml.serving.protocols import Answer, Body, Question, classes
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import Runtime

MEDIA_TYPES: Final = frozenset({"application/json"})


class Predict:
    """The gateway's own protocol."""

    name: str = "predict"
    media_types: Collection[str] = MEDIA_TYPES

    def __init__(self, runtime: Runtime, model: Mapping[str, str | None], maximum_rows: int) -> None:
        self._columns, self._model, self._maximum_rows = runtime.columns, dict(model), maximum_rows
        self._classes = classes.offered(runtime)

    def read(self, body: Body) -> Question:
        """See Dialect."""
        probabilities = bool(body.query) and self._probabilities(body.query)
        return Question(exact.batch(body.content, self._columns, maximum_rows=self._maximum_rows), probabilities)

    def write(self, question: Question, answers: Answers, exchange: Exchange) -> Answer:
        """See Dialect."""
        scores: Sequence[float | None] = answers.y_score or [None] * len(answers.y_pred)
        pairs: list[dict[str, Any]] = [
            {"y_pred": label, "y_score": score} for label, score in zip(answers.y_pred, scores, strict=True)
        ]
        document: dict[str, Any] = {"predictions": pairs, "model": self._model, "cached": exchange.cached}
        if question.probabilities:
            for pair, row in zip(pairs, answers.probabilities or [], strict=True):
                pair["probabilities"] = row
            document["classes"] = list(self._classes)
        return Answer(json.dumps(document, allow_nan=False).encode())

    def _probabilities(self, query: bytes) -> bool:
        """Whether a query asks for probabilities.

        Raises:
            Refused: it does not say so clearly, or the model gives none.
        """
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
