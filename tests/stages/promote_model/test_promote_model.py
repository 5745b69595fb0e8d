"""promote-model: the canary that was approved becomes production, alias included; and the way back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest, State
from cd4ml.registry import reference_of
from cd4ml.registry.described import described
from cd4ml.registry.tags import of_tables
from tests.conftest import Run
from tests.gitops.conftest import MODEL, GitOps, git
from tests.gitops.hosted import hosted
from tests.gitops.http import serve
from tests.gitops.test_manifest import HELM, A
from tests.reports import write

NEW = image("ghcr.io/owner/credit@sha256:" + "b" * 64)
OLD = f"ghcr.io/owner/credit@{A}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """Return a registry with two versions of `credit`, and their digests."""
    import mlflow

    from cd4ml.registry import fetch
    from tests.models import classifier, people, save

    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    digests = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.create_registered_model("credit")
        for seed in (0, 1):
            rows = people(seed=seed)
            saved = save(classifier(rows), folder / f"model-{seed}", rows[["age", "income", "city"]])
            version = client.create_model_version("credit", saved.as_uri())
            _, identity = fetch(f"models:/credit/{version.version}", folder / f"f{seed}", tracking_uri=uri, environ={})
            digests.append(identity.sha256)
        client.set_registered_model_alias("credit", "champion", "1")
    return uri, digests


@pytest.fixture
def promote(cd4ml: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]) -> Callable[..., Run]:
    """Run promote-model against the repository and the registry, whose champion is version 1."""
    from cd4ml.registry import set_alias

    set_alias("credit", "champion", "1", tracking_uri=registry[0], environ={})

    def run(*arguments: str, model: bool = True) -> Run:
        target = ["--repository", str(gitops.bare), "--manifest", "credit/values.yaml"]
        named = ["--registered-model", "credit", "--tracking-uri", registry[0]] if model else []
        return cd4ml("promote-model", *target, *named, *arguments)

    return run


def champion(registry: tuple[str, list[str]]) -> str | None:
    """Return the version that the alias points at."""
    from cd4ml.registry import alias_version

    return alias_version("credit", "champion", tracking_uri=registry[0], environ={})


def start_canary(gitops: GitOps, model: str, source: str = "0" * 40) -> None:
    """Commit a canary as deploy-model does."""
    trailers = f"Cd4ml-Image: {NEW}\nCd4ml-Model: sha256:{model}\nCd4ml-Source: {source}\n"
    text = Manifest(gitops.read()).with_canary(NEW, 10)
    gitops.commit(f"Start canary\n\n{trailers}", {"credit/values.yaml": text})


def test_promote__manifest_and_alias(
    promote: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]
) -> None:
    """The canary's image becomes the stable one with all traffic, and the alias moves; again, nothing happens."""
    start_canary(gitops, registry[1][1])

    run = promote("--version", "2")

    assert (run.code, run.report["status"]) == (0, "passed")
    assert Manifest(gitops.read()).state == State(stable=NEW.digest, canary=None, weight=0)
    assert champion(registry) == "2"
    head = gitops.head()
    assert (promote("--version", "2").code, gitops.head()) == (0, head)


def test_asked_for__the_alias_waits_for_the_merge(
    promote: Callable[..., Run],
    gitops: GitOps,
    registry: tuple[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a pull request asks for the manifest's change the alias stays; run again after the merge, it moves."""
    start_canary(gitops, registry[1][1])
    with hosted(gitops, tmp_path, monkeypatch) as there:
        asked = ("--version", "2", "--repository", there.url, "--write-back", "pull-request")
        run = promote(*asked)
        assert (run.code, champion(registry), run.report["outputs"]["version"]) == (0, "1", "")
        assert "champion has not been moved" in run.report["summary"]

        there.merge("merge")
        assert (promote(*asked).code, champion(registry)) == (0, "2")


def test_promote__writes_where_the_version_comes_from(
    promote: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]
) -> None:
    """The promoted version says of which image, commit and files it is; a roll-back writes nothing."""
    start_canary(gitops, registry[1][1], source="7" * 40)

    run = promote("--version", "2")

    (version,) = described(reference_of("models:/credit/2"), tracking_uri=registry[0], environ={})
    assert version.tags == {
        "cd4ml.image": str(NEW),
        "cd4ml.commit": "7" * 40,
        "cd4ml.model-digest": f"sha256:{registry[1][1]}",
    }
    assert {"cd4ml.commit"} <= set(run.report["details"]["tags"]["written"])
    assert promote("--rollback").report["details"]["tags"] == {"written": {}, "replaced": {}}


def test_promote__writes_only_what_counts(
    promote: Callable[..., Run],
    gitops: GitOps,
    registry: tuple[str, list[str]],
    evidence: Callable[..., None],
    tmp_path: Path,
) -> None:
    """Of the reports, only those about the promoted commit and model say where the version comes from."""
    evidence()
    source, model = git(tmp_path, "rev-parse", "HEAD").strip(), {"uri": "credit", "sha256": registry[1][1]}
    start_canary(gitops, registry[1][1], source)
    for stage in ("evaluate-model", "audit-fairness", "build-image"):
        document = json.loads((tmp_path / "reports" / f"{stage}.json").read_text())
        write(tmp_path / "reports", stage, **document | {"candidate": model})
    for stage, commit, digest in (("validate-data", source, "5" * 64), ("check-split", "f" * 40, "6" * 64)):
        table = {"name": "data", "path": f"{stage}.csv", "sha256": digest, "rows": 1}
        write(tmp_path / "reports", stage, source={"git_sha": commit, "modified": []}, inputs=[table])

    run = promote("--version", "2", "--reports", "reports")

    assert run.code == 0, run.report["summary"]
    expected = of_tables([("validate-data.csv", "5" * 64)])
    assert run.report["details"]["tags"]["written"]["cd4ml.data-digest"] == expected


def test_rollback__returns_both(promote: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]) -> None:
    """After a promotion the roll-back brings image and alias back to what they were; again, nothing happens."""
    start_canary(gitops, registry[1][1])
    promote("--version", "2")

    run = promote("--rollback")

    assert run.code == 0
    assert Manifest(gitops.read()).state.stable == A
    assert champion(registry) == "1"
    head = gitops.head()
    assert (promote("--rollback").code, gitops.head()) == (0, head)
    assert f"Cd4ml-Rolled-Back: {NEW}" in git(gitops.bare, "log", "-1", "--format=%B", "main")


