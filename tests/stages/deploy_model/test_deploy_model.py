"""deploy-model: no evidence, no deployment; what lands is the image by digest; running again changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest, State
from tests.conftest import ROOT, Run, clean_environment
from tests.gitops.conftest import IMAGE, MODEL, REQUIRED, GitOps, git
from tests.gitops.test_manifest import HELM, A
from tests.reports import FINE, write

Deploy = Callable[..., Run]


@pytest.fixture
def deploy(cd4ml: Callable[..., Run], gitops: GitOps) -> Deploy:
    """Run deploy-model against the repository."""

    def run(*arguments: str, repository: str | None = None) -> Run:
        target = ("--repository", repository or str(gitops.bare), "--manifest", "credit/values.yaml")
        return cd4ml("deploy-model", *target, *arguments)

    return run


def test_deploys_the_canary(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """With all evidence the canary's digest and weight land in one commit that changes nothing else."""
    evidence()

    run = deploy("--canary-weight", "20")

    expected = HELM.replace('digest: ""', f'digest: "{IMAGE[-71:]}"').replace("weight: 0", "weight: 20")
    assert (run.code, run.report["status"]) == (0, "passed")
    assert gitops.read() == expected.replace("enabled: false", "enabled: true")
    outputs = {"image": IMAGE, "commit": gitops.head(), "pull-request": "", "manifest-changed": "true"}
    assert run.report["outputs"] == outputs
    assert f"Cd4ml-Image: {IMAGE}" in git(gitops.bare, "log", "-1", "--format=%B", "main")


