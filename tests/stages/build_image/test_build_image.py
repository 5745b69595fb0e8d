"""build-image end to end: a real container is built, called, scanned and pushed, or blocked and not pushed."""

from __future__ import annotations

import datetime
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cd4ml.digests import folder_sha256
from cd4ml.image.engine import detect
from tests.conftest import ROOT, Run, clean_environment, need_program
from tests.containers import Lab
from tests.image.conftest import Project

Build = Callable[..., Run]


def statuses(run: Run) -> dict[str, str]:
    """Return the checks' statuses by id."""
    return {check["id"]: check["status"] for check in run.report["checks"]}


def reason(run: Run, id: str) -> str:
    """Return why a check did not pass."""
    return next(str(check.get("reason")) for check in run.report["checks"] if check["id"] == id)


def copy(project: Project, folder: Path) -> Project:
    """Return a copy that a test may change."""
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns("reports"))
    return Project(folder=folder)


def containers(lab: Lab) -> str:
    """Return the engine's containers, stopped ones too."""
    asked = subprocess.run(
        ["docker", "ps", "--all", "--quiet"],
        env={**os.environ, **lab.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout


def config(reference: str) -> dict[str, Any]:
    """Return an image's configuration as the registry has it."""
    asked = subprocess.run([need_program("crane"), "config", reference], capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(asked.stdout)
    return document


def test_a_good_model_is_built_called_scanned_and_pushed(build: Build, lab: Lab, project: Project) -> None:
    """A scored model becomes an image whose digest in the report is the registry's own."""
    name = f"{lab.registry}/loans"
    run = build(project, "--image", f"{name}:good", "--push")
    assert run.code == 0, run.stdout + run.stderr
    assert set(statuses(run).values()) == {"passed"} and statuses(run)["predictions-match"] == "passed"
    digest = run.report["outputs"]["digest"]
    assert digest == lab.digest(f"{name}:good")
    assert run.report["outputs"]["image"] == f"{name}@{digest}"
    assert run.report["candidate"]["sha256"] == folder_sha256(project.folder / "model")
    simulation = run.report["details"]["simulation"]
    assert simulation["rows"] == 60
    assert 0 < simulation["startup_seconds"] < 120
    load = simulation["load"]
    assert load["rows"] == 1000 and 0 < load["p50_ms"] <= load["p99_ms"]
    assert load["peak_mib"] >= simulation["ready_mib"] > 20
    assert run.report["details"]["base"]["digest"] == lab.digest(lab.base_image)
    assert f"FROM {lab.base_image}@sha256:" in run.report["details"]["dockerfile"]
    assert run.report["plan"][-1].startswith("push ")
    if "DOCKER_HOST" in lab.environ:
        assert containers(lab) == ""


def test_a_model_proven_equal_is_served_without_its_library(build: Build, lab: Lab, project: Project) -> None:
    """By default a model that ONNX Runtime predicts equally goes into an image without pandas and scikit-learn."""
    name = f"{lab.registry}/loans:fast"
    run = build(project, "--image", name, "--push", runtime="auto")
    assert run.code == 0, run.stdout + run.stderr
    assert set(statuses(run).values()) == {"passed"} and statuses(run)["predictions-match"] == "passed"
    assert run.report["details"]["runtime"]["name"] == "onnx" and run.report["details"]["runtime"]["rows"] == 60
    assert config(name)["config"]["Labels"]["io.cd4ml.model.sha256"] == folder_sha256(project.folder / "model")
    files = _files(name)
    held = {
        path.split("/site-packages/")[1].partition("/")[0]
        for path in files
        if "/opt/venv/" in f"/{path}" and "/site-packages/" in path
    }
    assert "onnxruntime" in held and not {"pandas", "mlflow", "sklearn", "scipy", "pyarrow"} & held
    assert {path for path in files if path.startswith("app/model/")} >= {
        "app/model/model.onnx",
        "app/model/signature.json",
    }


def _files(reference: str) -> list[str]:
    """Return the paths of an image's files."""
    with subprocess.Popen([need_program("crane"), "export", reference, "-"], stdout=subprocess.PIPE) as export:
        listed = subprocess.run(["tar", "--list"], stdin=export.stdout, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_the_image_in_the_registry_is_what_it_promises(build: Build, lab: Lab, project: Project) -> None:
    """The pushed image runs as nobody, names its model, and ends with a layer of the weights alone."""
    name = f"{lab.registry}/loans:promise"
    assert build(project, "--image", name, "--push").code == 0
    found = config(name)
    assert found["config"]["User"] == "65532:65532"
    assert found["config"]["Labels"]["io.cd4ml.model.sha256"] == folder_sha256(project.folder / "model")
    steps = [entry.get("created_by", "") for entry in found["history"] if not entry.get("empty_layer")]
    assert "ADD weights.tar" in steps[-1] and sum("weights" in step for step in steps) == 1


def test_a_base_does_not_speak_for_the_image(build: Build, lab: Lab, project: Project) -> None:
    """A base with a user, a shell, a command, a health check, settings and labels makes an image like any."""
    docker = _docker(lab)
    name = f"{lab.registry}/bases:own"
    own = [
        f"FROM {lab.base_image}",
        "USER 1001",
        'SHELL ["/bin/false"]',
        'CMD ["sleep", "1"]',
        "HEALTHCHECK CMD curl http://localhost:9000/",
        "ENV WEB_CONCURRENCY=4 CONNECTIONS=none KEEP_ALIVE_SECONDS=1",
        "LABEL maintainer=them org.opencontainers.image.version=9 com.example.team=ours",
    ]
    subprocess.run([*docker, "build", "--tag", name, "-"], input="\n".join(own), text=True, check=True, env=_env(lab))
    subprocess.run([*docker, "push", name], check=True, env=_env(lab), capture_output=True)
    # The machine's copy of the tag is an old one: somebody else has pushed a newer base meanwhile.
    crane = [need_program("crane"), "mutate", "--insecure", "--label", "com.example.fixed=yes", "--tag", name, name]
    subprocess.run(crane, check=True, capture_output=True)
    run = build(project, "--base-image", name, "--image", f"{lab.registry}/loans:own-base", "--push")
    assert run.code == 0, run.stdout + run.stderr
    found = config(f"{lab.registry}/loans:own-base")["config"]
    assert run.report["details"]["base"] == {
        **run.report["details"]["base"],
        "digest": lab.digest(name),
        "source": "registry",
    }
    labels = found["Labels"]
    assert (found["User"], found["Healthcheck"]) == ("65532:65532", {"Test": ["NONE"]}) and not found.get("Cmd")
    assert (labels["com.example.fixed"], labels["com.example.team"], labels["maintainer"]) == ("yes", "ours", "")
    assert labels["org.opencontainers.image.version"] == run.report["candidate"]["sha256"][:12]


def test_the_same_model_makes_the_same_layers_without_a_cache(build: Build, lab: Lab, project: Project) -> None:
    """On a machine that remembers nothing of the first build, the second one makes the same layers byte by byte."""
    layers = []
    for tag in ("fresh-1", "fresh-2"):
        subprocess.run([*_docker(lab), "builder", "prune", "--all", "--force"], check=True, env=_env(lab))
        assert build(project, "--image", f"{lab.registry}/loans:{tag}").code == 0
        inspect = [*_docker(lab), "image", "inspect", "--format", "{{json .RootFS.Layers}}"]
        shown = subprocess.run(
            [*inspect, f"{lab.registry}/loans:{tag}"], env=_env(lab), capture_output=True, check=True
        )
        layers.append(json.loads(shown.stdout))
    assert layers[0] == layers[1]


def _docker(lab: Lab) -> list[str]:
    """Return docker's program; skip where another engine stands in for it."""
    if "DOCKER_HOST" not in lab.environ:
        pytest.skip("no docker of our own: its cache may be somebody else's")
    return [str(detect("docker", _env(lab)).program)]  # type: ignore[attr-defined]


def _env(lab: Lab) -> dict[str, str]:
    """Return the environment in which docker answers."""
    return {**os.environ, **lab.environ, "DOCKER_BUILDKIT": "1"}


def test_a_second_run_pushes_the_same_digest(build: Build, lab: Lab, project: Project) -> None:
    """A retry is safe: the same model in the same name gives the same digest."""
    name = f"{lab.registry}/loans:retry"
    first, second = (build(project, "--image", name, "--push") for _ in range(2))
    assert first.code == second.code == 0
    assert first.report["outputs"]["digest"] == second.report["outputs"]["digest"]


def test_without_push_nothing_is_pushed_and_the_report_says_so(build: Build, lab: Lab, project: Project) -> None:
    """With push left at false the image is checked, the outputs are empty and the registry knows nothing of it."""
    name = f"{lab.registry}/loans:kept"
    run = build(project, "--image", name)
    assert run.code == 0 and run.report["outputs"] == {"image": "", "digest": ""}
    assert "nothing was pushed" in run.report["summary"]
    assert lab.digest(name) is None


def test_an_image_that_would_be_killed_for_its_memory_is_not_pushed(build: Build, lab: Lab, project: Project) -> None:
    """A gateway that needs more under the largest requests than a pod may have blocks the push."""
    name = f"{lab.registry}/loans:large"
    run = build(project, "--image", name, "--push", "--pod-memory", "16Mi")
    assert run.code == 1 and statuses(run)["fits-in-memory"] == "failed", run.stdout
    assert lab.digest(name) is None


def test_an_altered_predictions_table_blocks_the_push(build: Build, lab: Lab, project: Project, tmp_path: Path) -> None:
    """One score that the image does not give blocks, and nothing is pushed."""
    changed = copy(project, tmp_path / "p")
    path = changed.folder / "predictions.parquet"
    table = pd.read_parquet(path)
    score = table["y_score"].to_numpy(copy=True)
    score[17] += 0.001
    table.assign(y_score=score).to_parquet(path)
    run = build(changed, "--image", f"{lab.registry}/loans:altered", "--push")
    assert run.code == 1 and reason(run, "predictions-match") == "other-predictions"
    assert run.report["details"]["simulation"]["differences"][0]["row"] == 17
    assert lab.digest(f"{lab.registry}/loans:altered") is None
    assert run.report["outputs"]["digest"] == ""


def test_predictions_of_another_model_are_refused(project: Project, build: Build, lab: Lab, tmp_path: Path) -> None:
    """A table that says that another model made it is bad input, not a comparison."""
    changed = copy(project, tmp_path / "p")
    (changed.folder / "model" / "note.txt").write_text("another digest")
    run = build(changed, "--image", f"{lab.registry}/loans:other", "--push")
    assert run.code == 2 and "predictions were made by the model" in run.report["checks"][0]["message"]
    assert lab.digest(f"{lab.registry}/loans:other") is None


def test_a_base_with_another_python_is_refused(build: Build, lab: Lab, project: Project, tmp_path: Path) -> None:
    """A model that was saved with another Python than the base's is refused before anything is built."""
    changed = copy(project, tmp_path / "p")
    path = changed.folder / "model" / "python_env.yaml"
    path.write_text(path.read_text().replace("python: 3.11", "python: 3.12"))
    # The predictions are of the model as it was, which is said first where they are looked at.
    run = build(changed, "--image", f"{lab.registry}/loans:python", "--push", "--simulate", "false")
    assert run.code == 2 and "3.12" in run.report["checks"][0]["message"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_leaves_no_container(lab: Lab, project: Project, tmp_path: Path, number: signal.Signals) -> None:
    """A run that is told to end says `error`, pushes nothing and leaves neither container nor scratch files."""
    copied = copy(project, tmp_path / "p")
    name = f"{lab.registry}/loans:interrupted"
    tables = ["--test-data", "test.parquet", "--predictions", "predictions.parquet"]
    command = [sys.executable, "-m", "cd4ml", "build-image", "--model", "model", *tables, *lab.arguments()]
    env = {**clean_environment(), **lab.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [*command, "--image", name, "--push"],
        cwd=copied.folder,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that were started in the background ignore the signal, and hand that on.
        preexec_fn=functools.partial(signal.signal, number, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Starting the image"):
            time.sleep(1.5)
            process.send_signal(number)
            break
    process.communicate(timeout=120)
    assert process.returncode == 128 + number
    report = json.loads((copied.folder / "reports" / "build-image.json").read_text())
    assert report["status"] == "error" and report["plan"]
    assert lab.digest(name) is None and list((tmp_path / "scratch").iterdir()) == []
    if "DOCKER_HOST" in lab.environ:
        assert containers(lab) == ""


def test_too_few_rows_decide_nothing(build: Build, lab: Lab, project: Project, tmp_path: Path) -> None:
    """Nineteen compared rows are inconclusive, which blocks the push."""
    small = copy(project, tmp_path / "p")
    for name in ("test", "predictions"):
        path = small.folder / f"{name}.parquet"
        pd.read_parquet(path).head(19).to_parquet(path)
    run = build(small, "--image", f"{lab.registry}/loans:few", "--push")
    assert run.code == 4 and reason(run, "predictions-match") == "too-few-rows"
    assert lab.digest(f"{lab.registry}/loans:few") is None


def test_a_vulnerable_package_blocks_the_push(build: Build, lab: Lab, vulnerable: Project) -> None:
    """A package with a known vulnerability of a blocking severity blocks, so does a slow answer; nothing is pushed."""
    name = f"{lab.registry}/loans:vulnerable"
    run = build(vulnerable, "--image", name, "--push", "--latency-rate", "100", "--maximum-p99-ms", "0.001")
    assert run.code == 1 and reason(run, "vulnerabilities") == "vulnerable"
    assert reason(run, "latency") == "too-slow"
    assert run.report["details"]["simulation"]["load"]["per_second"] == 100
    assert [item["id"] for item in run.report["details"]["scan"]["findings"]] == ["CVE-2024-56326"]
    assert lab.digest(name) is None


@pytest.mark.parametrize(("days", "code"), [(0, 0), (-1, 1)])
def test_an_accepted_vulnerability_passes_until_its_day(
    build: Build, lab: Lab, vulnerable: Project, days: int, code: int
) -> None:
    """An entry of the ignore file holds through its day; the day after, the finding blocks and the entry is named."""
    day = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=days)
    entry = f"ignore:\n  - id: CVE-2024-56326\n    package: jinja2\n    reason: not reachable\n    expires: {day}\n"
    (vulnerable.folder / "accepted.yaml").write_text(entry)
    run = build(vulnerable, "--image", f"{lab.registry}/loans:accepted", "--ignore-file", "accepted.yaml")
    assert run.code == code, run.stdout
    assert ("expired-ignores" in statuses(run)) == (days < 0)


def test_severities_that_do_not_block_are_reported(build: Build, lab: Lab, vulnerable: Project) -> None:
    """A HIGH finding does not block where only CRITICAL does, and stays in the report."""
    run = build(vulnerable, "--image", f"{lab.registry}/loans:critical", "--severity", "CRITICAL")
    assert run.code == 0 and run.report["details"]["scan"]["by_severity"] == {"HIGH": 1}


def test_a_registry_that_is_down_ends_in_exit_code_3(build: Build, project: Project) -> None:
    """A push that nobody takes is unavailable, and the outputs name no image."""
    run = build(project, "--image", "127.0.0.1:9/loans:down", "--push")
    assert run.code == 3 and run.report["status"] == "error"
    assert run.report["outputs"].get("digest", "") == ""
    assert statuses(run)["predictions-match"] == "passed" and statuses(run)["pushed"] == "error"


def test_a_missing_database_is_never_a_clean_scan(build: Build, lab: Lab, project: Project, tmp_path: Path) -> None:
    """Trivy without its database ends in exit code 3 before anything is built."""
    name = f"{lab.registry}/loans:blind"
    run = build(project, "--image", name, "--push", "--trivy-cache", str(tmp_path / "empty"))
    assert run.code == 3 and "how old its database is" in run.report["checks"][0]["message"]
    assert lab.digest(name) is None


def test_an_old_database_is_never_a_clean_scan(build: Build, lab: Lab, project: Project, tmp_path: Path) -> None:
    """A database older than the limit ends in exit code 3, and nothing is pushed."""
    cache = tmp_path / "cache"
    shutil.copytree(lab.trivy_cache, cache)
    path = cache / "db" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "UpdatedAt": "2024-01-01T00:00:00.123456789Z"}))
    name = f"{lab.registry}/loans:stale"
    run = build(project, "--image", name, "--push", "--trivy-cache", str(cache))
    assert run.code == 3 and statuses(run)["scan-database"] == "error"
    assert lab.digest(name) is None


@pytest.fixture
def buildah(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which buildah keeps its images below the test's own folder."""
    need_program("buildah")
    storage = tmp_path / "storage.conf"
    places = f'graphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n'
    storage.write_text(f'[storage]\ndriver = "overlay"\n{places}')
    yield {"CONTAINERS_STORAGE_CONF": str(storage), "BUILDAH_ISOLATION": "chroot"}
    # The storage is a mount point for as long as nobody says otherwise, and a mount point cannot be removed.
    subprocess.run(["umount", "--recursive", "--lazy", f"{tmp_path}/graph/overlay"], check=False, capture_output=True)


def containers_left(env: Mapping[str, str]) -> str:
    """Return the containers that buildah still has."""
    listing = ["buildah", "containers", "--quiet"]
    return subprocess.run(listing, env={**os.environ, **env}, capture_output=True, text=True, check=True).stdout


def test_buildah_gives_the_same_verdict(lab: Lab, project: Project, buildah: dict[str, str]) -> None:
    """buildah, without a daemon, builds, calls, scans and pushes an image by the registry's digest."""
    name = f"{lab.registry}/loans:buildah"
    run = project.build(*lab.arguments(), "--image", name, "--push", "--engine", "buildah", env=buildah)
    assert run.code == 0, run.stdout + run.stderr
    assert run.report["outputs"]["digest"] == lab.digest(name)
    assert run.report["details"]["engine"] == "buildah"
    assert containers_left(buildah) == ""


def test_a_build_that_fails_leaves_no_container(
    lab: Lab, project: Project, buildah: dict[str, str], tmp_path: Path
) -> None:
    """A build that can trust nobody for its packages fails the check, and buildah keeps nothing of the attempt."""
    authorities = tmp_path / "authorities.pem"
    authorities.write_text("none\n")
    name = f"{lab.registry}/loans:unbuildable"
    distrustful = (*lab.arguments(), "--extra-ca", str(authorities))
    run = project.build(*distrustful, "--image", name, "--push", "--engine", "buildah", env=buildah)
    assert run.code == 1 and statuses(run)["image-builds"] == "failed", run.stdout
    assert lab.digest(name) is None
    assert containers_left(buildah) == ""
