"""`cd4ml comment` against a stand-in of the platform that records every request."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cd4ml.commands import comment
from cd4ml.commands.door import Door
from cd4ml.github import client, comments
from cd4ml.wording import Redactor
from tests import reports
from tests.conftest import Run
from tests.platform import ACTIONS, BASE, HEAD, REPOSITORY, Platform, pull, serve

FORK = "stranger/model"


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Run the platform; jobs look again at once."""
    monkeypatch.setattr(comments, "_PAUSE", 0.01)
    state = Platform()
    with serve(state):
        yield state


def say(
    platform: Platform,
    folder: Path,
    *arguments: str,
    event: Mapping[str, Any] | None = None,
    event_name: str = "pull_request",
    run: int = 1,
    **more: str,
) -> tuple[int, str]:
    """Run the command as a job of the platform; return its exit code and everything that it printed."""
    folder.mkdir(exist_ok=True)
    (folder / "event.json").write_text(json.dumps({"pull_request": pull(7)} if event is None else event))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": platform.address,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_EVENT_NAME": event_name,
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_RUN_ID": str(run),
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/ci.yml@refs/pull/7/merge",
        "GITHUB_OUTPUT": str(folder / "output"),
        "CD4ML_GITHUB_TOKEN": "t0ken",
        **more,
    }
    out = io.StringIO()
    code = comment.run(
        ["--reports", str(folder / "reports"), *arguments], Door(environ=environ, stdout=out, stderr=out)
    )
    return code, out.getvalue()


def accuracy(value: float, status: str = "passed") -> list[dict[str, Any]]:
    """Return the checks of an evaluation."""
    return [
        {
            "id": "minimum:accuracy",
            "status": status,
            "message": "Accuracy.",
            "value": value,
            "limit": 0.8,
            "bound": "at-least",
        }
    ]


def judged(folder: Path, value: float = 0.9, status: str = "passed") -> None:
    """Leave the reports of two stages."""
    reports.write(folder / "reports", "check-code")
    reports.write(folder / "reports", "evaluate-model", checks=accuracy(value, status), status=status)


def only(platform: Platform, number: int = 7) -> str:
    """Return the body of the one comment on a pull request."""
    (found,) = platform.comments[number]
    return str(found["body"])


def ended(number: int | None, *, source: str = FORK, branch: str = "change", **changes: Any) -> dict[str, Any]:
    """Return the event of a workflow's end."""
    run = {
        "id": 50,
        "run_attempt": 1,
        "workflow_id": 3,
        "event": "pull_request",
        "conclusion": "success",
        "head_sha": HEAD,
        "head_branch": branch,
        "head_repository": {"full_name": source},
        "pull_requests": [] if number is None else [{"number": number}],
    }
    return {"workflow_run": {**run, **changes}}


def test_story__one_comment_with_new_numbers(platform: Platform, tmp_path: Path) -> None:
    """Opened, a pull request gets a comment; pushed again, the same comment has the new numbers beside main's."""
    platform.run(40, {"evaluate-model": reports.document("evaluate-model", checks=accuracy(0.85))})
    judged(tmp_path, 0.9)

    code, said = say(platform, tmp_path)
    first = platform.comments[7][0]["id"]
    body = only(platform)

    assert code == 0 and "pull request 7: passed" in said
    assert body.startswith("<!-- cd4ml -->") and "## ✅ cd4ml passed" in body
    assert "| accuracy | 0.8500 | 0.9000 | +0.0500 | ≥&nbsp;0.8000 | ✅&nbsp;passed |" in body
    assert f"main: the numbers at <code>{BASE[:7]}</code>" in body and f"Commit <code>{HEAD[:7]}</code>" in body
    assert "address<<" in (tmp_path / "output").read_text()

    judged(tmp_path, 0.7, "failed")
    assert say(platform, tmp_path, run=2)[0] == 0

    assert platform.comments[7][0]["id"] == first
    assert "❌ cd4ml failed: this change is blocked" in only(platform)
    assert "| 0.8500 | **0.7000** | −0.1500 |" in only(platform) and "0.9000" not in only(platform)
    assert platform.written == ["POST issues/7/comments", f"PATCH issues/comments/{first}"]