def test_again__no_commit(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """A second run finds nothing to change: same commit, still passed."""
    evidence()
    deploy()
    head = gitops.head()

    run = deploy()

    assert (run.code, gitops.head(), run.report["outputs"]["commit"]) == (0, head, "")


def test_environment_before__must_serve_it(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """An image moves on only from where it gets all of the traffic: beside another or unknown there, it is refused."""
    evidence()
    after = ("--after-manifest", "staging/values.yaml")
    for earlier in (HELM, Manifest(HELM).with_canary(image(IMAGE), 10)):
        head = gitops.commit("Staging", {"staging/values.yaml": earlier})
        run = deploy(*after)
        assert (run.code, run.report["checks"][-1]["reason"], gitops.head()) == (1, "not-there-yet", head)

    for earlier in (Manifest(HELM).promoted(image(IMAGE)), Manifest(HELM).with_canary(image(IMAGE), 100)):
        gitops.commit("Staging", {"staging/values.yaml": earlier})
        run = deploy(*after)
        assert run.code == 0 and "earlier-environment" in {check["id"] for check in run.report["checks"]}


STEPS = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: credit}
spec:
  replicas: 5
  strategy: {canary: {steps: [{setWeight: 5}, {pause: {}}]}}
  selector: {matchLabels: {app: credit}}
  template: {metadata: {labels: {app: credit}}, spec: {containers: [{name: credit, image: IMAGE}]}}
""".replace("IMAGE", IMAGE)


@pytest.mark.parametrize(
    ("earlier", "code", "reason"),
    [
        (
            Manifest(Manifest(HELM).promoted(image(IMAGE))).with_canary(image(IMAGE.replace("b" * 64, "e" * 64)), 60),
            1,
            "not-there-yet",
        ),
        (STEPS, 4, "unknown-share"),
        (STEPS.replace("replicas: 5", "replicas: 0"), 1, "not-there-yet"),
        (Manifest(HELM).promoted(image(IMAGE)) + "rollout: {engine: argo-rollouts}\n", 4, "unknown-share"),
    ],
    ids=["beside a canary", "a Rollout's steps", "no replicas", "the chart's Rollout"],
)
def test_environment_before__all_of_the_traffic(
    deploy: Deploy, gitops: GitOps, evidence: Callable[..., None], earlier: str, code: int, reason: str
) -> None:
    """Stable beside a canary, or without replicas, is not enough; where a controller shares out, it is unknown."""
    evidence()
    head = gitops.commit("Staging", {"staging/values.yaml": earlier})
    run = deploy("--after-manifest", "staging/values.yaml")
    assert (run.code, run.report["checks"][-1]["reason"], gitops.head()) == (code, reason, head)


def test_canary_of_all__stays_beside_the_next(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """The image that got all of the traffic becomes the stable one; the commit does not say that ours replaced it."""
    evidence()
    other = image(IMAGE.replace("b" * 64, "e" * 64))
    gitops.commit("Canary", {"credit/values.yaml": Manifest(HELM).with_canary(other, 100)})

    assert deploy("--canary-weight", "100").code == 0
    assert Manifest(gitops.read()).state == State(stable=other.digest, canary=image(IMAGE).digest, weight=100)
    assert "Previous-Image" not in git(gitops.bare, "log", "-1", "--format=%B", "main")


def test_first_deployment__stable(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """Into a manifest without an image the first one goes as the stable one, once; as a canary it is refused."""
    evidence()
    start = gitops.commit("Empty", {"credit/values.yaml": HELM.replace(f"digest: {A}", 'digest: ""')})

    assert (deploy().code, gitops.head()) == (2, start)
    first, again = deploy("--canary-weight", "100"), deploy("--canary-weight", "100")

    assert (first.code, again.code, again.report["outputs"]["commit"]) == (0, 0, "")
    assert gitops.read() == HELM.replace(A, f'"{IMAGE[-71:]}"')
    assert "all of the traffic" in first.report["summary"]


def test_stable_beside_a_canary__not_called_all(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """An image that is stable while another runs as canary is not said to get all of the traffic."""
    evidence()
    stable = Manifest(HELM).promoted(image(IMAGE))
    other = image(IMAGE.replace("b" * 64, "e" * 64))
    gitops.commit("Canary", {"credit/values.yaml": Manifest(stable).with_canary(other, 40)})

    run = deploy()

    assert (run.code, run.report["outputs"]["commit"]) == (0, "")
    assert "60 % of the traffic, beside a canary" in run.report["summary"]


@pytest.mark.parametrize("stage", REQUIRED)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "failed"}, "its status is 'failed'"),
        ({"status": "inconclusive"}, "its status is 'inconclusive'"),
        ({"status": "skipped"}, "its status is 'skipped'"),
        ({"status": None}, "status: expected one of passed"),
        ({"status": "failed", "checks": [FINE | {"status": "failed"}]}, "its status is 'failed', not 'passed'"),
        ({"checks": []}, "it ran no check"),
        ({"checks": [{"id": "x", "status": "failed", "message": ""}]}, "the worst of its checks is 'failed'"),
        ({"checks": [{"id": "x", "message": ""}]}, 'lacks the key "status"'),
        ({"stage": "validate-dat"}, "not a report of"),
        ({"schema_version": "2"}, "not a report of"),
        ({"source": {"git_sha": "0" * 40}}, "it is about commit 000000000000"),
        ({"source": {"git_sha": None}}, "commit that it is about is unknown"),
    ],
)
def test_bad_evidence__blocks(
    deploy: Deploy, gitops: GitOps, evidence: Callable[..., None], stage: str, changes: dict[str, Any], words: str
) -> None:
    """A report of any required stage that is not a pass for this commit blocks, and nothing is written."""
    head = gitops.head()
    evidence(stage, **changes)

    run = deploy()

    assert (run.code, run.report["status"]) == (1, "failed")
    assert words in run.report["summary"]
    assert gitops.head() == head


@pytest.mark.parametrize("stage", REQUIRED)
@pytest.mark.parametrize(
    ("modified", "words"), [(["src/a.py"], "not committed: src/a.py"), (None, "does not say whether")]
)
def test_changed_files__are_no_evidence_for_the_commit(
    deploy: Deploy, evidence: Callable[..., None], tmp_path: Path, stage: str, modified: Any, words: str
) -> None:
    """A report on code or data that differed from its commit blocks; a model is known by its own digest."""
    evidence()
    path = tmp_path / "reports" / f"{stage}.json"
    report = json.loads(path.read_text())
    report["source"]["modified"] = modified
    path.write_text(json.dumps(report))

    run = deploy("--canary-weight", "100")

    about_the_commit = stage in ("check-code", "validate-data")
    assert run.code == (1 if about_the_commit else 0)
    assert (words in run.report["summary"]) == about_the_commit


@pytest.mark.parametrize("stage", REQUIRED[2:])
def test_other_model__blocks(deploy: Deploy, evidence: Callable[..., None], stage: str) -> None:
    """A report about another model's digest, or about none, blocks."""
    evidence(stage, candidate={"uri": "models:/credit/2", "sha256": "d" * 64})
    assert deploy().code == 1

    evidence(stage, candidate=None)
    assert deploy().code == 1


@pytest.mark.parametrize("stage", REQUIRED)
def test_missing_or_broken_report__blocks(
    deploy: Deploy, evidence: Callable[..., None], tmp_path: Path, stage: str
) -> None:
    """A report that is missing or no JSON blocks."""
    evidence()
    path = tmp_path / "reports" / f"{stage}.json"

    path.write_text('{"status": NaN}')
    assert deploy().code == 1
    path.unlink()
    run = deploy()
    assert run.code == 1 and "does not exist" in run.report["summary"]


@pytest.mark.parametrize(
    "text",
    [
        '{"schema_version": "1", "stage": "STAGE", "status": "failed", "status": "passed"}',
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "[]",
        "",
        "\x00",
    ],
)
def test_odd_json__blocks(deploy: Deploy, evidence: Callable[..., None], tmp_path: Path, text: str) -> None:
    """A report that readers would read differently, or not at all, is no evidence."""
    evidence()
    (tmp_path / "reports" / "evaluate-model.json").write_text(text.replace("STAGE", "evaluate-model"))

    run = deploy()

    assert (run.code, run.report["status"]) == (1, "failed")


def test_evidence_behind_a_link__blocks(deploy: Deploy, evidence: Callable[..., None], tmp_path: Path) -> None:
    """A report that is a link is nobody's evidence: what it points at may be of another run."""
    evidence()
    path = tmp_path / "reports" / "validate-data.json"
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")

    run = deploy()

    assert run.code == 1
    assert "is a link" in run.report["summary"]


def test_no_regular_file__blocks(deploy: Deploy, evidence: Callable[..., None], tmp_path: Path) -> None:
    """A pipe, a device or a folder in place of a report blocks at once instead of being read for ever."""
    evidence()
    path = tmp_path / "reports" / "evaluate-model.json"
    path.unlink()

    os.mkfifo(path)
    assert deploy().code == 1
    path.unlink()
    path.symlink_to("/dev/zero")
    assert deploy().code == 1
    path.unlink()
    path.mkdir()
    assert deploy().code == 1


def test_nothing_is_fetched_without_evidence(deploy: Deploy, tmp_path: Path) -> None:
    """Without evidence the GitOps repository is not even asked: one that does not exist makes no difference."""
    run = deploy(repository="https://127.0.0.1:9/x.git")

    assert run.code == 1
    assert [check["reason"] for check in run.report["checks"]] == ["missing"] * 5 + ["unsigned", "no-image"]
    assert run.report["plan"] == []


def test_plan__written_before_acting(
    deploy: Deploy, gitops: GitOps, evidence: Callable[..., None], tmp_path: Path
) -> None:
    """While the push is under way the report says what is intended, and does not say that it passed."""
    evidence()
    hook = gitops.bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\ncp {tmp_path}/reports/deploy-model.json {tmp_path}/meanwhile.json\n")
    hook.chmod(0o755)

    assert deploy().code == 0

    meanwhile = json.loads((tmp_path / "meanwhile.json").read_text())
    assert meanwhile["status"] == "error" and IMAGE in meanwhile["plan"][0]


def test_other_image__blocks(deploy: Deploy, evidence: Callable[..., None]) -> None:
    """An image that build-image did not push is not deployed, nor is one when nothing was pushed."""
    evidence()
    assert deploy("--image", IMAGE.replace("b" * 64, "e" * 64)).code == 1

    evidence("build-image", outputs={"image": ""})
    run = deploy()
    assert run.code == 1 and "no image that was pushed" in run.report["summary"]


def test_no_commit__blocks(
    cd4ml: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None], tmp_path: Path
) -> None:
    """Outside a repository nobody knows which commit is deployed."""
    evidence()
    (tmp_path / ".git").rename(tmp_path / "gone")

    run = cd4ml("deploy-model", "--repository", str(gitops.bare), "--manifest", "credit/values.yaml")

    assert run.code == 1 and "commit that it is about is unknown" in run.report["summary"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--canary-weight", "0"),
        ("--canary-weight", "101"),
        ("--required-stages", "check-code"),
        ("--required-stages", "build-image,chek-code"),
        ("--manifest", "../values.yaml"),
        ("--manifest", "/etc/passwd"),
        ("--manifest", ".git/config"),
        ("--manifest", "missing.yaml"),
        ("--branch", "--upload-pack=touch marker"),
        ("--branch", "a..b"),
        ("--image", "ghcr.io/owner/credit:latest"),
    ],
)
def test_bad_options__refused(
    deploy: Deploy, gitops: GitOps, evidence: Callable[..., None], arguments: tuple[str, str]
) -> None:
    """Options that cannot be meant end in exit code 2, before anything is written."""
    evidence()
    head = gitops.head()

    run = deploy(*arguments)

    assert (run.code, run.report["status"], gitops.head()) == (2, "error", head)


