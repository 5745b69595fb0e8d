"""The templates for GitLab and Jenkins: they follow the stages, and their jobs run as the platforms run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from cd4ml.stages import PIPELINE, STAGES, needed
from tests.actions.act import REF, commit, git
from tests.actions.consumer import make_consumer
from tests.conftest import ROOT, clean_environment, need_program
from tests.reports import write

GITLAB: Final = ROOT / "templates" / "gitlab" / "template.yml"
JENKINS: Final = ROOT / "templates" / "jenkins" / "Jenkinsfile"
ACTING: Final = [stage for stage in PIPELINE if STAGES[stage].acts]
BUILD: Final = """
build-image:
  model: model
  image: localhost:1/credit
deploy-model:
  repository: nowhere
  manifest: values.yaml
"""


def documents() -> tuple[Any, str]:
    """Return what GitLab's template can be told, and its text below that."""
    head, _, body = GITLAB.read_text().partition("\n---\n")
    return YAML(typ="safe").load(head)["spec"]["inputs"], body


def filled(**values: str) -> str:
    """Return the template as GitLab has it once the inputs are known."""
    inputs, body = documents()
    given = {name: values.get(name.replace("-", "_"), one["default"]) for name, one in inputs.items()}
    told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda found: told[found[1]] or '""', body)