def test_main__of_another_commit_left_out(platform: Platform, tmp_path: Path) -> None:
    """A report among main's that names another commit than that run's is not compared with, and that is said."""
    other = {"git_sha": "e" * 40, "modified": []}
    platform.run(
        40,
        {
            "evaluate-model": reports.document("evaluate-model", checks=accuracy(0.1), source=other),
            "check-code": reports.document("check-code", source={"git_sha": BASE, "modified": []}),
        },
    )
    judged(tmp_path)

    say(platform, tmp_path)

    assert "0.1000" not in only(platform) and "could not be read there" in only(platform)


def test_main__none_is_said(platform: Platform, tmp_path: Path) -> None:
    """Without a green run on main the comment says so; a fork's run from a branch named main is not main's."""
    strange = {"evaluate-model": reports.document("evaluate-model", checks=accuracy(0.1))}
    platform.run(40, strange, head_repository={"id": 2})
    platform.run(41, strange, event="pull_request")
    judged(tmp_path)

    assert say(platform, tmp_path)[0] == 0
    assert "No numbers of main to compare with." in only(platform)
    assert "no green run on it yet" in only(platform) and "0.1000" not in only(platform)


def test_main__not_readable_is_said(platform: Platform, tmp_path: Path) -> None:
    """A token that may not read main's runs leads to a comment that says so and names the permission."""
    platform.refused = {"GET actions/": 403}
    judged(tmp_path)

    assert say(platform, tmp_path)[0] == 0
    assert "403" in only(platform) and "actions&#58; read" in only(platform)


def test_main__from_a_folder(platform: Platform, tmp_path: Path) -> None:
    """Main's reports may be handed over; then no run is looked for, and they are bound to their commit."""
    reports.write(
        tmp_path / "main", "evaluate-model", checks=accuracy(0.95), source={"git_sha": "c" * 40, "modified": []}
    )
    judged(tmp_path)

    assert say(platform, tmp_path, "--base-reports", str(tmp_path / "main"))[0] == 0
    assert "| 0.9500 | 0.9000 | −0.0500 |" in only(platform)
    assert "ccccccc" in only(platform) and f"base is <code>{BASE[:7]}</code>" in only(platform)
    assert not [request for request, _ in platform.calls if "workflows" in request]


def test_coverage__in_percent(platform: Platform, tmp_path: Path) -> None:
    """A percentage is shown as one, rounded down, with its limit as it was set and its change in points."""

    def measured(value: float) -> list[dict[str, Any]]:
        shared = {"id": "coverage", "metric": "coverage", "limit": 80, "bound": "at-least", "message": "Coverage."}
        return [{**shared, "value": value, "status": "passed"}]

    platform.run(40, {"check-code": reports.document("check-code", checks=measured(95.0769))})
    reports.write(tmp_path / "reports", "check-code", checks=measured(93.8962))

    assert say(platform, tmp_path)[0] == 0
    assert "| coverage | 95.0 % | 93.8 % | −1.2 points | ≥&nbsp;80 % | ✅&nbsp;passed |" in only(platform)


def test_early_mistake__once(platform: Platform, tmp_path: Path, cd4ml: Callable[..., Run]) -> None:
    """What `cd4ml run` finds wrong before any stage runs stands once in the comment and once in SARIF."""
    (tmp_path / "cd4ml.yaml").write_text("evaluate-model: {predictions: nowhere.csv, minimum: {accuracy: 0.5}}\n")
    cd4ml("run")

    assert cd4ml("export", "--sarif", "found.sarif").code == 0
    assert say(platform, tmp_path)[0] == 0

    results = json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"]
    assert ["nowhere.csv" in result["message"]["text"] for result in results] == [True]
    assert only(platform).count("nowhere") == 1


