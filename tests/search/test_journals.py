"""Journals of Optuna: what was scored is read again, and Optuna's own tools open what is put together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest

from cd4ml.search import journals
from cd4ml.search.journals import JournalError, TrialError
from cd4ml.search.space import Value
from cd4ml.search.trials import Scores
from tests.search.planned import planned, scored


def test_run__read_again(tmp_path: Path) -> None:
    """A job's trials are in its journal with their scores, within the space, and its seed makes them the same again."""
    plan = planned(trials=24, jobs=2)
    first = journals.run(tmp_path / "a.log", plan, 1, scored)
    again = journals.run(tmp_path / "b.log", plan, 1, scored)
    found = journals.read(tmp_path / "a.log")

    assert (found.plan, found.job, list(found.trials)) == (plan.sha256, 1, first)
    assert first == again and len(first) == 12
    assert all(one.has(trial.parameters[one.name]) for trial in first for one in plan.space)
    assert first != [*journals.run(tmp_path / "c.log", plan, 0, scored)]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_tpe__follows_the_scores(tmp_path: Path, direction: str) -> None:
    """What Optuna proposes gets better as it learns, in the direction that is asked for."""
    plan = planned(trials=60, jobs=1, direction=direction)
    trials = journals.run(tmp_path / "a.log", plan, 0, scored)

    depths = [int(trial.parameters["depth"]) for trial in trials]
    late, early = sum(depths[-20:]) / 20, sum(depths[:10]) / 10
    assert (late > early) == (direction == "maximize") and abs(late - early) > 1


def test_failed__kept_with_its_reason(tmp_path: Path) -> None:
    """A trial that failed is in the journal with its reason, and one that says so is the last."""

    def attempt(parameters: Mapping[str, Value]) -> Scores:
        raise TrialError("the sky fell", reason="training-failed", last=len(list(tmp_path.iterdir())) > 1)

    plan = planned(trials=3, jobs=1)
    journals.run(tmp_path / "a.log", plan, 0, attempt)
    (tmp_path / "more").mkdir()
    journals.run(tmp_path / "b.log", plan, 0, attempt)

    first, second = journals.read(tmp_path / "a.log"), journals.read(tmp_path / "b.log")
    assert [(one.reason, one.problem, one.scores) for one in first.trials] == [
        ("training-failed", "the sky fell", None)
    ] * 3
    assert len(second.trials) == 1


def test_broken_off__an_unfinished_trial(tmp_path: Path) -> None:
    """A trial during which the process ended is unfinished, and has no scores."""

    def attempt(parameters: Mapping[str, Value]) -> Scores:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journals.run(tmp_path / "a.log", planned(), 0, attempt)

    (trial,) = journals.read(tmp_path / "a.log").trials
    assert (trial.reason, trial.scores) == ("unfinished", None)


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_cut_off__refused(tmp_path: Path, cut: int) -> None:
    """A journal whose end is missing is refused, not read as far as it goes; so is what is no journal."""
    path = tmp_path / "a.log"
    journals.run(path, planned(), 0, scored)
    path.write_bytes(path.read_bytes()[:-cut])

    with pytest.raises(JournalError):
        journals.read(path)
    for content in (b"", b"\x00\xff", b"[]\n", b"{}\n", b'{"op_code": 99}\n'):
        path.write_bytes(content)
        with pytest.raises(JournalError):
            journals.read(path)


def test_merged__opened_by_optuna(tmp_path: Path) -> None:
    """All journals in one file are a study of Optuna's, with every trial and the best among them."""
    plan = planned(trials=8, jobs=2)
    for job in range(2):
        journals.run(tmp_path / journals.journal_name(job), plan, job, scored)
    found = [journals.read(tmp_path / journals.journal_name(job)) for job in range(2)]
    journals.merge(found, plan, tmp_path / "search.log")

    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "search.log")))
    study = optuna.load_study(study_name=None, storage=storage)
    depths = [int(trial.parameters["depth"]) for one in found for trial in one.trials]
    assert len(study.trials) == 8 and study.best_value == max(depths) + 1
