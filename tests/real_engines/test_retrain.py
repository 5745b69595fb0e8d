"""`retrain.yml` under act: what request-retraining sends leads to one version that passed the gates; else to none.

It takes minutes: a dozen jobs, each of which makes its own environments. What each step refuses is in
tests/actions/test_retrain.py.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.actions.act import ActRun, commit, copy_suite, git, run_act
from tests.actions.test_story import results
from tests.conftest import ROOT, Run
from tests.documented.test_retraining import write_example
from tests.platform import REPOSITORY, Platform, serve
from tests.registries import new_store
from tests.stages.request_retraining.test_request_retraining import drift_report

pytestmark = pytest.mark.timeout(3600)
WORKFLOWS: Final = ROOT / "tests" / "actions" / "workflows"
SCHEMA: Final = "schema_type: dataframe\napi: pandas\ncolumns:\n  age: {dtype: int64, greater_than_or_equal_to: 0}\n"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy this working tree, as the tag that consumers use."""
    return copy_suite(tmp_path_factory.mktemp("the suite"))


def project(folder: Path) -> Path:
    """Write the example of the page as a repository whose search has four jobs, and two others that must not train."""
    folder.mkdir()
    write_example(folder)
    (folder / "schema.yaml").write_text(SCHEMA)
    (folder / "failing.py").write_text("def score(parameters, train, validation):\n    raise ValueError('no')\n")
    config = yaml.safe_load((folder / "cd4ml.yaml").read_text())
    config["plan-search"] |= {"trials": 4, "jobs": 4, "folds": 2}
    config |= {
        "validate-data": {"data": "data/train.parquet", "schema": "schema.yaml"},
        "score-model": {
            "candidate": "models:/credit@none",
            "test-data": "data/test.parquet",
            "target": "approved",
            "bootstrap": True,
        },
        "evaluate-model": {"predictions": "predictions.parquet", "minimum": {"accuracy": 0.6}, "bootstrap": True},
    }
    (folder / "cd4ml.yaml").write_text(yaml.safe_dump(config))
    config["plan-search"] |= {"registered-model": "other"}
    (folder / "other.yaml").write_text(yaml.safe_dump(config))
    config["plan-search"] |= {"score": "failing:score", "training-code": ["failing.py"], "trials": 1, "jobs": 1}
    (folder / "failing.yaml").write_text(yaml.safe_dump(config))
    return commit(folder)


def run(suite: Path, folder: Path, github: Platform, scratch: Path, uri: str, name: str, **event: Any) -> ActRun:
    """Run one of the workflows for an event."""
    text = (WORKFLOWS / name).read_text().replace("REGISTRY", uri)
    path = folder / ".github" / "workflows" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", name)
    more = ["--secret", "GITHUB_TOKEN=t0ken", "--env", f"GITHUB_API_URL={github.address}"]
    more += ["--env", f"GITHUB_REPOSITORY={REPOSITORY}"]
    return run_act(suite, folder, name, scratch=scratch, more=more, **event)


def versions(uri: str, name: str) -> list[Mapping[str, Any]]:
    """Return the versions of a model, with tags and aliases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        found = client.search_model_versions(f"name='{name}'")
        return [vars(client.get_model_version(name, one.version)) for one in found]


def store(folder: Path) -> str:
    """Make a registry that keeps files where every job finds them."""
    uri = new_store(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.create_experiment("credit", artifact_location=str(folder / "artifacts"))
    return uri


def asked(cd4ml: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, github: Platform, folder: Path) -> Any:
    """Have request-retraining ask, and return the event that it sends."""
    (folder / "reports").mkdir()
    (folder / "reports" / "detect-drift.json").write_text(json.dumps(drift_report(2, True)))
    for name, value in {"API_URL": github.address, "REPOSITORY": REPOSITORY, "REF_NAME": "main"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("CD4ML_GITHUB_TOKEN", "t0ken")
    assert cd4ml("request-retraining", "--windows", "1", "--violations", "1").code == 0
    (event,) = github.dispatches
    return event


def test_retrain__one_version_that_passed_the_gates(
    suite: Path, tmp_path: Path, cd4ml: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of request-retraining leads, over four jobs, to a challenger, and exactly that is judged. The same
    request again trains nothing and is green; too early, another model's request, a failing trial and a request that is
    no number train nothing and are red."""
    uri, github, folder = store(tmp_path / "registry"), Platform(), project(tmp_path / "credit")
    with serve(github):
        sent = asked(cd4ml, monkeypatch, github, tmp_path)
        payload = {"repository": {"default_branch": "main"}, "action": sent["event_type"], **sent}
        event = {"event": "repository_dispatch", "payload": payload}
        first = run(suite, folder, github, tmp_path / "first", uri, "retrain.yml", **event)

        trained = versions(uri, "credit")
        assert first.code == 0, first.text[-6000:]
        assert [(str(one["_version"]), list(one["_aliases"])) for one in trained] == [("1", ["challenger"])]
        assert trained[0]["_tags"]["cd4ml.retraining-request"] == "1"
        assert len(list(first.artifacts.glob("cd4ml-retrain-trials-*/journal-*.log"))) == 4
        evaluated = first.artifact("cd4ml-report-score-model", "score-model.json")["candidate"]
        assert evaluated["uri"] == "models:/credit/1"
        assert f"sha256:{evaluated['sha256']}" == trained[0]["_tags"]["cd4ml.model-digest"]

        event = {"event": "workflow_dispatch"}
        later = run(suite, folder, github, tmp_path / "later", uri, "retrain-again.yml", **event)

    assert {name: results(later, name) for name in ("again", "early", "foreign", "failing", "garbage")} == {
        "again": {"request": "success", "plan": "success", "verdict": "success"},
        "early": {"request": "success", "plan": "failure", "verdict": "failure"},
        "foreign": {"request": "success", "plan": "failure", "verdict": "failure"},
        "failing": {"request": "success", "plan": "success", "search": "failure", "verdict": "failure"},
        "garbage": {"request": "failure", "verdict": "failure"},
    }, later.text[-6000:]
    assert "Nothing was due: request #1 led to models:/credit/1 before." in later.text
    reasons = {
        name: {check.get("reason") for check in later.artifact(f"{name}-retrain-plan", "plan-search.json")["checks"]}
        for name in ("again", "early", "foreign")
    }
    assert reasons == {"again": {"already-trained"}, "early": {"cooldown", None}, "foreign": {"not-a-request", None}}
    assert len(versions(uri, "credit")) == 1 and not versions(uri, "other")