def test_missing_and_damaged__named(platform: Platform, tmp_path: Path) -> None:
    """A stage that had to run and left nothing, or nothing readable, is named, and the verdict is an error."""
    platform.run(40, {"audit-fairness": reports.document("audit-fairness")})
    reports.write(tmp_path / "reports", "check-code")
    (tmp_path / "reports" / "evaluate-model.json").write_text("{}")

    assert say(platform, tmp_path, "--planned", "check-code,validate-data,build-image")[0] == 0

    body = only(platform)
    assert "🛑 cd4ml error" in body
    assert "🛑 evaluate-model could not be read" in body and "🛑 validate-data did not run" in body
    assert "🛑 audit-fairness did not run" in body, "main has it"
    assert "build-image" not in body, "it does not run for a pull request"


def test_held_back__the_stage_that_did_not_pass_decides(platform: Platform, tmp_path: Path) -> None:
    """A stage that did not run because one that it needs failed is shown as such, and does not hide the verdict."""
    failed = [{"id": "x", "status": "failed", "message": "Columns differ."}]
    reports.write(tmp_path / "reports", "score-model", status="failed", checks=failed)

    assert say(platform, tmp_path, "--planned", "score-model,evaluate-model,audit-fairness")[0] == 0
    assert "❌ cd4ml failed" in only(platform) and "⏸️ evaluate-model did not run" in only(platform)
    assert "left no report" not in only(platform)

    reports.write(tmp_path / "reports", "score-model")
    assert say(platform, tmp_path, "--planned", "score-model,evaluate-model,audit-fairness", run=2)[0] == 0
    assert "🛑 cd4ml error" in only(platform) and "🛑 evaluate-model did not run" in only(platform)


def test_held_back__nothing_let_through(platform: Platform, tmp_path: Path) -> None:
    """What only warns is no warning where a stage that judges did not run for it; the comment says which."""
    failed = [{"id": "x", "status": "failed", "message": "Columns differ."}]
    options = {"on-failed": "warn"}
    reports.write(tmp_path / "reports", "score-model", status="failed", checks=failed, options=options)

    assert say(platform, tmp_path, "--planned", "score-model,evaluate-model")[0] == 0
    assert "❌ cd4ml failed" in only(platform) and "**evaluate-model** did not run" in only(platform)


def test_planned__skipped_is_no_pass(platform: Platform, tmp_path: Path) -> None:
    """A stage that had to run and says that it was skipped is an error; one that did not have to is not."""
    judged(tmp_path)
    reports.write(tmp_path / "reports", "validate-data", status="skipped", checks=[])

    assert say(platform, tmp_path)[0] == 0
    assert "✅ cd4ml passed" in only(platform)
    assert say(platform, tmp_path, "--planned", "validate-data", run=2)[0] == 0
    assert "🛑 cd4ml error" in only(platform) and "validate-data was skipped" in only(platform)


def test_pipeline_report__stages_that_did_not_come_to_run(platform: Platform, tmp_path: Path) -> None:
    """What `cd4ml run` kept from running is shown as not run; what is not configured is not."""
    judged(tmp_path)
    stages = [{"stage": "build-image", "status": "not-run"}, {"stage": "validate-data", "status": "skipped"}]
    (tmp_path / "reports" / "pipeline.json").write_text(json.dumps({"stages": stages}))

    assert say(platform, tmp_path)[0] == 0
    assert "🛑 build-image did not run" in only(platform) and "validate-data" not in only(platform)


def test_nothing_there__said(platform: Platform, tmp_path: Path) -> None:
    """Without any report the comment is no pass."""
    assert say(platform, tmp_path)[0] == 0
    assert "🛑 cd4ml error" in only(platform) and "No stage left a report" in only(platform)


@pytest.mark.parametrize("there", [True, False])
def test_page__linked_if_there(platform: Platform, tmp_path: Path, there: bool) -> None:
    """The artifact with the HTML report is linked where the run has one."""
    if there:
        platform.artifacts[1] = [{"id": 77, "name": "cd4ml-report", "expired": False}]
    judged(tmp_path)

    say(platform, tmp_path)

    assert (f"[HTML report](https://github.com/{REPOSITORY}/actions/runs/1/artifacts/77)" in only(platform)) is there


