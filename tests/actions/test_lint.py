"""What linters and simple rules say of workflows, actions and scripts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from cd4ml.stages import PIPELINE
from tests.conftest import ROOT, need_program

WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS: Final = [ROOT / "action.yml", *sorted((ROOT / "actions").glob("*/action.yml"))]
SCRIPTS: Final = sorted(
    path
    for folder in ("bin", ".ci", "actions", "templates")
    for path in (ROOT / folder).iterdir()
    if path.is_file() and path.read_text().startswith(("#!/usr/bin/env bash", "#!/bin/sh"))
)
# What a job may be granted, by workflow file and job; everything else is nothing.
READ: Final = {"contents": "read"}
GRANTED: Final = {
    ("comment.yml", "comment"): {"actions": "read", "pull-requests": "write"},
    ("monitor.yml", "request"): {"actions": "read", "contents": "write", "issues": "write"},
    ("promote.yml", "development"): {"contents": "read", "actions": "read"},
    ("promote.yml", "staging"): {"contents": "read", "actions": "read"},
    ("promote.yml", "production"): {"contents": "read", "actions": "read"},
    ("retrain.yml", "plan"): {"contents": "read", "issues": "read"},
    ("release.yml", "publish"): {"contents": "write", "id-token": "write", "attestations": "write"},
}
# Jobs that have what their caller grants: to ask for more than that would keep the caller's run from starting.
INHERITING: Final = [("pipeline.yml", "report")]


def named(path: Path) -> str:
    """Return the path as test ids show it."""
    return str(path.relative_to(ROOT))


def load(path: Path) -> Any:
    """Read a workflow or an action."""
    return YAML(typ="safe").load(path.read_text())


def check(*command: str | Path) -> None:
    """Run a linter that must find nothing."""
    result = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


def steps(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every step of a workflow or an action."""
    document = load(path)
    if "runs" in document:
        yield from document["runs"]["steps"]
    for job in document.get("jobs", {}).values():
        yield from job.get("steps", [job])


def test_zizmor() -> None:
    """zizmor finds nothing, at its strictest."""
    check(need_program("zizmor"), "--offline", "--persona", "pedantic", "--quiet", ".github", "action.yml", "actions")


def test_actionlint() -> None:
    """actionlint finds nothing; the one thing ignored is `$/`, which it does not know."""
    check(need_program("actionlint"), "-color=false")
    (ignored,) = load(ROOT / ".github" / "actionlint.yaml")["paths"].values()
    assert len(ignored["ignore"]) == 1 and "actions" in ignored["ignore"][0]


@pytest.mark.parametrize(
    "schema, files", [("workflows", WORKFLOWS), ("actions", ACTIONS)], ids=["workflows", "actions"]
)
def test_check_jsonschema(schema: str, files: list[Path]) -> None:
    """Workflows and actions meet the platform's schemas."""
    check(need_program("check-jsonschema"), "--builtin-schema", f"vendor.github-{schema}", *files)


def test_shellcheck() -> None:
    """shellcheck finds nothing in any script."""
    assert len(SCRIPTS) >= 5
    check(need_program("shellcheck"), *SCRIPTS)


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=named)
def test_uses__pinned(path: Path) -> None:
    """Every action of others is pinned by a full commit with its version beside it; ours is this repository's own."""
    for line in path.read_text().splitlines():
        found = re.match(r"\s*(?:- )?uses:\s*(\S+)(.*)", line)
        if found and not found[1].startswith("$/"):
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", found[1]), line
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", found[2]), line


@pytest.mark.parametrize("path", ACTIONS, ids=named)
def test_actions__use_no_others(path: Path) -> None:
    """Our actions use no other action: what runs is in this repository."""
    assert not [step for step in steps(path) if "uses" in step]


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=named)
def test_run__no_expressions(path: Path) -> None:
    """No expression stands in a shell text: values reach it through the environment."""
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        assert "GITHUB_ENV" not in step.get("run", "") and "GITHUB_PATH" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_permissions__least(path: Path) -> None:
    """A workflow grants nothing; its jobs the reading of the repository, or what is listed, and keep no token."""
    document = load(path)
    inheriting = {job for file, job in INHERITING if file == path.name}

    assert document.get("permissions") == (None if inheriting else {})
    assert {name for name, job in document["jobs"].items() if "permissions" not in job} == inheriting
    for name, job in document["jobs"].items():
        assert job.get("permissions", {}).items() <= GRANTED.get((path.name, name), READ).items()
    for step in steps(path):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("workflow, job", INHERITING)
def test_permissions__of_the_caller_only_beside_own_code(workflow: str, job: str) -> None:
    """A job that has what its caller grants checks nothing out, runs no text of the caller's, and sees no secret."""
    document = load(ROOT / ".github" / "workflows" / workflow)["jobs"][job]
    used = {str(step["uses"]).partition("@")[0] for step in document["steps"] if "uses" in step}
    given = str([step.get("env", {}) for step in document["steps"]])

    assert used <= {
        "actions/setup-python",
        "actions/download-artifact",
        "actions/upload-artifact",
        "$/actions/report",
        "$/actions/comment",
        "$/actions/export",
        "github/codeql-action/upload-sarif",
    }
    assert "secrets." not in given and "inputs.install" not in given and "github.event" not in given


