"""A pull request from its opening on, as the reusable workflows run it under act, on a stand-in of the platform."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.actions.act import ActRun, commit, git, run_act
from tests.actions.consumer import GATES, make_consumer, predictions
from tests.platform import BASE, HEAD, REPOSITORY, Platform, pull, serve

pytestmark = pytest.mark.timeout(900)
FORK: Final = "stranger/model"
NEWER: Final = "c" * 40
FORKED: Final = "d" * 40
_CHURN: Final = "check-code: {paths: [credit], tools: [black]}\n"


@dataclass(kw_only=True)
class Story:
    """A repository with two pipelines, and the platform that it is on."""

    suite: Path
    folder: Path
    scratch: Path
    platform: Platform = field(default_factory=Platform)

    def run(
        self,
        number: int,
        payload: dict[str, Any],
        *jobs: str,
        event: str = "pull_request",
        workflow: str = "story.yml",
        more: Sequence[str] = (),
        **values: str,
    ) -> ActRun:
        """Run a workflow as the run of this number, with values for the capital words in it."""
        text = (Path(__file__).parent / "workflows" / workflow).read_text()
        for name, value in {
            "STAGES": "check-code",
            "SARIF": "false",
            "PAGE": "false",
            "INSTALL": '""',
            "COMMENT": "auto",
            **values,
        }.items():
            text = text.replace(f" {name}\n", f" {value}\n")
        path = self.folder / ".github" / "workflows" / workflow
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        git(self.folder, "add", "--all", "--force")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", "next")
        scratch = self.scratch / str(number)
        self.platform.folders.setdefault(number, scratch / "artifacts")
        environ = {
            "GITHUB_API_URL": self.platform.address,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": str(number),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/ci.yml@refs/heads/any",
        }
        given = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        given += [word for job in jobs for word in ("--job", job)]
        return run_act(
            self.suite,
            self.folder,
            workflow,
            scratch=scratch,
            event=event,
            payload={"repository": {"default_branch": "main"}, **payload},
            more=["--secret", "GITHUB_TOKEN=t0ken", *given, *more],
        )

    def comment(self, number: int = 7) -> str:
        """Return the one comment on a pull request."""
        (found,) = self.platform.comments[number]
        return str(found["body"])


def results(run: ActRun, pipeline: str) -> dict[str, str]:
    """Return the results of a pipeline's jobs; one that was skipped is not there."""
    said = [line for line in run.lines if "jobResult" in line and str(line["job"]).startswith(f"{pipeline}/")]
    return {str(line["jobID"]): str(line["jobResult"]) for line in said}