@pytest.mark.parametrize("how", ["fail", "warn"])
def test_gitlab__schema(how: str, tmp_path: Path) -> None:
    """With its inputs filled in, the template meets GitLab's published schema."""
    (tmp_path / "filled.yml").write_text(filled(on_inconclusive=how))
    command = [
        need_program("check-jsonschema"),
        "--builtin-schema",
        "vendor.gitlab-ci",
        "--data-transform",
        "gitlab-ci",
    ]
    checked = subprocess.run([*command, tmp_path / "filled.yml"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_gitlab__follows_the_stages() -> None:
    """Every stage of the pipeline has a job that waits for what the stage needs, and no other stage has one."""
    jobs = YAML(typ="safe").load(re.sub(r"!reference", "", filled()))
    stages = {name: job for name, job in jobs.items() if not name.startswith(".") and name != "cd4ml-reports"}

    assert list(stages) == [f"cd4ml-{stage}" for stage in PIPELINE]
    for stage in PIPELINE:
        job = stages[f"cd4ml-{stage}"]
        assert job["needs"] == [f"cd4ml-{name}" for name in needed(stage)]
        assert job["script"][0].split()[2:] == [stage, *needed(stage)]
        acts = any(kind in (".cd4ml-builds", ".cd4ml-deploys") for kind in job["extends"])
        assert acts == STAGES[stage].acts and acts != (".cd4ml-inconclusive-fail" in job["extends"])
    assert [need["job"] for need in jobs["cd4ml-reports"]["needs"]] == list(stages)
    assert jobs["cd4ml-reports"]["variables"]["CD4ML_LEFT_OUT"].split() == ACTING
    assert jobs[".cd4ml-inconclusive-warn"]["allow_failure"] == {"exit_codes": [4]}


def test_jenkins__follows_the_stages() -> None:
    """Every stage of the pipeline has a stage that asks for what it needs; only those that act wait for a delivery."""
    found = re.findall(r"(judge|act)\('([^']+)'\)", JENKINS.read_text())

    assert [words.split() for _, words in found] == [[stage, *needed(stage)] for stage in PIPELINE]
    assert [words.split()[0] for step, words in found if step == "act"] == ACTING
    assert JENKINS.read_text().count("when { expression { delivers() } }") == len(ACTING)
    shown = re.findall(r"act\('([^']+)'\)", (ROOT / "docs" / "jenkins.md").read_text())
    assert shown and {*shown} <= {words for _, words in found}


@pytest.mark.parametrize("path", [GITLAB, JENKINS], ids=["gitlab", "jenkins"])
def test_no_secrets(path: Path) -> None:
    """No template prints the environment, traces its commands, or names a secret."""
    text = path.read_text()

    assert not re.search(r"set -\w*x|\bprintenv\b|\benv\s*$|TOKEN|PASSWORD|CI_DEBUG", text, re.M)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that these tests make their projects in, one after the other: cd4ml's environment stays."""
    return tmp_path_factory.mktemp("platforms") / "credit"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a pipeline ended: the jobs that ran, in alphabetical order, and those that failed."""

    code: int
    text: str
    jobs: list[str]
    failed: list[str]


def make(folder: Path, *, only: str, more: str, broken: str | None = None) -> Path:
    """Make the project anew with one of its gates; what an earlier one left of cd4ml's own environment is kept."""
    for path in folder.glob("*") if folder.exists() else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    make_consumer(folder, broken=broken)
    config = (folder / "cd4ml.yaml").read_text()
    (section,) = re.findall(rf"^{only}:\n(?:  .*\n)+", config, re.M)
    (folder / "cd4ml.yaml").write_text(section + more)
    (folder / ".gitignore").write_text("reports/\n.cd4ml/\n.gitlab-ci-local/\n*@tmp/\n")
    return folder


def run_gitlab(folder: Path, suite: Path) -> Ran:
    """Run a merge request's pipeline with gitlab-ci-local, in the project's folder, as a runner with a shell would."""
    need_program("rsync")
    shutil.copy(GITLAB, folder / "template.yml")
    (folder / ".gitlab-ci.yml").write_text(
        f"include:\n  - local: template.yml\n    inputs:\n      source: {json.dumps(str(suite))}\n"
    )
    publish(folder)
    git(folder, "checkout", "--quiet", "-B", "topic")
    (folder / ".cd4ml" / "cache").mkdir(parents=True, exist_ok=True)
    share_cache(folder / ".cd4ml" / "cache" / "uv")
    command = [
        need_program("gitlab-ci-local"),
        "--force-shell-executor",
        "--concurrency",
        "1",
        "--no-artifacts-to-source",
    ]
    command += [
        "--ignore-predefined-vars",
        "CI_PIPELINE_SOURCE",
        "--variable",
        "CI_PIPELINE_SOURCE=merge_request_event",
    ]
    ran = subprocess.run(
        command, cwd=folder, env=clean_environment(NO_COLOR="1"), capture_output=True, text=True, check=False
    )
    text = ran.stdout + ran.stderr
    jobs = sorted(set(re.findall(r"^cd4ml-([\w-]+) +starting shell", text, re.M)))
    return Ran(code=ran.returncode, text=text, jobs=jobs, failed=re.findall(r"^ FAIL +cd4ml-([\w-]+)", text, re.M))


def publish(folder: Path) -> None:
    """Commit everything to main, and let that be the default branch of a project on GitLab."""
    commit(folder)
    if not git(folder, "remote"):
        git(folder, "remote", "add", "origin", "https://gitlab.example.org/team/credit.git")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(folder, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")


def share_cache(link: Path) -> None:
    """Let a job take packages from this user's cache, as a second run of a pipeline does from its own."""
    if not link.is_symlink():
        cache = os.environ.get("UV_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "uv"
        link.symlink_to(cache)


def run_jenkins(folder: Path, suite: Path, **variables: str) -> tuple[str, str]:
    """Run the Jenkinsfile as Groovy, with its shell steps for real; return the build's result and the log."""
    temp = folder / ".cd4ml" / "jenkins"
    temp.mkdir(parents=True, exist_ok=True)
    commit(folder)
    told = {"CD4ML_SOURCE": str(suite), "CD4ML_VERSION": REF, "WORKSPACE_TMP": str(temp), "RUNNER_TEMP": str(temp)}
    words = [f"{name}={value}" for name, value in {**told, **variables}.items()]
    command = [need_program("groovy"), str(ROOT / "tests" / "actions" / "jenkins.groovy"), str(JENKINS), *words]
    ran = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False)
    (result,) = re.findall(r"^build (\w+)$", ran.stdout, re.M) or [ran.stderr]
    return result, ran.stdout + ran.stderr


def reported(folder: Path) -> list[str]:
    """Return the stages that left a report."""
    return sorted(stage for stage in PIPELINE if (folder / "reports" / f"{stage}.json").exists())


def badge(folder: Path) -> str:
    """Return what the badge says."""
    return str(json.loads((folder / "reports" / "badge.json").read_text())["message"])


def test_gitlab__merge_request(project: Path, suite: Path) -> None:
    """A merge request runs what judges, passes over what is not configured, and shows a failed run's reports."""
    folder = make(project, broken="audit-fairness", only="audit-fairness", more=BUILD)

    ran = run_gitlab(folder, suite)

    assert ran.code != 0 and ran.failed == ["audit-fairness"], ran.text
    assert ran.jobs == sorted([*(stage for stage in PIPELINE if not STAGES[stage].acts), "reports"])
    assert "score-model: not configured." in ran.text
    assert reported(folder) == ["audit-fairness"] and badge(folder) == "failed: audit-fairness"
    for name in ("junit.xml", "code-quality.json", "index.html"):
        assert "disparate-impact" in (folder / "reports" / name).read_text()


CACHING: Final = """\
include:
  - local: template.yml
{job}:
  before_script: []
  needs: []
  script: [ls .cd4ml/cache || true, mkdir -p .cd4ml/cache, echo $CI_COMMIT_REF_NAME > .cd4ml/cache/left]
  after_script: []
  artifacts: {{paths: [nothing]}}
"""


@pytest.mark.parametrize("job", ["cd4ml-check-code", "cd4ml-reports"])
def test_gitlab__a_merge_request_saves_no_cache(tmp_path: Path, job: str) -> None:
    """What a merge request leaves in the cache is not kept; what the default branch leaves is, for both to read."""
    need_program("rsync")
    shutil.copy(GITLAB, tmp_path / "template.yml")
    (tmp_path / ".gitignore").write_text(".gitlab-ci-local/\n")
    (tmp_path / ".gitlab-ci.yml").write_text(CACHING.format(job=job))
    publish(tmp_path)
    command = [need_program("gitlab-ci-local"), job, "--force-shell-executor", "--shell-isolation"]
    command += ["--no-artifacts-to-source", "--ignore-predefined-vars", "CI_PIPELINE_SOURCE", "--variable"]

    def run(branch: str, source: str) -> tuple[str, list[str]]:
        git(tmp_path, "checkout", "--quiet", "-B", branch)
        ran = subprocess.run(
            [*command, f"CI_PIPELINE_SOURCE={source}"],
            cwd=tmp_path,
            env=clean_environment(NO_COLOR="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        kept = (tmp_path / ".gitlab-ci-local" / "cache").rglob("left")
        return ran.stdout, [path.read_text().strip() for path in kept]

    assert run("topic", "merge_request_event")[1] == []
    assert run("main", "push")[1] == ["main"]
    said, kept = run("topic", "merge_request_event")
    assert "imported cache" in said and kept == ["main"]


def test_jenkins(project: Path, suite: Path) -> None:
    """Too little data makes a build unstable where that is wanted; main builds no image after it, reports are shown."""
    folder = make(project, only="evaluate-model", more=BUILD)
    text = (folder / "cd4ml.yaml").read_text()
    (folder / "cd4ml.yaml").write_text(
        text.replace("evaluate-model:\n", "evaluate-model:\n  minimum-test-rows: 100000\n")
    )
    (folder / "reports").mkdir()
    (folder / "reports" / "deploy-model.json").write_text("left by an earlier build")

    result, text = run_jenkins(folder, suite, BRANCH_NAME="main", CD4ML_INCONCLUSIVE="unstable")

    assert "evaluate-model: too little data to decide" in text and "audit-fairness: not configured." in text, text
    assert "build-image does not run: not every stage that it needs has passed." in text and result == "FAILURE"
    assert "stage deploy-model" not in text and "junit reports/junit.xml" in text
    assert reported(folder) == ["evaluate-model"] and badge(folder) == "inconclusive: evaluate-model"


def stage(folder: Path, suite: Path, temp: Path, *words: str) -> tuple[int, str]:
    """Run a stage as the templates' jobs do; return the exit code and what was printed."""
    command = ["bash", str(suite / "templates" / "stage.sh"), *words]
    env = clean_environment(RUNNER_TEMP=str(temp))
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_stage__asks_the_reports(project: Path, suite: Path, runner_temp: Path) -> None:
    """What needs a stage that left no report, or only warned, does not run; once it has passed, it does."""
    build = ("build-image", "check-code", "audit-fairness")
    folder = make(project, broken="audit-fairness", only="audit-fairness", more=BUILD)
    text = (folder / "cd4ml.yaml").read_text()
    (folder / "cd4ml.yaml").write_text(text.replace("audit-fairness:\n", "audit-fairness:\n  on-failed: warn\n"))
    missing = stage(folder, suite, runner_temp, *build)
    warned = stage(folder, suite, runner_temp, "audit-fairness")
    after_warning = stage(folder, suite, runner_temp, *build)
    write(folder / "reports", "audit-fairness")
    after_pass = stage(folder, suite, runner_temp, *build)

    assert warned[0] == 0, warned[1]
    for code, said in (missing, after_warning):
        assert code == 3 and "build-image does not run" in said, said
    assert "reports cannot be read" in missing[1] and "audit-fairness: failed" in after_warning[1]
    assert after_pass[0] != 0 and "does not run" not in after_pass[1]
    assert (folder / "reports" / "build-image.json").exists()


def test_stage__configuration_that_cannot_be_read(project: Path, suite: Path, runner_temp: Path) -> None:
    """Where it is not known which stages are configured, none is passed over."""
    folder = make(project, only="audit-fairness", more="audit-fairnes: {}\n")

    code, said = stage(folder, suite, runner_temp, "score-model")

    assert code == 2 and "did you mean `audit-fairness`" in said and "not configured" not in said


@pytest.mark.parametrize("variable", ["CD4ML_INSTALL", "CD4ML_PREPARE_BUILD"])
def test_gitlab__command_of_the_project_fails__not_inconclusive(variable: str, tmp_path: Path) -> None:
    """A command of the project that ends with 4, as wget does without network, is not let through."""
    jobs = YAML(typ="safe").load(re.sub(r"!reference", "", filled()))
    lines = [*jobs[".cd4ml-install"]["script"], *jobs[".cd4ml-builds"]["before_script"]]
    (line,) = (line for line in lines if isinstance(line, str) and variable in line)
    environ = {**clean_environment(), variable: "exit 4", "CD4ML_INPUT_WORKING_DIRECTORY": str(tmp_path)}

    assert subprocess.run(["bash", "-ec", line], env=environ, check=False).returncode == 3
    environ[variable] = "touch made"
    assert subprocess.run(["bash", "-ec", line], env=environ, check=False).returncode == 0
    assert (tmp_path / "made").exists()