def test_rollback__of_a_canary(promote: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]) -> None:
    """While a canary runs, the roll-back ends it and leaves production and alias alone."""
    start_canary(gitops, registry[1][1])

    run = promote("--rollback")

    assert (run.code, champion(registry)) == (0, "1")
    assert Manifest(gitops.read()).state == State(stable=A, canary=None, weight=0)


def test_other_version__blocks(promote: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]) -> None:
    """A version whose files are not the ones in the canary's image is not promoted, nor is anything moved."""
    start_canary(gitops, registry[1][0])
    head = gitops.head()

    run = promote("--version", "2")

    (failed,) = [check for check in run.report["checks"] if check["status"] != "passed"]
    assert (run.code, failed["reason"]) == (1, "other-model")
    assert (gitops.head(), champion(registry)) == (head, "1")


def test_unknown_provenance__blocks(promote: Callable[..., Run], gitops: GitOps) -> None:
    """A canary that no deployment of ours put there cannot be tied to a version."""
    gitops.commit("By hand", {"credit/values.yaml": Manifest(HELM).with_canary(NEW, 10)})

    run = promote("--version", "2")

    assert run.code == 1 and "no commit of the manifest says" in run.report["summary"]


def test_nothing_to_take_back__refused(promote: Callable[..., Run]) -> None:
    """Without a promotion in the history there is nothing to return to."""
    run = promote("--rollback")

    assert run.code == 2 and "no earlier image is known" in run.report["summary"]


def test_model_without_version__refused(promote: Callable[..., Run]) -> None:
    """A registered model without the version to promote is half an order."""
    assert promote().code == 2


def test_registry_down__nothing_moves(
    cd4ml: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]], tmp_path: Path
) -> None:
    """If the registry does not answer, the manifest stays as it is."""
    start_canary(gitops, registry[1][1])
    head = gitops.head()
    target = ["--repository", str(gitops.bare), "--manifest", "credit/values.yaml"]

    run = cd4ml(
        "promote-model",
        *target,
        "--registered-model",
        "credit",
        "--version",
        "2",
        "--tracking-uri",
        "http://127.0.0.1:9",
    )

    assert (run.code, gitops.head()) == (3, head)


def test_cut_off_between_the_steps__healed(
    promote: Callable[..., Run], gitops: GitOps, registry: tuple[str, list[str]]
) -> None:
    """If a run ends after the push and before the alias, the next one moves the alias and commits nothing."""
    start_canary(gitops, registry[1][1])
    assert promote(model=False).code == 0
    head = gitops.head()
    assert champion(registry) == "1"

    run = promote("--version", "2")

    assert (run.code, gitops.head(), champion(registry)) == (0, head, "2")


def test_approved_image__must_be_the_canary(promote: Callable[..., Run], gitops: GitOps) -> None:
    """Whoever approves an image by digest does not promote the one that replaced it meanwhile."""
    start_canary(gitops, "c" * 64)
    head = gitops.head()

    run = promote("--image", OLD, model=False)
    assert (run.code, run.report["checks"][0]["reason"], gitops.head()) == (1, "other-image", head)

    assert promote("--image", str(NEW), model=False).code == 0
    assert Manifest(gitops.read()).state.stable == NEW.digest


@pytest.mark.parametrize(
    "arguments",
    [
        ("--image", "ghcr.io/owner/credit:v2"),
        ("--rollback", "--version", "2"),
        ("--version", "2"),
        ("--required-stages", "chek-code"),
        ("--manifest", "../values.yaml"),
    ],
)
def test_bad_options__refused(promote: Callable[..., Run], gitops: GitOps, arguments: tuple[str, ...]) -> None:
    """Options that cannot be meant end in exit code 2."""
    start_canary(gitops, "c" * 64)
    head = gitops.head()

    assert (promote(*arguments, model=False).code, gitops.head()) == (2, head)


