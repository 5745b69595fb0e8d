"""The page on automatic rollouts: its commands work one after another, its values render, its files are valid."""

from __future__ import annotations

import json
import re
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests import events
from tests.charts.rendering import MINIMAL, of_kind, render
from tests.conftest import ROOT, run_cd4ml
from tests.gitops.conftest import GitOps, git

PAGE: Final = (ROOT / "docs" / "rollouts.md").read_text(encoding="utf-8")
NEW: Final = image("ghcr.io/owner/credit@sha256:" + "b" * 64)


def blocks(language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def documents(key: str) -> list[dict[str, Any]]:
    """Return the YAML blocks with a key at their top."""
    found = [yaml.safe_load(text) for text in blocks("yaml")]
    return [document for document in found if key in document]


def test_commands__one_after_another(tmp_path: Path) -> None:
    """The three commands to try take a canary that is as good as the stable version to its next step."""
    (tmp_path / "here").mkdir()
    gitops = GitOps(tmp_path)
    trailers = f"Cd4ml-Image: {NEW}\nCd4ml-Canary-Weight: 1\nCd4ml-Model: sha256:{events.CANARY_MODEL}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", str(int(time.time()) - 3600))
        gitops.commit(f"Deploy\n\n{trailers}", {"credit/values.yaml": Manifest(gitops.read()).with_canary(NEW, 1)})
    found = events.events(events.STABLE, events.CANARY, rows=20_000, end=datetime.now(UTC))
    events.write(tmp_path / "here" / "events.jsonl", found)
    lines = re.findall(r"^\$ cd4ml (.*)$", blocks("console")[0], re.M)

    since = ""
    for line in lines:
        stage, *arguments = shlex.split(
            line.replace(" MODEL", f" {events.CANARY_MODEL}").replace(" SINCE", f" {since}")
        )
        run = run_cd4ml(tmp_path / "here", stage, *arguments)
        assert run.code == 0, f"{line}\n{run.stdout}{run.stderr}"
        if "--look" in line:
            assert run.report["outputs"]["model"] == events.CANARY_MODEL
            since = run.report["outputs"]["since"]

    assert len(lines) == 3 and run.report["outputs"]["action"] == "advanced"
    assert "Cd4ml-Advanced" in git(gitops.bare, "log", "-1", "--format=%B", "main")


def test_workflow__calls_what_there_is() -> None:
    """The workflow to copy hands the reusable one inputs and secrets that it has, and the permissions that it needs."""
    (shown,) = documents("jobs")
    called = yaml.safe_load((ROOT / ".github" / "workflows" / "rollout.yml").read_text())
    job = shown["jobs"]["rollout"]
    takes = called[True]["workflow_call"]

    assert set(job["with"]) <= set(takes["inputs"]) and set(job["secrets"]) == set(takes["secrets"])
    assert all(needs["permissions"].items() <= job["permissions"].items() for needs in called["jobs"].values())


@pytest.mark.parametrize("values", documents("rollout"), ids=lambda values: str(values["rollout"]["engine"]))
def test_values__render(tmp_path: Path, values: dict[str, Any]) -> None:
    """The chart takes the values for both controllers, and what is asked is what the server answers."""
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    objects = render("--values", tmp_path / "values.yaml", "--values", MINIMAL)
    text = json.dumps(objects)

    asked = set(re.findall(r"http://credit-analysis\.models\.svc:8090(/[a-z]+)", text))
    if values["rollout"]["engine"] == "flagger":
        (canary,) = of_kind(objects, "Canary")
        assert canary["spec"]["analysis"]["threshold"] == 144
        hooks = {hook["type"]: urlsplit(hook["url"]) for hook in canary["spec"]["analysis"]["webhooks"]}
        assert {kind: (url.path, url.query) for kind, url in hooks.items()} == {
            "rollout": ("/advance", "step=credit"),
            "rollback": ("/rollback", "step=credit"),
        }
    else:
        assert len(of_kind(objects, "AnalysisTemplate")) == 1 and asked == {"/report"}


def test_server__image_and_objects() -> None:
    """What the image is made of is in the repository; the server's arguments and its configuration are valid."""
    (dockerfile,) = blocks("dockerfile")
    copied = [word for line in re.findall(r"^COPY (.*)$", dockerfile, re.M) for word in line.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    objects = {document["kind"]: document for document in documents("kind")}
    config, deployment, service = (objects[kind] for kind in ("ConfigMap", "Deployment", "Service"))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    port = container["ports"][0]["containerPort"]

    assert str(port) in container["args"] and service["spec"]["ports"] == [{"port": port}]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert set(yaml.safe_load(config["data"]["cd4ml.yaml"])) == {"analyze-rollout"}
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", dockerfile, re.M)[0])
    assert entry == ["python", "-P", "-m", "cd4ml", "serve-analysis"]