def test_fork__nothing_posted(platform: Platform, tmp_path: Path) -> None:
    """From a fork nothing is sent, the log says why and what to do, and the job stays green."""
    judged(tmp_path)

    code, said = say(platform, tmp_path, event={"pull_request": pull(7, source=FORK)})

    assert code == 0 and "comes from a fork" in said and "docs/comment.md" in said
    assert platform.calls == []


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502])
@pytest.mark.parametrize("request_", ["GET issues/7/comments", "POST issues/7/comments"])
def test_refused__said(platform: Platform, tmp_path: Path, status: int, request_: str) -> None:
    """A platform that refuses is a warning, to a token that may only read a notice; with `always` it is exit code 3."""
    platform.refused = {request_: status}
    judged(tmp_path)

    code, said = say(platform, tmp_path)
    kind = "notice" if status == 403 else "warning"
    assert code == 0 and f"answers {status}" in said and f"::{kind} title=cd4ml comment::" in said
    assert say(platform, tmp_path, "--post", "always")[0] == 3
    assert not platform.comments.get(7)


def test_silent__not_waited_for(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that does not answer is a warning, too."""
    monkeypatch.setattr(client, "_SECONDS", 0.2)
    platform.silent = ("GET issues",)
    judged(tmp_path)

    code, said = say(platform, tmp_path)
    assert code == 0 and "cannot be reached" in said


@pytest.mark.parametrize(
    ("event_name", "event"),
    [("push", {}), ("schedule", {}), ("pull_request_target", {"pull_request": pull(7)}), ("issue_comment", {})],
)
def test_other_events__nothing_posted(platform: Platform, tmp_path: Path, event_name: str, event: Any) -> None:
    """Outside a pull request there is nothing to do, which is an error only with `always`."""
    judged(tmp_path)

    assert say(platform, tmp_path, event=event, event_name=event_name)[0] == 0
    assert say(platform, tmp_path, "--post", "always", event=event, event_name=event_name)[0] == 3
    assert platform.calls == []


def test_never__no_request(platform: Platform, tmp_path: Path) -> None:
    """`never` asks the platform nothing."""
    code, said = say(platform, tmp_path, "--post", "never")

    assert code == 0 and "never" in said and platform.calls == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--name", "a b"), "name"),
        (("--name", "a--b"), "name"),
        (("--name", "x\n-->"), "name"),
        (("--name", "credit-report"), "no `-report` at its end"),
        (("--planned", "check-cod"), "did you mean `check-code`"),
        (("--post", "sometimes"), "auto"),
    ],
)
def test_bad_options__usage(platform: Platform, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """An option that makes no sense is exit code 2, and nothing is sent."""
    code, said = say(platform, tmp_path, *arguments)

    assert code == 2 and words in said and platform.calls == []


def test_no_token__said(platform: Platform, tmp_path: Path) -> None:
    """Without a token nothing is posted, which is said."""
    code, said = say(platform, tmp_path, CD4ML_GITHUB_TOKEN="")

    assert code == 0 and "CD4ML_GITHUB_TOKEN is not set" in said


def test_foreign_comment__not_touched(platform: Platform, tmp_path: Path) -> None:
    """A comment of somebody else that begins with our marker is neither changed nor taken over."""
    theirs = "<!-- cd4ml -->\n<!-- cd4ml:other run=1.1 status=passed -->\nAll fine.\n<!-- /cd4ml:other -->"
    platform.comment(7, theirs, author="stranger")
    judged(tmp_path)

    assert say(platform, tmp_path)[0] == 0

    foreign, own = platform.comments[7]
    assert foreign["body"] == theirs and "All fine" not in own["body"] and own["user"]["login"] == ACTIONS


def test_another_account__found_again(platform: Platform, tmp_path: Path) -> None:
    """A token of an account that was not named does not leave a second comment either."""
    platform.author = "our-app[bot]"
    judged(tmp_path)

    say(platform, tmp_path)
    first = platform.comments[7][0]["id"]
    say(platform, tmp_path, run=2)
    assert [one["id"] for one in platform.comments[7]] == [first] and "run=2.1" in only(platform)

    platform.calls.clear()
    say(platform, tmp_path, "--author", "our-app[bot]", run=3)
    assert platform.written == [f"PATCH issues/comments/{first}"]


def test_two_pipelines__one_comment(platform: Platform, tmp_path: Path) -> None:
    """The part of another pipeline stays as it is, and the verdict of all stands first."""
    judged(tmp_path / "a", 0.7, "failed")
    judged(tmp_path / "b")

    say(platform, tmp_path / "b", "--name", "churn")
    passed = only(platform).partition("<!-- cd4ml:churn")[2]
    say(platform, tmp_path / "a", "--name", "credit")

    body = only(platform)
    assert passed.strip() in body
    assert body.index("1 of 2 pipelines passed") < body.index("credit failed") < body.index("churn passed")


def test_earlier_run__does_not_replace_a_later_one(platform: Platform, tmp_path: Path) -> None:
    """A run that ends late does not write over the numbers of a newer commit."""
    judged(tmp_path, 0.9)
    say(platform, tmp_path, run=20)
    judged(tmp_path, 0.6)
    say(platform, tmp_path, run=10)

    assert "0.9000" in only(platform) and "0.6000" not in only(platform)


@pytest.mark.parametrize("there", [False, True], ids=["none-yet", "one-there"])
def test_in_parallel__one_comment_with_both(platform: Platform, tmp_path: Path, there: bool) -> None:
    """Jobs that read at the same moment and then write over each other leave one comment with the parts of all."""
    names = ["credit", "churn", "prices"]
    if there:
        platform.comment(7, "<!-- cd4ml -->\n")
    together = threading.Barrier(len(names))
    first = iter(names)

    def wait(request: str) -> None:
        """Let all jobs have looked before any of them writes for the first time."""
        if not request.startswith("GET") and next(first, None):
            together.wait(20)

    platform.before = wait
    for name in names:
        judged(tmp_path / name)
    jobs = [
        threading.Thread(target=say, args=(platform, tmp_path / name, "--name", name, "--post", "always"))
        for name in names
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)

    assert all(f"{name} passed" in only(platform) for name in names)
    assert len([request for request in platform.written if request.startswith("POST")]) == (0 if there else 3)


def test_doubles__merged_into_the_oldest(platform: Platform, tmp_path: Path) -> None:
    """Of two comments of ours the older one takes over what the younger one says, and the younger one goes."""
    judged(tmp_path)
    for name in ("credit", "churn"):
        text = f"<!-- cd4ml:{name} run=1.1 status=passed -->\n## {name}\n<!-- /cd4ml:{name} -->"
        platform.comment(7, f"<!-- cd4ml -->\r\n{text}")
        platform.calls.append(("GET", None))  # the next id is a higher one
    first = platform.comments[7][0]["id"]

    say(platform, tmp_path)

    assert platform.comments[7][0]["id"] == first
    assert all(f"## {name}" in only(platform) for name in ("credit", "churn", "✅ cd4ml passed"))


def test_workflow_run__comments_on_the_right_pull_request(platform: Platform, tmp_path: Path) -> None:
    """The end of a fork's run leads to a comment on the one pull request with its commit, made from its artifacts."""
    platform.pulls = [
        pull(7, source=FORK),
        pull(8, source=FORK, head="f" * 40),
        pull(9, source="stranger/other"),
        pull(10, source=FORK, state="closed"),
    ]
    platform.leave(50, {"evaluate-model": reports.document("evaluate-model", checks=accuracy(0.9)), "check-code": b"["})

    code, said = say(platform, tmp_path, event=ended(None), event_name="workflow_run")

    assert code == 0 and "pull request 7" in said and set(platform.comments) == {7}
    assert "0.9000" in only(platform) and "🛑 check-code could not be read" in only(platform)
    assert "actions/runs/50" in only(platform) and "run=50.1" in only(platform)


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [pull(7, source=FORK, head="f" * 40)],
        [pull(7, source=FORK), pull(8, source=FORK)],
        [pull(7, source="stranger/other")],
        [pull(7, source=FORK, state="closed")],
    ],
    ids=["none", "newer-commit", "two", "another-repository", "closed"],
)
@pytest.mark.parametrize("number", [None, 7])
def test_workflow_run__no_guess(platform: Platform, tmp_path: Path, pulls: list[Any], number: int | None) -> None:
    """Where not exactly one open pull request has the run's commit as its newest, nothing is posted."""
    platform.pulls = pulls
    platform.leave(50, {"check-code": reports.document("check-code")})

    named = number is not None and len(pulls) == 2
    say(platform, tmp_path, event=ended(number), event_name="workflow_run")

    assert set(platform.comments) == ({7} if named else set())