def test_reports__verified_once_more(
    promote: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None], tmp_path: Path
) -> None:
    """Reports that are handed on must have passed for the commit, the model and the image that were deployed."""
    evidence()
    source = git(tmp_path, "rev-parse", "HEAD").strip()
    start_canary(gitops, MODEL, source)
    head = gitops.head()

    evidence("audit-fairness", status="failed")
    assert (promote("--reports", "reports", model=False).code, gitops.head()) == (1, head)
    evidence("build-image", outputs={"image": OLD})
    checks = promote("--reports", "reports", model=False).report["checks"]
    assert "other-image" in {check.get("reason") for check in checks}
    assert promote("--reports", "nowhere", model=False).code == 1
    evidence()
    assert promote("--reports", "reports", model=False).code == 0


@pytest.mark.parametrize("stages", ["evaluate-model", ","])
def test_reports__build_image_cannot_be_left_out(
    promote: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None], tmp_path: Path, stages: str
) -> None:
    """The report that says which image the others are about is never taken without looking at it."""
    evidence("build-image", status="failed")
    start_canary(gitops, MODEL, git(tmp_path, "rev-parse", "HEAD").strip())
    head = gitops.head()

    run = promote("--reports", "reports", "--required-stages", stages, model=False)

    assert (run.code, gitops.head()) == (2, head)
    assert "must include build-image" in run.report["summary"]


def test_reports_of_another_commit__block(
    promote: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None]
) -> None:
    """Reports of another commit than the deployed one are no evidence, even if all of them passed."""
    evidence()
    start_canary(gitops, MODEL, "f" * 40)

    assert promote("--reports", "reports", model=False).code == 1


def test_rollback__beside_other_changes(promote: Callable[..., Run], gitops: GitOps) -> None:
    """Changes by hand after the promotion stay, and a second roll-back after yet another finds nothing to do."""
    start_canary(gitops, "c" * 64)
    promote(model=False)
    gitops.commit("More memory", {"credit/values.yaml": gitops.read() + "replicas: 3\n"})

    assert promote("--rollback", model=False).code == 0
    assert Manifest(gitops.read()).state.stable == A and gitops.read().endswith("replicas: 3\n")

    gitops.commit("Less memory", {"credit/values.yaml": gitops.read().replace("replicas: 3", "replicas: 2")})
    head = gitops.head()
    assert (promote("--rollback", model=False).code, gitops.head()) == (0, head)


def test_rollback__of_a_named_image(promote: Callable[..., Run], gitops: GitOps) -> None:
    """While a canary runs, naming the stable image takes back its promotion; an image that is nowhere is refused."""
    start_canary(gitops, "c" * 64)
    promote(model=False)
    third = image("ghcr.io/owner/credit@sha256:" + "e" * 64)
    gitops.commit("Next", {"credit/values.yaml": Manifest(gitops.read()).with_canary(third, 10)})

    assert promote("--rollback", "--image", OLD, model=False).code == 2
    assert promote("--rollback", "--image", str(NEW), model=False).code == 0
    assert Manifest(gitops.read()).state == State(stable=A, canary=None, weight=0)


def test_changed_meanwhile__refused(promote: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """If the manifest changes between decision and push, nothing of ours is pushed."""
    start_canary(gitops, "c" * 64)
    work = tmp_path / "faster"
    git(tmp_path, "clone", "--quiet", str(gitops.bare), str(work))
    (work / "credit" / "values.yaml").write_text(gitops.read() + "replicas: 3\n")
    git(work, "commit", "--quiet", "--all", "--message", "Faster")
    git(work, "push", "--quiet", "origin", "HEAD:refs/heads/waiting")
    faster = git(work, "rev-parse", "HEAD").strip()
    hook = gitops.bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {faster}\n")
    hook.chmod(0o755)

    run = promote(model=False)

    assert (run.code, gitops.head()) == (2, faster)
    assert "changed by someone else" in run.report["summary"]


def test_changed_while_the_history_is_fetched__refused(promote: Callable[..., Run], gitops: GitOps) -> None:
    """If the canary is taken back by hand while older commits are fetched, it is not promoted all the same."""
    start_canary(gitops, "c" * 64)
    for number in range(50):
        git(gitops.work, "commit", "--quiet", "--allow-empty", "--message", f"Noise {number}")
    git(gitops.work, "push", "--quiet", "origin", "HEAD:main")
    git(gitops.bare, "config", "http.receivepack", "true")
    taken_back = Manifest(gitops.read()).without_canary()
    asked: list[str] = []

    def answer(path: str) -> None:
        asked.extend([path] if "info/refs" in path and "upload" in path else [])
        if len(asked) == 2 and gitops.read() != taken_back:
            gitops.commit("Take back by hand", {"credit/values.yaml": taken_back})

    with serve(gitops.bare.parent) as server:
        server.answer = answer
        run = promote("--repository", server.url, model=False)

    assert (run.code, gitops.read()) == (2, taken_back)
    assert "changed by someone else" in run.report["summary"]
