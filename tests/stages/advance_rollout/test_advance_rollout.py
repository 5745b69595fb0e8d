"""advance-rollout: a verdict leads to one step at most, and a person's change goes first."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.digests import file_sha256, folder_sha256
from cd4ml.errors import UnavailableError
from cd4ml.evidence.bundles import bundle_path
from cd4ml.evidence.key_signer import key_signer
from cd4ml.evidence.result import result_statement
from cd4ml.evidence.statement import Statement
from cd4ml.gitops.manifest import Manifest, State
from cd4ml.report.reading import read_file
from cd4ml.stages import ANALYSIS, about
from tests.conftest import Run
from tests.evidence.keys import pair
from tests.evidence.test_forged import other_key
from tests.gitops.conftest import GitOps, git
from tests.gitops.test_manifest import A
from tests.registries import new_store, register
from tests.stages.advance_rollout.conftest import MODEL, NEW, Rollout


def told(run: Run) -> tuple[int, str, str | None]:
    """Return how a run ended: its code, what it did, and the reason of the check that decided."""
    reasons = [check.get("reason") for check in run.report["checks"] if check["status"] != "passed"]
    return run.code, run.report["outputs"].get("action", ""), reasons[0] if reasons else None


def test_passed__all_the_way(rollout: Rollout) -> None:
    """On passing reports the canary goes 1, 5, 10, 50 % and becomes the stable image; then there is nothing to do."""
    rollout.deploy()

    weights = []
    for _ in range(4):
        rollout.analyze()
        run = rollout.advance()
        assert run.code == 0, run.report
        weights.append((run.report["outputs"]["action"], rollout.weight))

    assert weights == [("advanced", 5), ("advanced", 10), ("advanced", 50), ("promoted", 0)]
    assert Manifest(rollout.gitops.read()).state == State(stable=NEW.digest, canary=None, weight=0)
    rollout.analyze()
    assert told(rollout.advance()) == (0, "none", None)


def test_step__says_what_it_rests_on(rollout: Rollout) -> None:
    """The commit names canary, weight, stable image and the report's digest; the report says what the file gives."""
    rollout.deploy()
    rollout.analyze()

    run = rollout.advance()

    lines = rollout.said.splitlines()
    assert lines[:3] == [f"Advance canary {'b' * 12} to 5 %", "", "The analysis passed at 1 %: the canary gets 5 %."]
    assert [line.partition(":")[0] for line in lines[4:] if line] == [
        "Cd4ml-Advanced",
        "Cd4ml-Canary-Weight",
        "Cd4ml-Beside",
        "Cd4ml-Analysis",
        "Cd4ml-Manifest",
    ]
    assert f"gives {NEW} 5 % of the traffic as canary" in run.report["summary"]
    assert run.report["plan"] == ["The analysis passed at 1 %: the canary gets 5 %."]
    assert run.report["outputs"]["commit"] == rollout.gitops.head()


def test_failed__rolled_back(rollout: Rollout) -> None:
    """A failed report takes the canary back at once, says why in the commit, and the deployment is not repeated."""
    rollout.deploy(ago=0)
    rollout.analyze("failed")

    run = rollout.advance("--minimum-minutes", "60")

    assert told(run) == (0, "rolled-back", None)
    assert Manifest(rollout.gitops.read()).state == State(stable=A, canary=None, weight=0)
    assert f"Cd4ml-Rolled-Back: {NEW}" in rollout.said and "4.1 % of the canary's requests failed" in rollout.said


def test_inconclusive__waits(rollout: Rollout) -> None:
    """An inconclusive report commits nothing and says for how long nothing was decided; --on-inconclusive warn is 0."""
    rollout.deploy(ago=7200)
    head = rollout.gitops.head()
    rollout.analyze("inconclusive")

    run = rollout.advance()

    assert told(run) == (4, "waits", "undecided")
    assert "has lasted 2.0 hours without a verdict. 312 more requests are needed." in run.report["summary"]
    assert (rollout.advance("--on-inconclusive", "warn").code, rollout.gitops.head()) == (0, head)


