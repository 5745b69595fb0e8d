"""Production moves between the evaluation and the deployment: then nobody has compared the two."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from cd4ml.errors import OptionsError
from cd4ml.evidence.baseline import Baseline, reported
from cd4ml.evidence.folder import FolderReports
from cd4ml.evidence.verify import Subject
from tests.conftest import Run
from cd4ml.stages import about
from tests.gitops.conftest import MODEL, GitOps, git
from tests.registries import new_store
from tests.reports import write as write_report

ALIAS: Final = {"uri": "models:/risk@live", "sha256": "1" * 64, "name": "risk", "version": "3", "alias": "live"}
BY_VERSION: Final = {**ALIAS, "uri": "models:/risk/3", "alias": None}
FOLDER: Final = {"uri": "models/old", "sha256": "1" * 64, "name": None, "version": None, "alias": None}
CANDIDATE: Final = {"uri": "models:/risk@next", "sha256": MODEL, "name": "risk", "version": "4", "alias": "next"}
TABLE: Final = {"name": "predictions", "path": "predictions.parquet", "sha256": "7" * 64}
FIRST: Final = {"production": None, "candidate": CANDIDATE, "options": {"production": "models:/risk@live"}}


def write(folder: Path, stage: str, /, **report: Any) -> None:
    """Write a report on the candidate."""
    write_report(folder, stage, **{"candidate": CANDIDATE, **report})


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ({"evaluate-model": {"production": ALIAS}}, Baseline(name="risk", alias="live", version="3", candidate="4")),
        ({"score-model": {"production": ALIAS}}, Baseline(name="risk", alias="live", version="3", candidate="4")),
        (
            {"evaluate-model": {}, "score-model": FIRST},
            Baseline(name="risk", alias="live", version=None, candidate="4"),
        ),
        (
            {"evaluate-model": {"production": ALIAS, "candidate": {**CANDIDATE, "name": "other"}}},
            Baseline(name="risk", alias="live", version="3", candidate=None),
        ),
        ({"evaluate-model": {"production": BY_VERSION}}, "models:/risk/3, which is not an alias"),
        ({"score-model": {"production": FOLDER}}, "models/old, which is not an alias"),
        ({"evaluate-model": {"production": None}}, "No report names a production model"),
        ({"score-model": {"production": ALIAS, "candidate": {**CANDIDATE, "sha256": "2" * 64}}}, "No report names"),
        ({}, "No report names"),
    ],
)
def test_reported__what_the_model_was_judged_against(
    tmp_path: Path, reports: dict[str, dict[str, Any]], expected: Baseline | str
) -> None:
    """An alias and its version come from the report that judged this very model; else it is said why none can move."""
    for stage, report in reports.items():
        write(tmp_path / "reports", stage, **report)

    found = reported(
        FolderReports(folder=tmp_path / "reports", of=about), Subject(image=None, model=MODEL, commit=None)
    )

    assert found == expected if isinstance(expected, Baseline) else expected in str(found)


@pytest.mark.parametrize("unread", [{"production": "risk"}, {"options": []}, {"candidate": {"uri": "models:/risk/1"}}])
def test_reported__unreadable_report__refused(tmp_path: Path, unread: dict[str, Any]) -> None:
    """A report that is there and cannot be read is an error: nobody knows what it would have said."""
    write(tmp_path / "reports", "score-model", **unread)

    with pytest.raises(OptionsError, match="what the candidate was compared with is unknown: .*score-model.json"):
        reported(FolderReports(folder=tmp_path / "reports", of=about), Subject(image=None, model=MODEL, commit=None))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a registry with four versions of `risk`."""
    import mlflow

    folder = tmp_path_factory.mktemp("registry")
    uri = new_store(folder)
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("risk")
    for _ in range(4):
        client.create_model_version("risk", folder.as_uri())
    return uri


