"""select-trial: selects only where every job of the plan left a journal that is whole and agrees with the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cd4ml.search import journals
from cd4ml.search.journals import TrialError, journal_name
from cd4ml.search.space import Value
from cd4ml.search.trials import Scores
from tests.conftest import Run
from tests.generated.test_generated import problems
from tests.search.planned import planned, scored, searched

Select = Callable[..., Run]


@pytest.fixture
def select(cd4ml: Callable[..., Run], tmp_path: Path) -> Select:
    """Run select-trial; a selection is there only if it passed, and every report meets the published schema."""

    def run(*arguments: str) -> Run:
        (tmp_path / "search").mkdir(exist_ok=True)
        found = cd4ml("select-trial", *arguments)
        assert problems("report.v1.schema.json", found.report) == []
        if found.report["status"] != "error":
            assert (tmp_path / "search" / "selected.json").exists() is (found.code == 0)
        assert bool(found.report["outputs"].get("selected")) is (found.code == 0)
        return found

    return run


def reasons(run: Run) -> dict[str, str]:
    """Return what did not pass, and why."""
    return {check["id"]: check["reason"] for check in run.report["checks"] if check["status"] != "passed"}


def test_whole__the_best_is_selected(select: Select, tmp_path: Path) -> None:
    """The parameters with the best mean are selected, with the digest of what was read; again, it is the same."""
    made = planned(trials=10)
    searched(tmp_path, made)
    run = select()
    again = select()

    trials = [trial for job in range(2) for trial in journals.read(tmp_path / "search" / journal_name(job)).trials]
    best = max(int(trial.parameters["depth"]) for trial in trials)
    selected = json.loads((tmp_path / "search" / "selected.json").read_text())
    assert run.code == again.code == 0 and selected["parameters"]["depth"] == best
    assert (selected["plan"], selected["search"]) == (made.sha256, run.report["outputs"]["search-sha256"])
    assert run.report["metrics"] == {"trials": 10, "cross-validated": best + 1, "nested": best + 1}
    assert again.report["outputs"] == run.report["outputs"]
    assert len({check["id"] for check in run.report["checks"]}) == 4


def test_minimize__the_least(select: Select, tmp_path: Path) -> None:
    """Where a smaller score is better, the least is selected."""
    searched(tmp_path, planned(trials=10, direction="minimize"))

    assert select().code == 0
    trials = [trial for job in range(2) for trial in journals.read(tmp_path / "search" / journal_name(job)).trials]
    selected = json.loads((tmp_path / "search" / "selected.json").read_text())
    assert selected["parameters"]["depth"] == min(int(trial.parameters["depth"]) for trial in trials)


def test_missing_journal__blocked(select: Select, tmp_path: Path) -> None:
    """A job of the matrix without a journal blocks, and so do no journals at all."""
    searched(tmp_path, planned(), 1)

    assert reasons(run := select()) == {"journal:0": "missing-journal", "trials": "too-few-trials"} and run.code == 1
    (tmp_path / "search" / journal_name(1)).unlink()
    assert reasons(run := select())["trials"] == "no-trials" and run.code == 1


def test_two_journals_of_one_job__blocked(select: Select, tmp_path: Path) -> None:
    """Two journals that say that they are of the same job contradict each other; what was selected before is gone."""
    searched(tmp_path, planned())
    assert select().code == 0
    shutil.copy(tmp_path / "search" / journal_name(0), tmp_path / "search" / journal_name(7))

    run = select()
    assert run.code == 1 and reasons(run)["journal:0"] == "contradiction"


def test_other_plan__blocked(select: Select, tmp_path: Path) -> None:
    """A journal of another plan, or of a job that was not planned, is not taken for one of this."""
    searched(tmp_path, planned(seed=3), 0)
    searched(tmp_path, planned(), 1)
    assert reasons(select()) == {"journal:0": "other-plan"}

    more = planned(jobs=3)
    journals.run(tmp_path / "search" / journal_name(2), more, 2, scored)
    assert reasons(select())[f"journal:{journal_name(2)}"] == "unplanned-job"


def test_cut_off__blocked(select: Select, tmp_path: Path) -> None:
    """A journal whose end is missing blocks."""
    searched(tmp_path, planned())
    path = tmp_path / "search" / journal_name(1)
    path.write_bytes(path.read_bytes()[:-30])

    run = select()
    assert run.code == 1 and reasons(run)[f"journal:{path.name}"] == "unreadable"


@pytest.mark.parametrize(
    ("worth", "reason"),
    [(float("nan"), "unfinished"), (float("inf"), "not-a-number")],
)
def test_not_a_number__blocked(select: Select, tmp_path: Path, worth: float, reason: str) -> None:
    """A score that is not a finite number blocks, whatever else was scored."""
    made = planned()
    searched(tmp_path, made, 0)
    path = tmp_path / "search" / journal_name(1)
    try:
        journals.run(path, made, 1, lambda parameters: scored(parameters, worth))
    except ValueError:  # Optuna itself refuses it, and leaves the trial unfinished
        pass

    run = select()
    assert run.code == 1 and reasons(run)["trial:1:0"] in (reason, "not-a-number")


def test_failed_trial__blocked(select: Select, tmp_path: Path) -> None:
    """One trial that raised blocks, however well the others did."""

    def attempt(parameters: Mapping[str, Value]) -> Scores:
        if (tmp_path / "once").exists():
            return scored(parameters)
        (tmp_path / "once").touch()
        raise TrialError("training:score raised ValueError", reason="training-failed")

    made = planned()
    searched(tmp_path, made, 0)
    journals.run(tmp_path / "search" / journal_name(1), made, 1, attempt)

    run = select()
    assert run.code == 1 and reasons(run) == {"trial:1:0": "training-failed", "trials": "too-few-trials"}


def test_out_of_time__inconclusive(select: Select, tmp_path: Path) -> None:
    """A job whose time was up decides nothing: the verdict is open, and blocks."""

    def attempt(parameters: Mapping[str, Value]) -> Scores:
        raise TrialError("the job's share of search-seconds is spent", reason="out-of-time", last=True)

    made = planned()
    searched(tmp_path, made, 0)
    journals.run(tmp_path / "search" / journal_name(1), made, 1, attempt)

    run = select()
    assert run.code == 4 and set(reasons(run).values()) == {"out-of-time"}


def test_fewer_than_asked__blocked(select: Select, tmp_path: Path) -> None:
    """Journals with fewer trials than the plan has, or with more, are not enough."""
    searched(tmp_path, planned())
    for trials in (6, 2):
        other = planned(trials=trials)
        (tmp_path / "search" / "plan.json").write_text(other.text)
        for job in range(2):
            path = tmp_path / "search" / journal_name(job)
            path.write_text(path.read_text().replace(planned().sha256, other.sha256))
        assert "trials" in reasons(run := select()) and run.code == 1
        searched(tmp_path, planned())


def test_contradiction__blocked_unless_tolerated(select: Select, tmp_path: Path) -> None:
    """The same parameters with other scores contradict each other, but for a difference that is allowed."""
    from cd4ml.search.space import parameters

    made = planned(space=parameters({"depth": "1 | 2"}), trials=8)
    searched(tmp_path, made, 0)
    journals.run(tmp_path / "search" / journal_name(1), made, 1, lambda p: scored(p, float(p["depth"]) + 0.25))

    run = select()
    assert run.code == 1 and reasons(run) == {"agreement": "contradiction"}
    assert select("--score-tolerance", "0.5").code == 0


def test_changed_score__blocked(select: Select, tmp_path: Path) -> None:
    """A journal in which a trial's value is not the mean of its folds is not believed."""
    searched(tmp_path, planned())
    path = tmp_path / "search" / journal_name(0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line.get("values"):
            line["values"] = [99.0]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    assert reasons(select())[f"journal:{path.name}"] == "unreadable"


@pytest.mark.parametrize("arguments", [["--score-tolerance", "-1"], ["--search-plan", "none.json"]])
def test_wrong__an_error(select: Select, arguments: list[str]) -> None:
    """A tolerance below 0, or no plan, is an error and no verdict."""
    assert select(*arguments).report["status"] == "error"
