"""What the page on the gateway says of it."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.conftest import ROOT
from tests.serving.conftest import Gateway

PAGE = (ROOT / "docs" / "gateway.md").read_text()


def test_request__answered_as_shown(gateway: Gateway) -> None:
    """The request that the page shows is answered with what it shows: the same keys, and one prediction."""
    (body,) = re.findall(r"^\$ curl .*/predict .* -d '(.*)'$", PAGE, re.M)
    (shown,) = [json.loads(line) for line in PAGE.splitlines() if line.startswith('{"predictions"')]

    answer = gateway.predict(json.loads(body)["rows"])

    assert answer.status_code == 200
    assert answer.json().keys() == shown.keys() and answer.json()["model"].keys() == shown["model"].keys()
    assert [row.keys() for row in answer.json()["predictions"]] == [row.keys() for row in shown["predictions"]]


EXAMPLES = [shlex.split(line)[1:] for line in PAGE.splitlines() if line.startswith("$ curl") and "/predict" not in line]


@pytest.mark.parametrize("words", EXAMPLES, ids=lambda words: words[2] + words[4][:12])
def test_request__of_other_protocols(gateway: Gateway, words: list[str]) -> None:
    """The requests in the protocols of other servers that the page shows are answered."""
    _, _, url, _, body, _, header = words
    content = "age,income,city\n40,52000.0,Oslo\n" if body == "@rows.csv" else body
    path = url.removeprefix("localhost:8080").replace("/credit/", "/loans/")

    answer = gateway.client.post(path, content=content, headers=dict([header.split(": ")]))

    assert answer.status_code == 200, answer.text


def test_codes__those_of_the_code() -> None:
    """The page lists exactly the refusals that the gateway itself has, each with its status."""
    sources = sorted(path for path in (ROOT / "cd4ml" / "serving").rglob("*.py") if path.parent.name != "router")
    text = "".join(path.read_text() for path in sources)
    written = {(code, status) for status, code in re.findall(r"Refused\(\s*(\d+), \"([a-z-]+)\"", text)}
    rows = re.findall(r"^\| (\d{3}) \| (`[^|]*`) \|", PAGE, re.M)
    listed = {(code, status) for status, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)}

    assert listed == written


def test_paths__all_answer(gateway: Gateway) -> None:
    """Every path that the page lists is there."""
    cells = re.findall(r"^\| (`(?:GET|POST) /[^|]*) \|", PAGE, re.M)
    for method, path in [found for cell in cells for found in re.findall(r"`(GET|POST) (/[^`]+)`", cell)]:
        answer = gateway.client.request(method, path.replace("NAME", "loans"))
        assert answer.status_code not in (404, 405), path