@pytest.fixture
def point(store: str) -> Iterator[Callable[[str | None], None]]:
    """Point the alias at a version, or at none."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=store, registry_uri=store)

    def move(version: str | None) -> None:
        if version is None:
            client.delete_registered_model_alias("risk", "live")
        else:
            client.set_registered_model_alias("risk", "live", version)

    yield move
    client.delete_registered_model_alias("risk", "live")


@pytest.fixture
def stage(
    cd4ml: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None], tmp_path: Path, store: str
) -> Callable[..., Run]:
    """Run a stage; evaluate-model has compared with version 3 of the alias, or the reports say something else."""
    evidence("evaluate-model", production=ALIAS, candidate=CANDIDATE)

    def run(name: str, *arguments: str, registry: str | None = store, **score: Any) -> Run:
        if score:
            evidence()
            for judge in ("evaluate-model", "audit-fairness"):
                path = tmp_path / "reports" / f"{judge}.json"
                path.write_text(json.dumps({**json.loads(path.read_text()), "inputs": [TABLE]}))
            outputs = {"predictions-sha256": TABLE["sha256"]}
            write(tmp_path / "reports", "score-model", outputs=outputs, **score)
        target = ["--repository", str(gitops.bare), "--manifest", "credit/values.yaml"]
        named = ["--tracking-uri", registry] if registry else []
        return cd4ml(name, *target, *named, *arguments)

    return run


def said(run: Run) -> tuple[int, str, str | None]:
    """Return the exit code, and what the check of production said."""
    (check,) = (check for check in run.report["checks"] if check["id"] == "production")
    return run.code, check["status"], check.get("reason")


def test_unmoved__deployed_and_promoted(
    stage: Callable[..., Run], gitops: GitOps, point: Callable[[str | None], None]
) -> None:
    """While the alias names what the model was judged against, it is deployed and promoted; the commit says both."""
    point("3")

    assert said(stage("deploy-model")) == (0, "passed", None)
    message = git(gitops.bare, "log", "-1", "--format=%B", "main")
    assert "Cd4ml-Baseline: models:/risk@live\nCd4ml-Baseline-Version: 3\nCd4ml-Candidate-Version: 4\n" in message
    point("2")
    head = gitops.head()
    assert said(stage("promote-model")) == (4, "inconclusive", "production-moved")
    assert gitops.head() == head
    point("4")  # by the promotion itself, which was cut off, or by hand
    assert said(stage("promote-model")) == (0, "passed", None)


def test_moved__inconclusive(stage: Callable[..., Run], gitops: GitOps, point: Callable[[str | None], None]) -> None:
    """If the alias names another version by now, or none, nothing is deployed, and the report says what to do."""
    head = gitops.head()
    point("2")
    run = stage("deploy-model")
    assert said(run) == (4, "inconclusive", "production-moved")
    assert "version 3 when the candidate was judged, and names version 2 now" in run.report["summary"]
    assert "score-model" in run.report["checks"][-1]["advice"]
    point(None)
    assert said(stage("deploy-model", "--on-inconclusive", "warn")) == (0, "inconclusive", "production-moved")

    assert gitops.head() == head


def test_first_release__another_came_first(
    stage: Callable[..., Run], gitops: GitOps, point: Callable[[str | None], None]
) -> None:
    """A first release that was compared with nothing is not deployed once production is there; before, it is."""
    head = gitops.head()
    point("2")
    assert said(stage("deploy-model", **FIRST)) == (4, "inconclusive", "production-moved")
    assert gitops.head() == head

    point(None)
    assert said(stage("deploy-model", **FIRST)) == (0, "passed", None)
    point("1")
    assert said(stage("promote-model")) == (4, "inconclusive", "production-moved")


def test_registry_unknown_or_down__nothing_deployed(stage: Callable[..., Run], gitops: GitOps) -> None:
    """Where nobody says which registry it is, that is inconclusive; one that does not answer is exit code 3."""
    head = gitops.head()

    assert said(stage("deploy-model", registry=None)) == (4, "inconclusive", "no-registry")
    assert stage("deploy-model", registry="http://127.0.0.1:9").code == 3
    assert gitops.head() == head


@pytest.mark.parametrize("production", [FOLDER, BY_VERSION])
def test_nothing_that_moves__needs_no_registry(stage: Callable[..., Run], production: dict[str, Any]) -> None:
    """A model compared with a folder or a version is deployed and promoted without a registry, and that is said."""
    run = stage("deploy-model", registry=None, production=production)

    assert said(run) == (0, "passed", None)
    assert "which is not an alias" in str(run.report["checks"])
    assert said(stage("promote-model", registry=None)) == (0, "passed", None)


def test_reports_of_an_older_deployment__compared(
    stage: Callable[..., Run], gitops: GitOps, point: Callable[[str | None], None]
) -> None:
    """A promotion that is handed the reports compares with them where the deployment's commit says nothing."""
    point("3")
    assert stage("deploy-model").code == 0
    git(gitops.work, "pull", "--quiet", "origin", "main")
    text = git(gitops.work, "log", "-1", "--format=%B")
    kept = "\n".join(line for line in text.splitlines() if "Baseline" not in line and "Candidate" not in line)
    git(gitops.work, "commit", "--quiet", "--amend", "--message", kept)
    git(gitops.work, "push", "--quiet", "--force", "origin", "HEAD:main")
    git(gitops.bare, "update-ref", "-d", "refs/cd4ml/ledger/main")
    point("2")

    assert said(stage("promote-model", "--reports", "reports")) == (4, "inconclusive", "production-moved")