@pytest.fixture(scope="module")
def story(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Make the repository and run the platform."""
    folder = make_consumer(tmp_path_factory.mktemp("story") / "credit")
    (folder / "churn.yaml").write_text(_CHURN)
    commit(folder)
    made = Story(suite=suite, folder=folder, scratch=tmp_path_factory.mktemp("runs"))
    with serve(made.platform):
        yield made


@pytest.fixture(scope="module")
def opened(story: Story) -> tuple[ActRun, str]:
    """Open a pull request; return the run and the comment."""
    run = story.run(60, {"pull_request": pull(7)}, STAGES='""', PAGE="true", SARIF="true")
    return run, story.comment()


def test_opened__every_gate_is_a_job(opened: tuple[ActRun, str]) -> None:
    """Every configured gate is a job, building and deploying are skipped, `gate` is green, and each leaves a report."""
    run, _ = opened

    assert run.code == 0, run.text[-4000:]
    assert results(run, "credit") == dict.fromkeys(("plan", *GATES, "gate", "report"), "success")
    assert results(run, "churn") == dict.fromkeys(("plan", "check-code", "gate", "report"), "success")
    for stage in GATES:
        report = run.artifact(f"credit-report-{stage}", f"{stage}.json")
        assert (report["stage"], report["status"]) == (stage, "passed")
        assert f"{stage} passed" in run.summaries


def test_opened__one_comment_of_two_pipelines(story: Story, opened: tuple[ActRun, str]) -> None:
    """Two pipelines whose jobs end together make one comment; that main has no numbers is said; the page is linked."""
    run, comment = opened

    assert "**✅ 2 of 2 pipelines passed**" in comment
    assert comment.count("## ✅ credit passed") == comment.count("## ✅ churn passed") == 1
    assert comment.count("No numbers of main to compare with. This workflow has no green run on it yet") == 2
    assert (
        len(re.findall(r"\[HTML report\]\(https://github.com/owner/model/actions/runs/60/artifacts/\d+\)", comment))
        == 1
    )
    assert (run.artifacts / "credit-report" / "index.html").read_text().startswith("<!doctype html>")
    assert not (run.artifacts / "churn-report").exists()
    assert "artifact credit-report" in run.summaries
    assert [path.name for path in (run.artifacts / "code-scanning").iterdir()] == ["credit.sarif"]
    assert {call for call, _ in story.platform.calls if "comments" not in call} == {
        "GET actions/runs/60/artifacts",
        "GET actions/workflows/ci.yml/runs",
    }


def test_pushed_again__the_same_comment_with_the_change(story: Story, opened: tuple[ActRun, str]) -> None:
    """A second push updates the same comment: new numbers beside those of main's last green run, which is named with
    its commit; what another pipeline said stays."""
    main = opened[0].artifact("credit-report-evaluate-model", "evaluate-model.json")
    main["source"] = {"git_sha": BASE, "modified": []}
    story.platform.run(40, {"evaluate-model": main}, name="credit", head_sha=BASE)
    worse = predictions()
    worse.loc[worse["row_id"] < 60, "y_pred"] = 1 - worse["y_true"]
    worse.to_parquet(story.folder / "predictions.parquet", index=False)
    before, kept = opened[1], story.platform.comments[7][0]["id"]

    run = story.run(61, {"pull_request": pull(7, head=NEWER)}, "credit", STAGES="evaluate-model")

    assert run.code == 1 and results(run, "credit")["report"] == "success", run.text[-4000:]
    comment = story.comment()
    assert story.platform.comments[7][0]["id"] == kept
    assert "❌ credit failed: this change is blocked" in comment and "1 of 2 pipelines passed" in comment
    assert re.search(r"\*\*accuracy\*\* \| 0\.9000 \| \*\*0\.7650\*\*<br>.*? \| −0\.1350<br>", comment)
    assert f"main: the numbers at <code>{BASE[:7]}</code>, [its last green run]" in comment
    assert f"Commit <code>{NEWER[:7]}</code>" in comment and "actions/runs/61" in comment
    churn = before.partition("<!-- cd4ml:churn")[2].partition("<!-- /cd4ml:churn")[0]
    assert churn and churn in comment


def test_fork__artifact_then_the_second_workflow(story: Story) -> None:
    """A fork's run writes nothing and leaves its report as an artifact; the workflow after it comments where the event
    points, from that artifact alone."""
    story.platform.calls.clear()
    story.platform.runs.clear()
    request = pull(8, source=FORK, head=FORKED)
    story.platform.pulls = [pull(1, source=FORK, head=HEAD), request]

    run = story.run(62, {"pull_request": request}, "credit", PAGE="true", SARIF="true")

    assert run.code == 0 and results(run, "credit")["report"] == "success", run.text[-4000:]
    assert "comes from a fork" in run.text and story.platform.calls == []
    assert run.artifact("credit-report", "cd4ml.sarif")["version"] == "2.1.0"
    assert not (run.artifacts / "code-scanning").exists()

    ended = {
        "id": 62,
        "run_attempt": 1,
        "workflow_id": 3,
        "event": "pull_request",
        "conclusion": "success",
        "head_sha": FORKED,
        "head_branch": "change",
        "head_repository": {"full_name": FORK},
        "pull_requests": [],
    }
    after = story.run(63, {"workflow_run": ended}, event="workflow_run", workflow="comment.yml")

    assert after.code == 0, after.text[-4000:]
    assert 1 not in story.platform.comments
    assert "## ✅ credit passed" in story.comment(8), story.comment(8)
    assert "actions/runs/62" in story.comment(8)
    assert story.platform.written == ["POST issues/8/comments"]
    assert "checkout" not in after.text and "t0ken" not in after.text


def test_dependabot__green_and_says_why_not(story: Story) -> None:
    """Where the token may only read, `auto` says so in a line and is green; `always` turns its job red and no gate."""
    story.platform.refused = {"POST issues": 403}
    request = {**pull(9), "user": {"login": "dependabot[bot]"}}

    run = story.run(64, {"pull_request": request}, COMMENT="always", more=["--actor", "dependabot[bot]"])
    story.platform.refused = {}

    assert results(run, "credit") == dict.fromkeys(("plan", "check-code", "gate", "report"), "success"), run.text[
        -4000:
    ]
    assert results(run, "churn") == {"plan": "success", "check-code": "success", "gate": "success", "report": "failure"}
    assert (
        "Nothing posted: POST issues/9/comments: the API answers 403. The job needs `pull-requests: write`" in run.text
    )
    assert 9 not in story.platform.comments


def test_lost_report__a_finding(story: Story) -> None:
    """A stage whose job ends before it has run is no pass: red at its gate, an error in the comment, and an alert."""
    run = story.run(67, {"pull_request": pull(10)}, "credit", INSTALL="exit 1", SARIF="true")

    expected = {"plan": "success", "check-code": "failure", "gate": "failure", "report": "success"}
    assert results(run, "credit") == expected, run.text[-4000:]
    assert "🛑 credit error" in story.comment(10) and "🛑 check-code did not run" in story.comment(10)
    (found,) = json.loads((run.artifacts / "code-scanning" / "credit.sarif").read_text())["runs"]
    assert [(one["ruleId"], one["level"]) for one in found["results"]] == [("check-code/missing-report", "error")]


@pytest.mark.parametrize(("event", "delivers"), [("merge_group", False), ("schedule", True)])
def test_without_a_pull_request__judged_and_not_commented(story: Story, event: str, delivers: bool) -> None:
    """A merge queue's run judges and delivers nothing; a schedule's goes on to build; neither asks the platform."""
    story.platform.calls.clear()
    config = story.folder / "cd4ml.yaml"
    if "build-image" not in config.read_text():
        config.write_text(
            config.read_text() + "build-image: {model: nowhere, image: localhost:1/credit, simulate: false}\n"
        )
    payload: dict[str, Any] = {"schedule": "17 5 * * *"} if event == "schedule" else {event: {"head_sha": HEAD}}

    run = story.run(65 + delivers, payload, "credit", event=event, STAGES="check-code, build-image")

    found = results(run, "credit")
    if delivers:
        assert found == {"plan": "success", "check-code": "success", "build-image": "failure", "gate": "failure"}
        assert (
            json.loads((run.artifacts / "credit-report-build-image" / "build-image.json").read_text())["status"]
            == "error"
        )
    else:
        assert found == {"plan": "success", "check-code": "success", "gate": "success"}, run.text[-4000:]
    assert story.platform.calls == []
