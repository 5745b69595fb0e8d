"""`POST /predict`: `{"rows": [{column: value, …}, …]}`, answered by a prediction for each row and the model."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from cd4ml.serving.exchange import Answers, Exchange
from cd4ml.serving.protocols import Question
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Refused
from cd4ml.serving.signature import Column

MEDIA_TYPES: Final = frozenset({"application/json"})


class Predict:
    """The gateway's own protocol."""

    name: str = "predict"
    media_types: Collection[str] = MEDIA_TYPES

    def __init__(self, columns: Sequence[Column], model: Mapping[str, str | None], maximum_rows: int) -> None:
        self._columns, self._model, self._maximum_rows = columns, dict(model), maximum_rows

    def read(self, body: bytes, _media_type: str) -> Question:
        """See Dialect."""
        return Question(exact.batch(body, self._columns, maximum_rows=self._maximum_rows))

    def write(self, _question: Question, answers: Answers, exchange: Exchange) -> bytes:
        """See Dialect."""
        scores: Sequence[float | None] = answers.y_score or [None] * len(answers.y_pred)
        pairs = [{"y_pred": label, "y_score": score} for label, score in zip(answers.y_pred, scores, strict=True)]
        content = {"predictions": pairs, "model": self._model, "cached": exchange.cached}
        return json.dumps(content, allow_nan=False).encode()

    def refusal(self, refused: Refused) -> bytes:
        """See Dialect."""
        return error_document(refused)


def error_document(refused: Refused) -> bytes:
    """Return the JSON document of a refusal, as every path but those of other protocols writes it."""
    problems = [asdict(problem) for problem in refused.problems]
    content = {"code": refused.code, "message": refused.message, "problems": problems, "more": refused.more}
    return json.dumps({"error": content}).encode()