@pytest.mark.parametrize(
    "repository",
    [
        "ext::sh -c touch% marker",
        "--upload-pack=touch marker",
        "-c core.sshCommand=touch marker",
        "file:///x\ny",
        "http://example.com/x.git",
        "nowhere",
        "git://example.com/x.git",
    ],
)
def test_hostile_repository__refused(
    deploy: Deploy, evidence: Callable[..., None], tmp_path: Path, repository: str
) -> None:
    """Addresses that would run a program, pass an option or go unencrypted are refused, and nothing is run."""
    evidence()

    run = deploy(repository=repository)

    assert run.code == 2
    assert not list(tmp_path.rglob("marker"))


def test_symbolic_link__refused(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """A manifest that is a link out of the repository is not followed."""
    evidence()
    (gitops.work / "link.yaml").symlink_to("/etc/hostname")
    gitops.commit("Link", {})

    assert deploy("--manifest", "link.yaml").code == 2


def test_unreachable__exit_3_without_credentials(
    deploy: Deploy, evidence: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that cannot be reached is exit code 3, and the report shows neither token nor password."""
    evidence()
    monkeypatch.setenv("CD4ML_GIT_TOKEN", "CANARY-TOKEN")

    run = deploy(repository="http://user:CANARY-PASSWORD@127.0.0.1:9/x.git")

    assert run.code == 3
    assert "CANARY" not in str(run.report)


def test_refused_push__once(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None], tmp_path: Path) -> None:
    """A push that a hook refuses is tried once and reported."""
    evidence()
    hook = gitops.bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\necho tried >> {tmp_path}/tries\necho not on Fridays >&2\nexit 1\n")
    hook.chmod(0o755)

    run = deploy()

    assert run.code == 3
    assert "not on Fridays" in run.report["summary"]
    assert (tmp_path / "tries").read_text().count("tried") == 1


def test_rolled_back__not_deployed_again(deploy: Deploy, gitops: GitOps, evidence: Callable[..., None]) -> None:
    """An image whose commit was reverted by hand stays out."""
    evidence()
    deploy()
    git(gitops.work, "pull", "--quiet", "--ff-only", "origin", "main")
    git(gitops.work, "revert", "--no-edit", "HEAD")
    git(gitops.work, "push", "--quiet", "origin", "HEAD:main")
    head = gitops.head()

    run = deploy()

    assert (run.code, gitops.head()) == (1, head)
    assert "rolled back" in run.report["summary"]


def test_many_writers__all_land(gitops: GitOps, evidence: Callable[..., None], tmp_path: Path) -> None:
    """Eight pipelines that deploy different models at the same time all land, in one straight history."""
    evidence()
    gitops.commit("Serve more", {f"model-{n}/values.yaml": HELM for n in range(8)})
    before = gitops.count()

    def one(number: int) -> int:
        target = ["--repository", str(gitops.bare), "--manifest", f"model-{number}/values.yaml"]
        command = [sys.executable, "-m", "cd4ml", "deploy-model", *target, "--report", f"out/{number}.json"]
        env = clean_environment(PYTHONPATH=str(ROOT))
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(max_workers=8) as pool:
        codes = list(pool.map(one, range(8)))

    assert codes == [0] * 8
    assert gitops.count() == before + 8
    assert all("weight: 10" in gitops.read(f"model-{n}/values.yaml") for n in range(8))


def test_nothing_forces() -> None:
    """No code of the project pushes by force, but for a request's own branch, and that with a lease."""
    sources = "".join(path.read_text() for path in (ROOT / "cd4ml" / "gitops").rglob("*.py"))

    sources = sources.replace('f"--force-with-lease=refs/heads/{branch}:{tip}"', "", 1)
    assert "--force" not in sources and "+HEAD" not in sources


def test_verdict_on_another_table__refused(
    deploy: Deploy, gitops: GitOps, evidence: Callable[..., None], tmp_path: Path
) -> None:
    """A verdict on a table that is not the one that score-model wrote is no evidence; on that one it is."""
    head, wrote = gitops.head(), "d" * 64
    inputs = [{"name": "predictions", "path": "predictions.parquet", "sha256": wrote}]
    scored = {
        "candidate": {"uri": "x", "sha256": MODEL},
        "options": {"predictions": "predictions.parquet"},
        "outputs": {"predictions-sha256": wrote},
    }
    evidence("evaluate-model", inputs=[{**inputs[0], "sha256": "e" * 64}])
    audit = tmp_path / "reports" / "audit-fairness.json"
    audit.write_text(json.dumps(json.loads(audit.read_text()) | {"inputs": inputs}))
    write(tmp_path / "reports", "score-model", **scored)
    refused = deploy()

    found = next(check for check in refused.report["checks"] if check["id"] == "evidence:predictions-table")
    assert (refused.code, gitops.head(), found["reason"]) == (1, head, "predictions-changed")
    assert found["message"].startswith("evaluate-model: predictions.parquet")
    path = tmp_path / "reports" / "evaluate-model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": inputs}))
    assert deploy().code == 0


