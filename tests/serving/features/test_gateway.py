"""Features by key in a gateway of its own process: the documented example, what is seen of it, and its description."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema

from cd4ml.serving.description import openapi
from cd4ml.serving.features.entities import entities_of
from tests.conftest import ROOT
from tests.serving.conftest import Gateway, running
from tests.serving.events.exchanges import files, read
from tests.serving.features.stores import ENTITIES
from tests.serving.protocols.conftest import MODEL, Classifier
from tests.serving.redis import Server, serving

PAGE = (ROOT / "docs" / "features.md").read_text()
EXAMPLE, _, FEAST = (block.splitlines() for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.M | re.S))
SHOWN = json.loads(re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)[0])


def environment(line: str) -> dict[str, str]:
    """Return the variables that a documented command sets."""
    words = shlex.split(line)
    return dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-e")


def test_example__works_as_shown(loan_model: Path, tmp_path: Path) -> None:
    """The page's commands work: what is written to Redis is fetched, answered, counted, and stands in the event."""
    events = tmp_path / "events.jsonl"
    write, start, curl, shown = EXAMPLE
    with serving() as server:
        client: Any = server.ask()
        client.execute_command(*shlex.split(write)[2:])
        env = environment(start) | {"FEATURE_STORE_URL": server.url, "EVENTS": str(events), "FEATURE_BUDGET_MS": "2000"}
        with running(loan_model, tmp_path, env=env) as gateway:
            gateway.until(200)
            body = shlex.split(curl)[-1]
            answer = gateway.client.post("/predict", content=body, headers={"content-type": "application/json"})
            whole = gateway.predict([SHOWN["features"]])
            assert answer.status_code == 200, answer.text
            assert answer.json().keys() == json.loads(shown).keys()
            assert answer.json()["predictions"] == whole.json()["predictions"]
            others(gateway, server)
        found = [event for event in read(files(events)) if event["status"] == 200]

    assert found[0]["features"] == SHOWN["features"] and found[0]["fetched"] == SHOWN["fetched"]
    assert "fetched" not in found[1] and "17" not in json.dumps(found[0]["features"])


def others(gateway: Gateway, server: Server) -> None:
    """Ask for what the store does not have, with its probabilities, and without the store."""
    missing = gateway.client.post("/predict", json={"entities": [{"customer_id": 18, "age": 40}]})
    assert (missing.status_code, missing.json()["error"]["code"]) == (422, "features-missing")
    assert missing.json()["error"]["problems"][0]["path"] == "entities[0].income"
    row = {"customer_id": 17, "age": 40}
    asked = gateway.client.post("/predict?probabilities=true", json={"entities": [row]})
    assert len(asked.json()["predictions"][0]["probabilities"]) == 2
    mixed = gateway.client.post("/predict", json={"entities": [row], "rows": [SHOWN["features"]]})
    assert (mixed.status_code, mixed.json()["error"]["code"]) == (422, "no-rows")
    server.kill()
    gone = gateway.client.post("/predict", json={"entities": [row]})
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, "features-unavailable")
    assert gone.headers["retry-after"] == "1"
    assert gateway.until(503).json()["reason"].startswith("the online store is not usable: ")
    assert gateway.predict([SHOWN["features"]]).status_code == 200
    shown = gateway.client.get("/metrics").text
    assert 'cd4ml_features_total{outcome="found"} 4.0\n' in shown
    assert 'cd4ml_features_total{outcome="missing"} 2.0\n' in shown
    assert re.search(r"^cd4ml_feature_lookup_seconds_count [34]\.0$", shown, re.M) and "cd4ml_model_ready 0.0" in shown


def test_example__of_feast() -> None:
    """What the page sets for Feast declares the columns of the example."""
    (entity,) = entities_of(environment(FEAST[1])["FEATURE_ENTITIES"])

    assert (entity.name, [*entity.features]) == ("customer_id", ["income", "city"])


def test_description__takes_what_the_gateway_takes() -> None:
    """The OpenAPI schema of `/predict` takes rows or entities, with an entity's key or all of its features."""
    entities = entities_of(ENTITIES)
    predicting = {"/predict": "predict", "/invocations": "mlflow", "/v2/models/loans/infer": "v2"}
    document = json.loads(openapi(["/version"], predicting, Classifier(), MODEL, 7, entities))
    schema = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator(schema)
    given: dict[str, Any] = {"income": 1.5, "city": "Oslo", "member": True}

    assert validator.is_valid({"rows": [{"age": 1, **given}]})
    for row in ({"age": 1, "customer_id": 17}, {"age": 1, **given}, {"age": 1, "customer_id": 17, "income": None}):
        assert validator.is_valid({"entities": [row]}), row
    for row in ({"customer_id": 17}, {"age": 1}, {"age": 1, "customer_id": "17"}, {"age": 1, "income": 1.5}, {}):
        assert not validator.is_valid({"entities": [row]}), row
    assert not validator.is_valid({"entities": [{"age": 1, "customer_id": 17}], "rows": [{"age": 1, **given}]})