def test_workflow_run__number_never_from_the_artifact(platform: Platform, tmp_path: Path) -> None:
    """Whatever the artifact says, the comment goes where the event points."""
    platform.pulls = [pull(7, source=FORK), pull(1)]
    hostile = reports.document("check-code", run={"pull_request": 1, "number": 1}, summary="pull request 1")
    platform.leave(50, {"check-code": hostile})
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "check-code.json").write_text(json.dumps({"number": 1}))

    say(platform, tmp_path, event=ended(None), event_name="workflow_run")

    assert set(platform.comments) == {7} and "could not be read" not in only(platform)


def packed(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Return an archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    """Return an archive's entry that is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


HOSTILE_ARCHIVES = {
    "bomb": packed(("check-code.json", bytes(client.LARGEST + 1))),
    "many-bombs": packed(*((f"{number}.json", bytes(10_000_000)) for number in range(50))),
    "symbolic-link": packed((link("check-code.json"), b"/etc/passwd")),
    "not-json": packed(("check-code.json", b"::set-output name=passed::true")),
    "nested": packed(("check-code.json", b"[" * 200_000)),
    "no-archive": b"<html>",
    "another-stage": packed(("check-code.json", json.dumps(reports.document("validate-data")).encode())),
}


@pytest.mark.parametrize("content", HOSTILE_ARCHIVES.values(), ids=HOSTILE_ARCHIVES)
def test_workflow_run__hostile_artifact(platform: Platform, tmp_path: Path, content: bytes) -> None:
    """An artifact that is a bomb, a link, no report or that of another stage is shown as unreadable: never a pass."""
    platform.pulls = [pull(7, source=FORK)]
    platform.leave(50, {"check-code": b"", "evaluate-model": reports.document("evaluate-model")})
    platform.archives[1] = content

    code, said = say(platform, tmp_path, event=ended(None), event_name="workflow_run")

    assert code == 0 and set(platform.comments) == {7}, said
    assert "🛑 cd4ml error" in only(platform) and "🛑 check-code could not be read" in only(platform)
    assert "root:" not in only(platform) and "set-output" not in only(platform)


def test_workflow_run__artifact_stays_in_memory(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever path an artifact's file has, nothing of it is written to the disk."""
    (tmp_path / "deep" / "work").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "work")
    platform.pulls = [pull(7, source=FORK)]
    platform.leave(50, {"check-code": b""})
    platform.archives[1] = packed(("../../check-code.json", json.dumps(reports.document("check-code")).encode()))

    say(platform, tmp_path, event=ended(None), event_name="workflow_run")

    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert "✅ cd4ml passed" in only(platform) and written == {"event.json", "output"}