@pytest.mark.parametrize(("on_timeout", "expected"), [("fail", (1, "held")), ("rollback", (0, "rolled-back"))])
def test_inconclusive_for_too_long(rollout: Rollout, on_timeout: str, expected: tuple[int, str]) -> None:
    """A step that lasts too long without a verdict calls people, or ends the canary where that is asked for."""
    rollout.deploy(ago=7200)
    rollout.analyze("inconclusive")

    run = rollout.advance("--maximum-minutes", "60", "--on-timeout", on_timeout)

    assert told(run)[:2] == expected
    assert rollout.weight == (1 if on_timeout == "fail" else 0)


def test_minimum_time_of_a_step(rollout: Rollout) -> None:
    """A report that was made before the step had lasted its time takes no next step; a later one does."""
    rollout.deploy(ago=540)
    rollout.analyze()
    assert told(rollout.advance("--minimum-minutes", "10")) == (4, "waits", "too-early")
    assert rollout.weight == 1

    rollout.analyze()
    assert told(rollout.advance("--minimum-minutes", "9"))[:2] == (0, "advanced")


def test_same_report__acts_once(rollout: Rollout) -> None:
    """Repeating a run changes nothing, whatever happened: one report leads to one commit."""
    rollout.deploy()
    rollout.analyze()
    rollout.advance()
    head = rollout.gitops.head()

    assert told(rollout.advance()) == (0, "none", None)
    assert (rollout.gitops.head(), rollout.weight) == (head, 5)


def test_last_step_below_100__a_person_promotes(rollout: Rollout) -> None:
    """Where the steps end below 100, the canary stays there and is said to be ready."""
    rollout.deploy(10)
    rollout.analyze()

    run = rollout.advance("--steps", "1,10")

    assert told(run) == (0, "ready", None)
    assert (rollout.weight, rollout.stable) == (10, A)
    assert "promote it with promote-model" in run.report["summary"]


@pytest.mark.parametrize("status", ["passed", "failed"])
def test_changed_by_hand__stops(rollout: Rollout, status: str) -> None:
    """Once a person changed the weight, no verdict is carried out, and the reason is said."""
    rollout.deploy()
    rollout.commit("By hand", rollout.gitops.read().replace("weight: 1", "weight: 20"))
    head = rollout.gitops.head()
    rollout.analyze(status)

    run = rollout.advance()

    assert told(run) == (1, "held", "changed-by-hand")
    assert "the canary's weight is 20, and cd4ml's last commit" in run.report["summary"]
    assert "resume: true" in run.report["checks"][0]["advice"]
    assert rollout.gitops.head() == head


def test_resume__goes_on_from_what_a_person_set(rollout: Rollout) -> None:
    """With resume the next step follows the weight that was set by hand, and later runs need it no more."""
    rollout.deploy()
    rollout.commit("By hand", rollout.gitops.read().replace("weight: 1", "weight: 20"))
    rollout.analyze()
    assert rollout.advance().code == 1

    assert told(rollout.advance("--resume"))[:2] == (0, "advanced")
    assert rollout.weight == 50
    rollout.analyze()
    assert told(rollout.advance())[:2] == (0, "promoted")


def test_set_back_by_hand__goes_on(rollout: Rollout) -> None:
    """A person who sets the weight back hands the canary back."""
    rollout.deploy()
    text = rollout.gitops.read()
    rollout.commit("Pause", text.replace("weight: 1", "weight: 0"))
    rollout.analyze()
    assert rollout.advance().code == 1

    rollout.commit("Go on", text)

    assert told(rollout.advance())[:2] == (0, "advanced")


def test_taken_away_by_hand__stays_away(rollout: Rollout) -> None:
    """A canary that a person switched off, or put there past cd4ml, is none of the automation's."""
    rollout.deploy()
    rollout.commit("Off", Manifest(rollout.gitops.read()).without_canary())
    rollout.analyze()
    assert told(rollout.advance()) == (0, "none", None)

    rollout.commit("On", Manifest(rollout.gitops.read()).with_canary(NEW, 30))
    assert told(rollout.advance()) == (1, "held", "changed-by-hand")


