"""The example of docs/retraining.md works as it stands: from a plan to a challenger with its lineage, once."""

from __future__ import annotations

import json
import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.digests import file_sha256
from tests.conftest import ROOT, Run
from tests.documented.test_documented import customers
from tests.registries import new_store
from tests.search.training import write_lock

pytestmark = pytest.mark.timeout(600)


def blocks(language: str) -> list[str]:
    """Return the blocks of a language on the page."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "retraining.md").read_text(), re.S)


def write_example(folder: Path) -> None:
    """Write the files of the page, and what it says lies beside them."""
    (script,), (configuration, _) = blocks("python"), blocks("yaml")
    (folder / "training.py").write_text(script)
    (folder / "cd4ml.yaml").write_text(configuration)
    (folder / "data").mkdir()
    frame = customers(400, seed=4)
    frame.head(250).to_parquet(folder / "data" / "train.parquet", index=False)
    frame.tail(100).to_parquet(folder / "data" / "test.parquet", index=False)
    write_lock(folder / "training.txt")


def test_example(cd4ml: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two jobs search, the better one is trained and registered with its lineage; a second run trains nothing, and a
    second search has to wait."""
    write_example(tmp_path)
    uri = new_store(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    lines = [shlex.split(line)[1:] for text in blocks("console") for line in re.findall(r"^\$ (.*)$", text, re.M)]

    runs = {" ".join(line): cd4ml(*line) for line in lines}
    again, later = cd4ml("train-model"), cd4ml("plan-search")

    assert {line: run.code for line, run in runs.items()} == dict.fromkeys(runs, 0)
    found = version(uri)
    selected = runs["select-trial"].report
    assert json.loads(found["cd4ml.parameters"]) == selected["details"]["parameters"]
    assert found["cd4ml.search-digest"] == f"sha256:{selected['outputs']['search-sha256']}"
    assert found["cd4ml.train-data-digest"] == f"sha256:{file_sha256(tmp_path / 'data' / 'train.parquet')}"
    assert found["cd4ml.training-lock-digest"] == f"sha256:{file_sha256(tmp_path / 'training.txt')}"
    assert found["cd4ml.model-digest"] == f"sha256:{runs['train-model'].report['candidate']['sha256']}"
    assert 0.6 < selected["metrics"]["nested"] <= selected["metrics"]["cross-validated"] <= 1
    assert (again.code, again.report["checks"][0]["reason"]) == (0, "already-registered")
    assert (later.code, later.report["outputs"]["jobs"]) == (1, "[]")
    assert {check.get("reason") for check in later.report["checks"]} == {None, "cooldown"}


def version(uri: str) -> dict[str, Any]:
    """Return the tags of the challenger, the only version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        assert len(client.search_model_versions("name='credit'")) == 1
        return dict(client.get_model_version_by_alias("credit", "challenger").tags)
