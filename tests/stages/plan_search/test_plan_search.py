"""plan-search: a plan is there only where a search is due, on rows that are no test rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cd4ml.checks.search.due import cooldown_check, served_check
from cd4ml.digests import file_sha256
from cd4ml.registry import tags
from cd4ml.retraining.plan import Plan as Event
from cd4ml.retraining.plan import note
from cd4ml.retraining.platform import SENT
from tests import models
from tests.conftest import Run
from tests.generated.test_generated import problems
from tests.platform import REPOSITORY, Platform, serve
from tests.reports import document

Plan = Callable[..., Run]
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LABEL = "cd4ml-retraining"
NOTE = note(Event(event_type="cd4ml-retrain", worst_feature="income", current_sha256=""))
LOCK = "pandas==3.1.1 \\\n    --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def plan(cd4ml: Callable[..., Run], tmp_path: Path) -> Plan:
    """Run plan-search in a project; a plan is there only if it passed."""
    models.people(60).to_parquet(tmp_path / "train.parquet", index=False)
    models.people(20, seed=1).to_parquet(tmp_path / "test.parquet", index=False)
    (tmp_path / "training.py").write_text("def score(parameters, train, validation):\n    return 0.0\n")
    (tmp_path / "training.txt").write_text(LOCK)

    def run(*arguments: str, planned: bool | None = None, **changes: object) -> Run:
        options = {
            "train-data": "train.parquet",
            "test-data": "test.parquet",
            "score": "training:score",
            "training-code": "training.py",
            "training-lock": "training.txt",
            "space": {"depth": "2..8"},
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        (tmp_path / "cd4ml.yaml").write_text(json.dumps({"plan-search": options}))
        found = cd4ml("plan-search", *arguments)
        assert problems("report.v1.schema.json", found.report) == []
        assert (tmp_path / "search" / "plan.json").exists() is (found.code == 0 if planned is None else planned)
        return found

    return run


def test_due__planned(plan: Plan, tmp_path: Path) -> None:
    """The plan holds the space, the budget and the digests of what it rests on; its jobs are a matrix."""
    run = plan(trials=7, jobs=3)
    made = json.loads((tmp_path / "search" / "plan.json").read_text())

    assert run.code == 0 and json.loads(run.report["outputs"]["jobs"]) == [0, 1, 2]
    assert (made["trials"], made["seconds"], made["space"][0]["high"]) == (7, 3600.0, 8)
    digests = {item["name"]: item["sha256"] for item in run.report["inputs"]}
    assert (made["train_sha256"], made["test_sha256"]) == (digests["train-data"], digests["test-data"])

    (tmp_path / "training.py").write_text("changed = True\n")
    assert plan(trials=7, jobs=3).report["outputs"]["plan-sha256"] != run.report["outputs"]["plan-sha256"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 0}, "trials must be at least 1"),
        ({"jobs": 21}, "no more than trials"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"folds": 30, "inner_folds": 3}, "too few"),
        ({"search_seconds": 0}, "search-seconds must be above 0"),
        ({"cooldown_days": -1}, "cooldown-days"),
        ({"request": 3}, "request needs registered-model"),
        ({"stratify": "approve", "fold_group": "city"}, "not both"),
        ({"stratify": "aprove"}, "did you mean `approve`"),
        ({"score": "training.score"}, "module:function"),
        ({"training_code": "../training.py"}, "not a file or folder within"),
        ({"training_code": "."}, "not a file or folder within"),
        ({"space": {"depth": "8..2"}}, "space: depth"),
    ],
)
def test_wrong__refused(plan: Plan, changes: dict[str, object], said: str) -> None:
    """What decides nothing or names nothing is refused in words, and there is no plan."""
    run = plan(**changes)

    assert (run.code, run.report["status"]) == (2, "error") and said in run.report["checks"][0]["message"]


def test_test_rows__never_in_a_search(plan: Plan, tmp_path: Path) -> None:
    """Test rows as training rows block; code that holds them is refused, and so is a lock without hashes."""
    run = plan(train_data="test.parquet")
    assert run.code == 1 and {check.get("reason") for check in run.report["checks"]} >= {"same-rows"}

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "training.py").touch()
    models.people(20, seed=1).to_parquet(tmp_path / "code" / "test.parquet", index=False)
    run = plan(training_code="code", test_data="code/test.parquet")
    assert run.code == 2 and "would see" in run.report["checks"][0]["message"]
    (tmp_path / "training.txt").write_text("pandas==3.1.1\n")
    run = plan()
    assert run.code == 2 and "not locked with hashes" in run.report["checks"][0]["message"]
    (tmp_path / "training.txt").unlink()
    assert plan().code == 3


def test_registry__that_is_not_there(plan: Plan) -> None:
    """A registry that cannot be read is an error: earlier retrainings are not known."""
    assert plan(registered_model="credit", tracking_uri="sqlite:///none.db").code == 3


@pytest.mark.parametrize(("days", "status"), [(None, "passed"), (6.9, "failed"), (7.1, "passed")])
def test_cooldown(days: float | None, status: str) -> None:
    """A retraining that is younger than the cooldown blocks, an older one and none do not."""
    last = None if days is None else NOW - timedelta(days=days)

    assert cooldown_check(last, cooldown=timedelta(days=7), now=NOW).status == status


@pytest.mark.parametrize(("request_", "status"), [(5, "failed"), (6, "passed"), (0, "passed")])
def test_served(request_: int, status: str) -> None:
    """A request that led to a version blocks; another one, and a run that nobody asked for by an issue, do not."""
    assert served_check(request_, {5: "3", 0: "4"}).status == status


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Run the platform, with an issue that request-retraining opened."""
    found = Platform()
    with serve(found) as address:
        monkeypatch.setenv("GITHUB_API_URL", address)
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("CD4ML_GITHUB_TOKEN", "t0ken")
        found.issue(state="open", body=f"{NOTE}\n{SENT}", labels=[{"name": LABEL}])
        yield found


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """Return MLflow's store as far as its file is read, with a version that was just trained for request #3."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE model_versions (name, version, current_stage)")
        connection.execute("CREATE TABLE model_version_tags (name, version, key, value)")
        connection.execute("CREATE TABLE registered_model_aliases (name, version, alias)")
        connection.execute("INSERT INTO model_versions VALUES ('credit', 1, 'None')")
        told = {tags.REQUEST: "3", tags.TRAINED: datetime.now(UTC).isoformat()}
        rows = [("credit", 1, key, value) for key, value in told.items()]
        connection.executemany("INSERT INTO model_version_tags VALUES (?, ?, ?, ?)", rows)
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_request__that_was_served(plan: Plan, github: Platform, registry: str) -> None:
    """A request that led to a version passes with no job and no plan, whatever became of its issue; another one has to
    wait."""
    with_registry = {"registered_model": "credit", "tracking_uri": registry, "issue_label": LABEL}
    plan()
    run = plan(request=3, **with_registry, planned=False)

    assert (run.code, run.report["outputs"]["jobs"], run.report["outputs"]["plan-sha256"]) == (0, "[]", "")
    assert run.report["outputs"]["served"] == "models:/credit/1" and not github.calls
    assert run.report["checks"][0]["reason"] == "already-trained"

    later = plan(request=1, **with_registry)
    assert (later.code, later.report["outputs"]["served"], later.report["outputs"]["jobs"]) == (1, "", "[]")
    assert [check["reason"] for check in later.report["checks"] if check["status"] == "failed"] == ["cooldown"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"number": 9}, "no such issue"),
        ({"pull_request": {}}, "pull request"),
        ({"labels": [{"name": "cd4ml-retrainin"}]}, "lacks the label"),
        ({"state": "closed"}, "closed"),
        ({"author_association": "NONE"}, "may not write"),
        ({"body": SENT}, "asks people to look"),
    ],
)
def test_request__that_is_none(plan: Plan, github: Platform, registry: str, changes: dict[str, Any], said: str) -> None:
    """An issue that request-retraining did not open for a retraining starts nothing: concept drift asks people."""
    asked = {"registered_model": "other", "tracking_uri": registry, "issue_label": LABEL, "request": 1}
    assert plan(**asked).code == 0

    github.issues[0].update(changes)
    run = plan(**asked)

    (failed,) = [check for check in run.report["checks"] if check["status"] == "failed"]
    assert (run.code, failed["id"], failed["reason"]) == (1, "asked", "not-a-request") and said in failed["message"]
    github.refused = {"GET issues/": 503}
    assert plan(**asked).code == 3


def test_issue_label__needs_request(plan: Plan) -> None:
    """A label without a request would look nothing up, and is refused."""
    assert plan(issue_label=LABEL).code == 2


@pytest.mark.parametrize(
    ("status", "path", "reason"),
    [
        ("passed", "train.parquet", None),
        ("passed", "test.parquet", "other-rows"),
        ("failed", "train.parquet", "not-validated"),
    ],
)
def test_data_report(plan: Plan, tmp_path: Path, status: str, path: str, reason: str | None) -> None:
    """Rows are trained on only if validate-data passed on these very rows."""
    digest = file_sha256(tmp_path / path)
    checks = [{"id": "x", "status": status, "message": "Found."}]
    inputs = [{"name": "data", "path": path, "sha256": digest}]
    text = json.dumps(document("validate-data", status=status, checks=checks, inputs=inputs))
    (tmp_path / "data.json").write_text(text)

    run = plan(data_report="data.json")

    found = {check["id"]: check.get("reason") for check in run.report["checks"]}
    assert (run.code, found["validated"]) == (int(reason is not None), reason)
    (tmp_path / "data.json").unlink()
    assert plan(data_report="data.json").code == 3
