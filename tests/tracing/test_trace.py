"""`cd4ml trace`: every kind of subject, every source, what does not fit together, and texts that are only texts."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cd4ml.published import TRACE_SCHEMA
from tests.conftest import ROOT
from tests.generated.test_generated import problems
from tests.gitops.conftest import IMAGE, MODEL, git
from tests.tracing.conftest import DIGEST, LOCK, Delivered, labels, looked, store, values


def said(delivered: Delivered, title: str, **trailers: str) -> None:
    """Commit to the manifest with trailers."""
    lines = "".join(f"Cd4ml-{name.replace('_', '-')}: {value}\n" for name, value in trailers.items())
    message = f"{title}\n\n{lines}Cd4ml-Manifest: credit/values.yaml\n"
    delivered.gitops.commit(message, {"credit/values.yaml": f"{delivered.gitops.read()}\n"})


@pytest.mark.parametrize("subject", [IMAGE, DIGEST, MODEL, f"sha256:{MODEL}", "COMMIT", "SHORT", "models:/credit/1"])
def test_every_kind_of_subject__leads_to_one_story(delivered: Delivered, subject: str) -> None:
    """An image by name or digest, a model by digest or version, a commit in full or short: all tell the same story."""
    subject = {"COMMIT": delivered.commit, "SHORT": delivered.commit[:9]}.get(subject, subject)

    story = delivered.trace(subject)

    assert (story["status"], story["contradictions"]) == ("passed", [])
    assert values(story, "image", "digest") == [DIGEST]
    assert values(story, "model", "sha256") == [MODEL]
    assert values(story, "code", "commit") == [delivered.commit]
    assert values(story, "dependencies", "lock of the image") == [f"sha256:{LOCK}"]
    assert "10 %" in values(story, "delivery", "the manifest gives it")[0]
    assert problems("trace.v1.schema.json", story) == []
    assert story["$schema"] == TRACE_SCHEMA


def test_alias_and_folder__are_subjects_too(delivered: Delivered) -> None:
    """An alias means the version that it points at now, and a model's folder the model that it holds."""
    registry = store(delivered.folder / "mlflow.db", {"cd4ml.model-digest": f"sha256:{MODEL}"})
    story = delivered.trace("models:/credit@champion", "--tracking-uri", registry)
    assert values(story, "image", "digest") == [DIGEST]
    assert values(story, "model", "aliases now") == ["champion"]

    (delivered.folder / "other").mkdir()
    (delivered.folder / "other" / "MLmodel").write_text("flavors: {}\n")
    assert delivered.trace("other", code=4)["kind"] == "model"


def test_verdicts_have_their_numbers(delivered: Delivered) -> None:
    """Every verdict is told with value, limit, interval and rows, as text and in the JSON."""
    (verdict,) = [one for one in delivered.trace(DIGEST)["verdicts"] if one["stage"] == "evaluate-model"]
    (check,) = verdict["checks"]
    assert (check["value"], check["limit"], check["n"], check["interval"]["lower"]) == (0.9158, 0.88, 796, 0.8945)

    run = delivered.command("trace", DIGEST, *delivered.place)
    assert "0.9158  ≥ 0.8800  [0.8945 to 0.9332, 0.95]  n 796" in run.stdout


def test_who_approved__is_the_author_of_the_promotion(delivered: Delivered) -> None:
    """The story names who promoted, when, by which commit, and whether that is signed; the newest comes first."""
    said(delivered, "Promote bbbb", Promoted=IMAGE, Version="1")

    promoted, deployed = delivered.trace(DIGEST)["events"]

    assert (promoted["kind"], promoted["author"]) == ("promoted", "test <test@localhost>")
    assert (promoted["commit"], promoted["signature"]) == (delivered.gitops.head(), "not signed")
    assert (deployed["kind"], deployed["trailers"]["Cd4ml-Source"]) == ("deployed", delivered.commit)


