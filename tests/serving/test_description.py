"""`/openapi.json`: right for the model, and held by a running gateway whatever is sent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cd4ml.serving.description import openapi
from cd4ml.serving.signature import Column
from tests.conftest import clean_environment
from tests.serving.conftest import Gateway, running
from tests.serving.protocols.conftest import MODEL, Classifier

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Whether a model likes a value of the right type, such as a category that it never saw, is beyond a schema.
CHECKS = ["--checks=all", "--exclude-checks=positive_data_acceptance"]
TYPES = ("integer", "long", "float", "double", "boolean", "string", "datetime", None)


@pytest.fixture(scope="module")
def served(loan_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, list[str]]]:
    """A gateway of its own, and the lines of its log, which are read as they come."""
    lines: list[str] = []
    with running(loan_model, tmp_path_factory.mktemp("described")) as gateway:
        log = gateway.process.stderr
        assert log is not None
        thread = threading.Thread(target=lambda: lines.extend(log), daemon=True)
        thread.start()
        gateway.until(200)
        yield gateway, lines


def document(*columns: Column, **about: Any) -> dict[str, Any]:
    """Return the description of a model."""
    runtime = Classifier(columns=columns, **about)
    predicting = {"/predict": "predict", "/invocations": "mlflow", "/v2/models/loans/infer": "v2"}
    return dict(json.loads(openapi(["/version"], predicting, runtime, MODEL, 7)))


def request_of(found: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the schema of a path's request in JSON."""
    return dict(found["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"])


def test_gateway__holds_what_it_describes(served: tuple[Gateway, list[str]], tmp_path: Path) -> None:
    """Schemathesis finds no 5xx, no undocumented answer and no wrong request that is taken, in some hundred cases."""
    gateway, lines = served
    url = str(gateway.client.base_url.join("/openapi.json"))
    command = [str(SCHEMATHESIS), "--no-color", "run", url, *CHECKS, "-n5", "--seed=1"]

    done = subprocess.run(
        [*command, "--phases=examples,coverage,fuzzing", "--exclude-path-regex=versions"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stdout[-5000:]
    (cases,) = re.findall(r"(\d+) generated, \1 passed", done.stdout)
    assert int(cases) >= 200
    # Whatever was sent: a request is one short line, and none of them is an error of the gateway's own.
    assert max(map(len, lines)) < 1000 and not any(json.loads(line)["level"] == "error" for line in lines)


def test_paths__all_that_answer(served: tuple[Gateway, list[str]]) -> None:
    """Every path that is described answers as described, and every one that the page lists is described."""
    gateway, _ = served
    described = gateway.client.get("/openapi.json").json()["paths"]

    for path, operations in described.items():
        for method in operations:
            assert gateway.client.request(method, path, json={}).status_code in (200, 422), path
    assert {"/predict", "/invocations", "/v2/models/loans/versions/3/infer", "/ping", "/metrics"} <= described.keys()


def test_examples__answered(served: tuple[Gateway, list[str]]) -> None:
    """The example of each request is of the right types: it is answered, or refused for its city alone."""
    gateway, _ = served
    for path, operations in gateway.client.get("/openapi.json").json()["paths"].items():
        if "post" in operations:
            example = operations["post"]["requestBody"]["content"]["application/json"]["example"]
            answer = gateway.client.post(path, json=example)
            assert "refused-by-model" in answer.text, path
            text = json.dumps(example).replace('"text"', '"Oslo"')
            headers = {"Content-Type": "application/json"}
            assert gateway.client.post(path, content=text, headers=headers).status_code == 200, path


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("value", [0, 1.5, -(2**31) - 1, 2**63, 1e39, True, "2024-05-31T13:45:00Z", None, [1], {}])
def test_values__schema_and_reader_agree(type_: str | None, required: bool, value: Any) -> None:
    """A value fits the schema of its column exactly where the reader takes it."""
    from cd4ml.serving.reading import exact
    from cd4ml.serving.refused import Refused

    column = Column(name="x", type=type_, required=required)
    schema = request_of(document(column), "/predict")
    request = {"rows": [{"x": value}]}
    try:
        exact.batch(json.dumps(request).encode(), [column], maximum_rows=7)
        taken = True
    except Refused:
        taken = False

    assert jsonschema.Draft202012Validator(schema).is_valid(request) is taken


@pytest.mark.parametrize(
    ("rows", "fits"),
    [([{"x": 1.0}], True), ([{"x": 1.0}] * 8, False), ([], False), ([{}], False), ([{"x": 1.0, "y": 1}], False)],
)
def test_rows__as_many_and_as_named_as_allowed(rows: Any, fits: bool) -> None:
    """The schema knows the most rows of a request, and that other columns are refused."""
    schema = request_of(document(Column(name="x", type="double")), "/predict")

    assert jsonschema.Draft202012Validator(schema).is_valid({"rows": rows}) is fits


def test_model__without_columns_or_classes() -> None:
    """A model that names no columns and has no classes is described as far as it is known."""
    found = document(classes=(), positive_label=None)
    answer = found["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert "classes" not in answer["properties"]
    for path in ("/predict", "/invocations", "/v2/models/loans/infer"):
        jsonschema.Draft202012Validator.check_schema(request_of(found, path))
