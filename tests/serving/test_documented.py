"""What the page on the gateway says of it."""

from __future__ import annotations

import json
import re

from tests.conftest import ROOT
from tests.serving.conftest import Gateway

PAGE = (ROOT / "docs" / "gateway.md").read_text()


def test_request__answered_as_shown(gateway: Gateway) -> None:
    """The request that the page shows is answered with what it shows: the same keys, and one prediction."""
    (body,) = re.findall(r"^\$ curl .* -d '(.*)'$", PAGE, re.M)
    (shown,) = [json.loads(line) for line in PAGE.splitlines() if line.startswith('{"predictions"')]

    answer = gateway.predict(json.loads(body)["rows"])

    assert answer.status_code == 200
    assert answer.json().keys() == shown.keys() and answer.json()["model"].keys() == shown["model"].keys()
    assert [row.keys() for row in answer.json()["predictions"]] == [row.keys() for row in shown["predictions"]]


def test_codes__those_of_the_code() -> None:
    """The page lists exactly the refusals that the gateway has, each with its status."""
    text = "".join(path.read_text() for path in sorted((ROOT / "cd4ml" / "serving").rglob("*.py")))
    written = {(code, status) for status, code in re.findall(r"Refused\(\s*(\d+), \"([a-z-]+)\"", text)}
    rows = re.findall(r"^\| (\d{3}) \| (`[^|]*`) \|", PAGE, re.M)
    listed = {(code, status) for status, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)}

    assert listed == written


def test_paths__all_answer(gateway: Gateway) -> None:
    """Every path that the page lists is there."""
    for method, path in re.findall(r"^\| `(GET|POST) (/[\w./]+)` \|", PAGE, re.M):
        assert gateway.client.request(method, path).status_code != 404, path