def test_broken_signature__is_no_signature(
    delivered: Delivered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed promotion is told as signed; once somebody changed the commit, its signature is an error."""
    key, config, commit = tmp_path / "key", tmp_path / "config", tmp_path / "commit"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    (tmp_path / "signers").write_text(f"test@localhost {key.with_suffix('.pub').read_text()}")
    config.write_text(f'[gpg "ssh"]\n\tallowedSignersFile = {tmp_path / "signers"}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    said(delivered, "Promote bbbb", Promoted=IMAGE, Version="1")
    work = delivered.gitops.work
    options = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    git(work, *options, "commit", "--quiet", "--amend", "--no-edit", "--gpg-sign")
    git(work, "push", "--quiet", "--force", "origin", "HEAD:main")

    promoted = delivered.trace(DIGEST)["events"][0]
    assert promoted["signature"] == "signed, valid (test@localhost)"

    commit.write_text(git(work, "cat-file", "commit", "HEAD").replace("Promote bbbb", "Promote cccc"))
    changed = git(work, "hash-object", "-t", "commit", "-w", str(commit)).strip()
    git(work, "push", "--quiet", "--force", "origin", f"{changed}:main")

    story = delivered.trace(DIGEST, code=1)
    assert story["events"][0]["signature"] == "signed, and the signature is NOT valid"
    assert f"GitOps commit {changed[:12]}: signed, and the signature is NOT valid" in story["contradictions"]


def test_rewritten_branch__the_ledger_remembers(delivered: Delivered) -> None:
    """A deployment that the branch has forgotten is told from the ledger, and that it is gone from the branch."""
    git(delivered.gitops.bare, "update-ref", "refs/heads/main", "main~1")

    story = delivered.trace(DIGEST)

    (event,) = story["events"]
    assert (event["kind"], event["author"]) == ("deployed", None) and "ledger" in event["signature"]
    assert "the manifest does not name this image now" in story["notices"]


@pytest.mark.parametrize(
    ("stage", "key", "value", "words"),
    [
        ("evaluate-model", "candidate", {"uri": "models:/credit/1", "sha256": "9" * 64}, "model, sha256"),
        ("check-code", "source", {"git_sha": "8" * 40, "modified": []}, "code, commit"),
        ("build-image", "details", {"labels": labels("7" * 40)}, "code, commit"),
        ("build-image", "details", {"labels": {"io.cd4ml.model.sha256": "6" * 64}}, "model, sha256"),
        ("score-model", "inputs", [{"name": "t", "path": "data/test.csv", "sha256": "5" * 64}], "data/test.csv"),
    ],
)
def test_sources_that_disagree__are_shown(delivered: Delivered, stage: str, key: str, value: Any, words: str) -> None:
    """What one report says otherwise than the others, or than the labels, is a contradiction with exit code 1."""
    inputs = [{"name": "t", "path": "data/test.csv", "sha256": "4" * 64}]
    delivered.report("validate-data", lambda document: document.update(inputs=inputs if key == "inputs" else []))
    delivered.report(stage, lambda document: document.update({key: value}))

    story = delivered.trace(IMAGE, code=1)

    assert story["status"] == "failed"
    assert any(words in one for one in story["contradictions"]), story["contradictions"]


def test_gitops_says_another_model__is_shown(delivered: Delivered) -> None:
    """A commit that deployed the image as another model than the reports do is a contradiction, in every format."""
    said(delivered, "Deploy", Image=IMAGE, Model=f"sha256:{'9' * 64}")

    assert set(values(delivered.trace(DIGEST, code=1), "model", "sha256")) == {"9" * 64, MODEL}
    run = delivered.command("trace", DIGEST, *delivered.place, "--html", "trace.html")
    assert run.code == 1 and "does not fit together" in run.stdout
    assert "9" * 64 in (delivered.folder / "trace.html").read_text()


def test_tags_of_the_version__count_for_their_image(delivered: Delivered) -> None:
    """Tags about this image must agree with the rest; tags about another image of the same version are only noted."""
    tags = {"cd4ml.model-digest": f"sha256:{MODEL}", "cd4ml.image": IMAGE, "cd4ml.commit": delivered.commit}
    agrees = store(delivered.folder / "a.db", {**tags, "cd4ml.lock-digest": f"sha256:{LOCK}"})
    assert looked(delivered.trace(DIGEST, "--tracking-uri", agrees), "model-registry") == "read"

    differs = store(delivered.folder / "b.db", {**tags, "cd4ml.commit": "1" * 40})
    assert "code, commit" in str(delivered.trace(DIGEST, "--tracking-uri", differs, code=1)["contradictions"])

    other = f"ghcr.io/owner/credit@sha256:{'3' * 64}"
    rebuilt = store(delivered.folder / "c.db", {**tags, "cd4ml.image": other, "cd4ml.commit": "1" * 40})
    story = delivered.trace(DIGEST, "--tracking-uri", rebuilt)
    assert any(other in notice for notice in story["notices"])


def test_data__compared_with_what_is_here(delivered: Delivered) -> None:
    """A table that changed is worth knowing; one that a DVC pointer of this commit pins to other data is an error."""
    table = delivered.folder / "data" / "test.csv"
    table.write_text("age,approved\n31,0\n")
    assert any("data/test.csv has sha256:" in one for one in delivered.trace(DIGEST)["notices"])

    import hashlib

    md5 = hashlib.md5(table.read_bytes(), usedforsecurity=False).hexdigest()
    (delivered.folder / "data" / "test.csv.dvc").write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: test.csv\n")
    assert "pins it" in str(delivered.trace(DIGEST, code=1)["contradictions"])

    table.unlink()
    assert any("not compared" in one for one in delivered.trace(DIGEST)["notices"])


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        (["--repository", "nowhere"], "gitops"),
        (["--manifest", "nowhere.yaml"], "gitops"),
        (["--reports", "nowhere"], "reports"),
        (["--layout", "data"], "layout"),
        (["--tracking-uri", "sqlite:///nowhere.db"], "model-registry"),
        (["--tracking-uri", "sqlite:///data/test.csv"], "model-registry"),
        (["--tracking-uri", "http://127.0.0.1:9", "--remote"], "model-registry"),
    ],
)
def test_source_that_cannot_be_read__is_named(delivered: Delivered, arguments: list[str], source: str) -> None:
    """A source that was named and cannot be read ends the command with exit code 3, after the rest is told."""
    story = delivered.trace(DIGEST if source == "reports" else MODEL, *arguments, code=3)

    assert (story["status"], looked(story, source)) == ("error", "unreachable")
    assert values(story, "model", "sha256") == [MODEL]


def test_damaged_report__is_named(delivered: Delivered) -> None:
    """A report that cannot be read could say otherwise: it is a contradiction, and never left out."""
    (delivered.folder / "reports" / "audit-fairness.json").write_text("{")

    assert "audit-fairness" in str(delivered.trace(DIGEST, code=1)["contradictions"])


def test_sources_that_nobody_named__are_listed(delivered: Delivered) -> None:
    """What was not looked at is listed with the reason: the network is not used unless that is asked for."""
    run = delivered.command("trace", DIGEST, "--repository", "https://git.invalid/x.git", "--manifest", "v.yaml")

    assert run.code == 0
    assert re.search(r"gitops .*not looked at: .*--remote", run.stdout)
    assert re.search(r"image-registry .*not looked at: .*--remote", run.stdout)
    assert re.search(r"model-registry .*not looked at", run.stdout) and re.search(r"layout .*not looked at", run.stdout)


@pytest.mark.parametrize("address", ["databricks", "databricks-uc", "databricks:work", "uc:http://127.0.0.1:9"])
def test_registry_that_is_named_in_a_word__is_on_another_machine(delivered: Delivered, address: str) -> None:
    """Databricks and Unity Catalog look like folders and are servers: they are not asked without --remote."""
    story = delivered.trace("models:/credit/1", "--tracking-uri", address)

    (source,) = [one for one in story["sources"] if one["name"] == "model-registry"]
    assert source["looked"] == "not-asked" and "--remote" in source["message"]


@pytest.mark.parametrize("subject", ["sha256:" + "0" * 64, "0" * 64, "1234567", "models:/credit/77"])
def test_nothing_known__is_no_pass(delivered: Delivered, subject: str) -> None:
    """Of what no source knows, nothing is told, and the exit code is 4; sources say what they are about instead."""
    story = delivered.trace(subject, code=4)

    assert (story["status"], story["facts"]) == ("inconclusive", [])
    assert looked(story, "reports") == looked(story, "gitops") == "silent"


@pytest.mark.parametrize(
    "subject", ["", "A b", "../x", "ghcr.io/owner/credit", "https://x.invalid/y", "models:/a/Production"]
)
def test_subject_of_no_form__is_refused(delivered: Delivered, subject: str) -> None:
    """A subject of no known form ends the command with exit code 2 and what can be named."""
    run = delivered.command("trace", subject)

    assert run.code == 2 and len(run.stderr.strip().splitlines()) <= 2


def test_tag__needs_its_registry(delivered: Delivered) -> None:
    """Which image a tag names only its registry knows, which is not asked unless --remote says so."""
    run = delivered.command("trace", "ghcr.io/owner/credit:latest")

    assert run.code == 2 and "--remote" in run.stderr


def test_same_origin__is_noted(delivered: Delivered) -> None:
    """Another image of the same model is noted, and none of what it says is mixed in."""
    other = f"ghcr.io/owner/credit@sha256:{'2' * 64}"
    said(delivered, "Deploy", Image=other, Model=f"sha256:{MODEL}", Source="1" * 40)

    story = delivered.trace(DIGEST)

    assert values(story, "code", "commit") == [delivered.commit]
    assert any(other in notice for notice in story["notices"])


HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e::error::x ##[group] https://u:p4ssw0rd@h.invalid/"


def test_hostile_texts__stay_texts(delivered: Delivered) -> None:
    """Whatever a report or a commit holds, no format shows markup, escape codes, commands of a runner or passwords."""
    check = {"id": "minimum:x", "status": "failed", "message": HOSTILE, "reason": "x"}
    delivered.report("evaluate-model", lambda document: document.update(checks=[check], status="failed"))
    said(delivered, HOSTILE, Image=IMAGE, Source=HOSTILE)

    run = delivered.command("trace", DIGEST, *delivered.place, "--html", "trace.html", "--verbose")
    told = delivered.command("trace", DIGEST, *delivered.place, "--json")

    page = (delivered.folder / "trace.html").read_text()
    assert (run.code, told.code) == (1, 1)
    assert "<script" not in page and "alert(1)" in page
    for text in (run.stdout, told.stdout, page):
        assert not {"\x1b", "\u202e"} & set(text) and "p4ssw0rd" not in text
        assert "::error" not in text and "##[" not in text


def test_page__is_not_written_over_others(delivered: Delivered) -> None:
    """The page takes the place of an earlier page, and of nothing else."""
    assert delivered.command("trace", DIGEST, "--html", "trace.html").code == 0
    assert delivered.command("trace", DIGEST, "--html", "trace.html").code == 0

    (delivered.folder / "mine.html").write_text("mine")
    assert delivered.command("trace", DIGEST, "--html", "mine.html").code == 2
    assert (delivered.folder / "mine.html").read_text() == "mine"


def test_configuration__says_where_the_repository_is(delivered: Delivered) -> None:
    """What cd4ml.yaml tells deploy-model holds for the story as well."""
    section = f"deploy-model:\n  repository: {delivered.gitops.bare}\n  manifest: credit/values.yaml\n"
    (delivered.folder / "cd4ml.yaml").write_text(section)

    run = delivered.command("trace", DIGEST, "--json")

    assert looked(json.loads(run.stdout), "gitops") == "read"


def test_page_of_the_documentation__its_example_works(delivered: Delivered, record_property: Any) -> None:
    """The command that docs/trace.md shows tells the story as it stands there, and writes the page."""
    text = (ROOT / "docs" / "trace.md").read_text()
    (line,) = re.findall(r"^\$ cd4ml (trace .*)$", text, re.M)
    store(delivered.folder / "mlflow.db", {"cd4ml.model-digest": f"sha256:{MODEL}"})
    (delivered.folder / "gitops.git").symlink_to(delivered.gitops.bare)
    started = time.monotonic()

    run = delivered.command(*line.replace("../gitops.git", "gitops.git").split())

    record_property("seconds", round(time.monotonic() - started, 2))  # under two where nothing else runs
    assert run.code == 0, run.stdout + run.stderr
    assert (delivered.folder / "trace.html").exists()
    assert Path("trace.html").name in line