def test_comment_workflow__checks_nothing_out() -> None:
    """The workflow that may write after a fork's run has one step: the comment, with nothing of the event as input."""
    (step,) = load(ROOT / ".github" / "workflows" / "comment.yml")["jobs"]["comment"]["steps"]

    assert step["uses"] == "$/actions/comment" and "github.event" not in str(step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_concurrency_and_timeouts(path: Path) -> None:
    """Two runs never get in each other's way, none that changes something is cancelled, and none of ours hangs.

    How long the jobs of a caller's project take, the caller knows.
    """
    document = load(path)
    cancelled = document["concurrency"].get("cancel-in-progress", False)

    assert document["concurrency"]["group"]
    assert cancelled is False or str(cancelled) == "${{ github.event_name == 'pull_request' }}"
    if set(document.get("on", document.get(True))) - {"workflow_call", "workflow_dispatch"}:
        assert all(
            job.get("timeout-minutes", 0) in range(1, 91) for job in document["jobs"].values() if "uses" not in job
        )


def test_selftest__every_python() -> None:
    """The self-test runs the actions under every Python that is supported, on Linux of both kinds and on macOS."""
    jobs = load(ROOT / ".github" / "workflows" / "selftest.yml")["jobs"]
    tried = jobs["actions"]["strategy"]["matrix"]
    searched = re.findall(r"python3\.(\d+)", (ROOT / "actions" / "run-stage.sh").read_text())

    assert tried["python"] == [f"3.{minor}" for minor in dict.fromkeys(searched)] == ["3.11", "3.12", "3.13", "3.14"]
    assert {"ubuntu-latest", "ubuntu-24.04-arm", "macos-latest"} == set(tried["os"])
    assert jobs["python"]["strategy"]["matrix"]["python"] == tried["python"][1:]
    assert jobs["selftest"]["needs"] == [name for name in jobs if name != "selftest"]


@pytest.mark.parametrize("name", ["bug", "feature", "wrong-verdict", "config"])
def test_issue_forms(name: str) -> None:
    """The forms for issues meet the platform's schema."""
    kind = "github-issue-config" if name == "config" else "github-issue-forms"
    form = ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml"
    check(need_program("check-jsonschema"), "--builtin-schema", f"vendor.{kind}", form)


def test_dependabot() -> None:
    """Dependabot's configuration meets its schema, waits a week, and groups what it finds."""
    path = ROOT / ".github" / "dependabot.yml"
    check(need_program("check-jsonschema"), "--builtin-schema", "vendor.dependabot", path)
    for update in load(path)["updates"]:
        assert update["cooldown"]["default-days"] >= 7 and update["groups"]


def test_codeowners__name_what_is_there() -> None:
    """Every place that has owners of its own exists, and what runs with a token is among them."""
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    places = [line.split()[0] for line in lines if line and not line.startswith("#")]

    assert all(place == "*" or (ROOT / place.strip("/")).exists() for place in places)
    assert {"/.github/", "/actions/", "/bin/release"} <= set(places)


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_triggers__never_with_foreign_code(path: Path) -> None:
    """No workflow runs on events that give foreign code a token or secrets, and none hands on all secrets."""
    document = load(path)
    triggers = document.get("on", document.get(True))

    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers)
    assert "secrets: inherit" not in path.read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_secrets__not_beside_project_code(path: Path) -> None:
    """The step that runs the caller's own command sees no secret."""
    for step in steps(path):
        if "run" in step:
            assert "secrets." not in str(step.get("env", {}))


@pytest.mark.parametrize("stage", PIPELINE)
def test_signing__only_the_stage_sees_the_key_and_the_bundle_travels(stage: str) -> None:
    """In a stage's job, the step of the stage alone gets the signing key, only where the run delivers, and the bundle
    is uploaded beside the report."""
    job = load(ROOT / ".github" / "workflows" / "pipeline.yml")["jobs"][stage]
    seeing = [step for step in job["steps"] if "secrets.signing" in str(step)]
    texts = re.findall(r"\$\{\{.*?\}\}", str({key: value for step in seeing for key, value in step.items()}))
    given = [text for text in texts if "secrets.signing" in text]

    assert [step["uses"] for step in seeing] == [f"$/actions/{stage}"] and "secrets.signing" not in str(job.get("env"))
    assert len(given) == 3 and all("needs.plan.outputs.deliver == 'true' && secrets.signing-" in text for text in given)
    (kept,) = [step for step in job["steps"] if str(step.get("with", {}).get("name")).endswith(f"-report-{stage}")]
    names = [line.rpartition("/")[2] for line in kept["with"]["path"].splitlines()]
    assert names == [f"{stage}.json", f"{stage}.sigstore.json"]


def examples() -> list[str]:
    """Return every workflow that the documentation and the example show."""
    shown = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [block for path in shown for block in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.S)]
    own = [path.read_text() for path in (ROOT / "examples").glob("*/.github/workflows/*.yml")]
    return [text for text in (*blocks, *own) if re.search(r"^jobs:", text, re.M)]


@pytest.mark.parametrize("text", examples(), ids=lambda text: text.split("\n")[0])
def test_documented_workflows__valid(tmp_path: Path, text: str) -> None:
    """A workflow that is shown meets the platform's schema, and names only inputs and secrets that there are."""
    path = tmp_path / "shown.yml"
    path.write_text(text)
    check(need_program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path)
    for step in steps(path):
        used = re.fullmatch(r"OWNER/cd4ml(/[\w./-]+)?@v1", str(step.get("uses", "")))
        if used:
            assert set(step.get("with", {})) <= set(_interface(used[1] or "")["inputs"])
            assert set(step.get("secrets", {})) <= set(_interface(used[1] or "").get("secrets", {}))


def _interface(name: str) -> Any:
    """Return what an action or a reusable workflow of ours takes."""
    if name.endswith(".yml"):
        document = load(ROOT / name.strip("/"))
        return document.get("on", document.get(True))["workflow_call"]
    return load(ROOT / name.strip("/") / "action.yml")