def test_other_changes_of_the_file__stay(rollout: Rollout) -> None:
    """What a person changes beside the rollout does not stop it, and stays."""
    rollout.deploy()
    rollout.commit("More memory", rollout.gitops.read() + "replicas: 3\n")
    rollout.analyze()

    assert told(rollout.advance())[:2] == (0, "advanced")
    assert rollout.gitops.read().endswith("replicas: 3\n")


def test_foreign_report__refused(rollout: Rollout) -> None:
    """A report on another model than the canary's leads to nothing, even if it failed."""
    rollout.deploy()
    head = rollout.gitops.head()
    rollout.analyze("failed", model="d" * 64)

    assert told(rollout.advance()) == (1, "held", "other-model")
    assert rollout.gitops.head() == head


def test_unreadable_report__refused(rollout: Rollout) -> None:
    """Without a report that can be read strictly nothing is done, and the run is an error."""
    rollout.deploy()
    head = rollout.gitops.head()
    rollout.analyze().unlink()

    run = rollout.advance()

    assert (run.code, run.report["status"], rollout.gitops.head()) == (3, "error", head)


def test_who_can_write_a_report_promotes_nothing(rollout: Rollout) -> None:
    """Where signatures are demanded, a report counts with its own bundle alone: unsigned, changed, signed by another
    key, or an old one without its bundle again, it moves neither the canary nor an alias."""
    keys = pair(rollout.folder)
    own, demand = key_signer(keys.private.read_bytes(), None, name="key").sign, ("--public-key", str(keys.public))
    rollout.deploy(50)
    head = rollout.gitops.head()
    path = rollout.analyze()
    assert told(rollout.advance(*demand)) == (1, "held", "unsigned")
    sign(path, other_key)
    assert told(rollout.advance(*demand))[:2] == (1, "held")
    sign(path, own)
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    assert told(rollout.advance(*demand)) == (1, "held", "changed-report")
    assert rollout.gitops.head() == head

    sign(path, own)
    run = rollout.advance(*demand)
    assert told(run) == (0, "promoted", None) and "signed by key " in run.report["checks"][-2]["message"]
    bundle_path(path).unlink()
    assert told(rollout.advance(*demand)) == (1, "held", "unsigned")


def sign(path: Path, by: Callable[[Statement], bytes]) -> None:
    """Sign a report of analyze-rollout as its stage does."""
    published, now = read_file(path, ANALYSIS), datetime.datetime.now(datetime.UTC)
    statement = result_statement(published, of=about(ANALYSIS), at=now, report=file_sha256(path))
    bundle_path(path).write_bytes(by(statement))


def test_look__says_what_runs(rollout: Rollout) -> None:
    """A look names canary, model, weight and time without a report, and the absence of a canary."""
    nothing = rollout.advance("--look")
    assert (nothing.code, nothing.report["outputs"]["canary"]) == (0, "")

    rollout.deploy()
    head = rollout.gitops.head()
    run = rollout.advance("--look")

    outputs = run.report["outputs"]
    assert (run.code, rollout.gitops.head()) == (0, head)
    assert (outputs["canary"], outputs["model"], outputs["weight"]) == (str(NEW), MODEL, "1")
    assert outputs["since"].endswith("Z") and run.report["plan"] == []


def test_engine__does_its_own_steps(rollout: Rollout) -> None:
    """Where Argo Rollouts or Flagger moves the canary, the stage refuses to interfere, and says where to go."""
    rollout.deploy()
    rollout.commit("Engine", rollout.gitops.read() + "rollout: {engine: argo-rollouts}\n")
    rollout.analyze()

    run = rollout.advance()

    assert run.code == 2
    assert "over to the steps of argo-rollouts (rollout.engine)" in run.report["summary"]