def test_a_model_with_code_is_deployed_on_purpose_only(deploy: Deploy, evidence: Callable[..., None]) -> None:
    """A build that allowed code blocks until allow-code is set here too; then the report says what is deployed."""
    check = {"id": "model-code", "status": "passed", "reason": "code-allowed", "message": "It runs own.py."}
    evidence("build-image", checks=[check])

    blocked = deploy()
    said = next(check for check in blocked.report["checks"] if check["id"] == "model-code")
    assert (blocked.code, said["reason"]) == (1, "runs-code") and "own.py" in said["message"]
    allowed = deploy("--allow-code")
    said = next(check for check in allowed.report["checks"] if check["id"] == "model-code")
    assert (allowed.code, said["reason"]) == (0, "code-allowed") and "own.py" in said["message"]


def test_code_that_score_model_allowed_is_told_as_well(
    deploy: Deploy, evidence: Callable[..., None], tmp_path: Path
) -> None:
    """What score-model's report says on the candidate counts, even if the build says nothing of code."""
    evidence()
    check = {"id": "candidate-code", "status": "passed", "reason": "code-allowed", "message": "It runs own.py."}
    write(tmp_path / "reports", "score-model", checks=[check])

    run = deploy()
    assert run.code == 1 and "runs-code" in [check.get("reason") for check in run.report["checks"]]


def test_a_build_that_names_no_code_needs_no_permission(deploy: Deploy, evidence: Callable[..., None]) -> None:
    """build-image passes a model with code only where it was allowed, and then says so; no word of it means none."""
    evidence("build-image", checks=[{"id": "pushed", "status": "passed", "message": "Fine."}])

    run = deploy()

    said = next(check for check in run.report["checks"] if check["id"] == "model-code")
    assert (run.code, said["status"]) == (0, "passed")