def test_thousand_checks_with_hostile_names(platform: Platform, tmp_path: Path) -> None:
    """A thousand checks of hostile names fit into what the platform takes; how many are left out is said, nobody is
    mentioned, no issue is closed, and the marks that the comment is found by are its own."""
    name = "@octocat fixes #1 <!-- /cd4ml:cd4ml --> --> [x](http://evil.example) ![i](y) <img src=x> owner/model#2 GH-3"
    checks = [
        {
            "id": f"drift:{name}{number}",
            "status": "failed",
            "message": f"{name} moved.",
            "advice": f"Fixes #{number}",
            "value": 0.5,
            "limit": 0.1,
        }
        for number in range(1000)
    ]
    reports.write(tmp_path / "reports", "evaluate-model", status="failed", checks=checks, summary=name)

    for run in (1, 2):
        assert say(platform, tmp_path, "--post", "always", run=run)[0] == 0

    text = only(platform)
    assert len(text.encode("utf-16-le")) // 2 <= 65_536 and "more findings in the report" in text
    assert text.count("<!--") == text.count("-->") == 3
    assert not re.search(r"@octocat|#1|\]\(http://evil|!\[|<img|owner/model#2|GH-3", text)


@pytest.mark.parametrize("event", [{}, {"workflow_run": None}, {"workflow_run": {"event": "pull_request"}}, [1]])
def test_workflow_run__another_form(platform: Platform, tmp_path: Path, event: Any) -> None:
    """An event that is not described as the platform does leads to no comment."""
    assert say(platform, tmp_path, event=event, event_name="workflow_run")[0] == 0
    assert platform.calls == []