def test_replicas__no_weights(rollout: Rollout) -> None:
    """Where nothing splits the traffic by weight, no step could be made."""
    text = rollout.gitops.read() + "replicas: 99\nhttpRoute: {enabled: false}\n"
    rollout.commit("No route", text)
    rollout.deploy(10)
    rollout.analyze()

    run = rollout.advance()

    assert run.code == 2 and "nothing splits the traffic by weight" in run.report["summary"]


def test_lost_race__decided_again(rollout: Rollout, gitops: GitOps) -> None:
    """A person's change that lands between decision and push is found by the second attempt, which stands back."""
    rollout.deploy()
    rollout.analyze()
    work = rollout.folder / "faster"
    git(rollout.folder, "clone", "--quiet", str(gitops.bare), str(work))
    (work / "credit" / "values.yaml").write_text(gitops.read().replace("weight: 1", "weight: 20"))
    git(work, "commit", "--quiet", "--all", "--message", "Faster")
    git(work, "push", "--quiet", "origin", "HEAD:refs/heads/waiting")
    faster = git(work, "rev-parse", "HEAD").strip()
    hook = gitops.bare / "hooks" / "pre-receive"
    hook.write_text(f'#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {faster}\nrm -- "$0"\n')
    hook.chmod(0o755)

    run = rollout.advance()

    assert told(run) == (1, "held", "changed-by-hand")
    assert (gitops.head(), rollout.weight) == (faster, 20)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a registry whose champion is the first of two versions of `credit`, and the second one's digest."""
    folder = tmp_path_factory.mktemp("registry")
    for number in (1, 2):
        (folder / f"model-{number}").mkdir()
        (folder / f"model-{number}" / "MLmodel").write_text(f"flavors: {{}}\nmodel_uuid: {number}\n")
    uri = new_store(folder)
    register(uri, "credit", [folder / "model-1", folder / "model-2"], aliases={"champion": "1"})
    return uri, folder_sha256(folder / "model-2")


def champion(uri: str) -> str:
    """Return the version that the alias points at."""
    import mlflow

    found = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri).get_model_version_by_alias("credit", "champion")
    return str(found.version)


def test_promotion__moves_the_alias_and_is_finished_if_cut_off(
    rollout: Rollout, registry: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step moves the alias to the version that was deployed; cut off before that, repeating the run moves it,
    and commits nothing more."""
    uri, digest = registry
    judged = "Cd4ml-Baseline: models:/credit@champion\nCd4ml-Baseline-Version: 1\nCd4ml-Candidate-Version: 2\n"
    rollout.deploy(50, model=digest, more=judged)
    rollout.analyze(model=digest)
    named = ["--registered-model", "credit", "--tracking-uri", uri]
    with monkeypatch.context() as patch:
        patch.setattr("cd4ml.stages.advance_rollout.run.move_alias", _cut_off)
        assert rollout.advance(*named).code == 3
    head = rollout.gitops.head()
    assert (rollout.stable, champion(uri)) == (NEW.digest, "1")
    assert "Cd4ml-Version: 2\nCd4ml-Previous-Version: 1\nCd4ml-Previous-Image: " in rollout.said

    run = rollout.advance(*named)

    assert told(run) == (0, "none", None)
    assert (rollout.gitops.head(), champion(uri)) == (head, "2")


def _cut_off(*_given: object, **_named: object) -> None:
    """End the run, as a registry that is gone does."""
    raise UnavailableError("cut off")


def test_promotion__refused_as_promote_model_would(rollout: Rollout) -> None:
    """Where the deployment names no version nothing moves; nor where it cannot be seen whether production moved."""
    rollout.deploy(50)
    rollout.analyze()
    run = rollout.advance("--registered-model", "credit")
    assert run.code == 2 and "which version of credit the canary is" in run.report["summary"]

    rollout.commit("Off", Manifest(rollout.gitops.read()).without_canary())
    rollout.deploy(50, more="Cd4ml-Baseline: models:/credit@champion\nCd4ml-Baseline-Version: 7\n")
    head = rollout.gitops.head()
    rollout.analyze()

    assert told(rollout.advance())[:2] == (4, "held")
    assert (rollout.gitops.head(), rollout.stable) == (head, A)
