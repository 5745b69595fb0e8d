"""The gateway's own protocol: probabilities of the classes, when they are asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cd4ml.serving.exchange import Answers, Exchange
from cd4ml.serving.protocols import Body
from cd4ml.serving.protocols.predict import Predict
from tests.serving.protocols.conftest import MODEL, Classifier, refused

BODY = json.dumps({"rows": [{"age": 40, "income": 1.5, "city": "Oslo"}]}).encode()


def test_probabilities__with_their_classes(exchange: Exchange) -> None:
    """The answer has a probability for each class, and says which class each is of."""
    predict = Predict(Classifier(classes=[np.int64(0), np.int64(1)]), MODEL, 10)
    question = predict.read(Body(BODY, query=b"probabilities=true"))
    found = json.loads(predict.write(question, Answers([1], [0.75], [[0.25, 0.75]]), exchange).body)

    assert question.probabilities
    assert found["predictions"] == [{"y_pred": 1, "y_score": 0.75, "probabilities": [0.25, 0.75]}]
    assert found["classes"] == [0, 1]


@pytest.mark.parametrize("query", [b"", b"probabilities=false", b"other=1"])
def test_probabilities__not_asked_for(exchange: Exchange, query: bytes) -> None:
    """Without the parameter an answer is what it always was."""
    predict = Predict(Classifier(), MODEL, 10)
    question = predict.read(Body(BODY, query=query))

    assert not question.probabilities
    assert json.loads(predict.write(question, Answers(["yes"], [0.75]), exchange).body).keys() == {
        "predictions",
        "model",
        "cached",
    }


@pytest.mark.parametrize("query", [b"probabilities", b"probabilities=yes", b"probabilities=true&probabilities=false"])
def test_probabilities__unclear(query: bytes) -> None:
    """A value of the parameter that is neither true nor false is refused."""
    assert refused(lambda: Predict(Classifier(), MODEL, 10).read(Body(BODY, query=query))) == (
        "bad-parameter",
        "?probabilities",
    )


@pytest.mark.parametrize("classes", [(), tuple(range(1001))], ids=["none", "names"])
def test_probabilities__of_a_model_without_classes(classes: tuple[int, ...]) -> None:
    """A model without probabilities, or with more classes than an answer holds, cannot be asked for them."""
    predict = Predict(Classifier(classes=classes), MODEL, 10)

    assert refused(lambda: predict.read(Body(BODY, query=b"probabilities=true")))[0] == "unknown-output"