@pytest.mark.parametrize("conclusion", ["failure", "timed_out"])
def test_workflow_run__red_though_no_report_blocks(platform: Platform, tmp_path: Path, conclusion: str) -> None:
    """A run that did not succeed is not shown as a pass, though every report that it left says so."""
    platform.pulls = [pull(7, source=FORK)]
    platform.leave(50, {"check-code": reports.document("check-code")})

    say(platform, tmp_path, event=ended(None, conclusion=conclusion), event_name="workflow_run")

    assert "⚠️ cd4ml passed, but the run did not" in only(platform) and "✅ cd4ml" not in only(platform)
    assert f"ended as *{conclusion.replace('_', ' ')}*" in only(platform)


def test_workflow_run__what_the_run_itself_said_stays(platform: Platform, tmp_path: Path) -> None:
    """Of a run that could comment itself, its own part stays: it knew which stages had to run."""
    platform.pulls = [pull(7)]
    platform.leave(50, {"check-code": reports.document("check-code")})
    reports.write(tmp_path / "reports", "check-code")
    say(platform, tmp_path, "--planned", "check-code,validate-data", run=50)
    before = only(platform)

    code, said = say(platform, tmp_path, event=ended(7, source=REPOSITORY), event_name="workflow_run")

    assert code == 0 and only(platform) == before and "validate-data did not run" in before
    assert platform.written == ["POST issues/7/comments"]


def test_workflow_run__of_a_push(platform: Platform, tmp_path: Path) -> None:
    """The end of a run that no pull request started is nothing to comment on."""
    say(platform, tmp_path, event=ended(7, event="push"), event_name="workflow_run")

    assert platform.calls == []


def test_secrets__not_posted(platform: Platform, tmp_path: Path) -> None:
    """A secret that stands in a report does not get into the comment."""
    reports.write(tmp_path / "reports", "check-code", summary="uses hunter2-hunter2 and postgres://a:b@host/db")
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": pull(7)}))
    environ = {
        "GITHUB_API_URL": platform.address,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_RUN_ID": "1",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/ci.yml@x",
        "CD4ML_GITHUB_TOKEN": "t0ken",
    }
    redactor = Redactor.of({**environ, "MY_PASSWORD": "hunter2-hunter2"})
    out = io.StringIO()

    comment.run(
        ["--reports", str(tmp_path / "reports")], Door(environ=environ, stdout=out, stderr=out, redactor=redactor)
    )

    assert "hunter2" not in only(platform) and "postgres" in only(platform) and "a&#58;b" not in only(platform)
