"""score-model: what it hands on, what it must refuse, and what a hostile model gets to see."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from deltalake import write_deltalake

from cd4ml.data.predictions.table import Predictions, read_predictions, write_predictions
from cd4ml.data.tables.opening import open_table
from cd4ml.digests import file_sha256, folder_sha256
from cd4ml.report import ModelIdentity
from tests import models, registries
from tests.conftest import Run
from tests.ports import free_port
from tests.scoring import hostile
from tests.scoring.conftest import FEATURES

Score = Callable[..., Run]
Coded = Callable[..., Path]


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


def test_two_models__one_table(score: Score, saved: Path, test_data: pd.DataFrame, tmp_path: Path) -> None:
    """Both models' predictions stand beside the true values, row by row, under their digests; twice the same bytes."""
    run, first = score(saved / "worse", "--keep", "sex"), file_sha256(tmp_path / "predictions.parquet")

    table = read_predictions(open_table(tmp_path / "predictions.parquet"))
    frame = table.frame
    assert (run.code, run.report["status"]) == (0, "passed")
    assert list(frame.columns) == [
        *("row_id", "y_true", "y_pred", "y_score", "production_y_pred", "production_y_score", "sex")
    ]
    assert frame["y_true"].tolist() == test_data["approve"].tolist()
    assert frame["sex"].tolist() == test_data["sex"].tolist()
    for name, prefix in (("worse", ""), ("good", "production_")):
        model = joblib.load(saved / name / "model.pkl")
        assert frame[f"{prefix}y_pred"].tolist() == model.predict(test_data[FEATURES]).tolist()
        assert frame[f"{prefix}y_score"].tolist() == pytest.approx(model.predict_proba(test_data[FEATURES])[:, 1])

    _check_identities(run, table, saved, tmp_path)
    assert score(saved / "worse", "--keep", "sex").code == 0
    assert file_sha256(tmp_path / "predictions.parquet") == first


def test_pinned_rows__are_what_is_scored(score: Score, saved: Path, test_data: pd.DataFrame, tmp_path: Path) -> None:
    """A version of a Delta table is scored and named in the report; rows other than a pointer's are refused."""
    write_deltalake(str(tmp_path / "rows"), test_data.head(40))
    write_deltalake(str(tmp_path / "rows"), test_data.tail(10), mode="overwrite")
    (tmp_path / "test.dvc").write_text("outs:\n- md5: '0'\n  hash: md5\n  path: test.parquet\n")

    run = score(saved / "worse", "--test-data", "rows@0")

    assert run.code == 0 and [(item["path"], item["rows"]) for item in run.report["inputs"]] == [("rows@0", 40)]
    table = read_predictions(open_table(tmp_path / "predictions.parquet"))
    assert table.test_data and table.test_data.path == "rows@0"
    assert table.frame["y_true"].tolist() == test_data["approve"].head(40).tolist()
    assert score(saved / "worse", "--test-data", "test.dvc").code == 3
    assert not (tmp_path / "predictions.parquet").exists()
    behind = score(saved / "worse", "--test-data", "test.dvc", "--predictions", "test.parquet")
    assert behind.code == 2 and (tmp_path / "test.parquet").is_file()


def _check_identities(run: Run, table: Predictions, saved: Path, folder: Path) -> None:
    """Compare what table and report say on models and rows with the files themselves."""
    assert table.candidate and table.production and table.test_data
    assert table.candidate.sha256 == run.report["candidate"]["sha256"] == folder_sha256(saved / "worse")
    assert table.production.sha256 == run.report["production"]["sha256"] == folder_sha256(saved / "good")
    assert table.test_data.sha256 == run.report["inputs"][0]["sha256"] == file_sha256(folder / "test.parquet")
    assert run.report["outputs"]["model-sha256"] == folder_sha256(saved / "worse")
    assert set(run.report["details"]["locks"]) == {"candidate", "production"}


def test_costs__measured_and_judged(
    score: Score, cd4ml: Callable[..., Run], saved: Path, coded: Coded, tmp_path: Path
) -> None:
    """How long the test rows take is measured where asked, and evaluate-model blocks a candidate that is slower."""
    slow = coded("time.sleep(0.5)\nreturn [0, 1] * 50")
    run = score(slow, "--measure-latency")
    limits = ("--minimum", "accuracy=0", "--maximum-regression", "accuracy=0.9")
    judged = cd4ml(
        *("evaluate-model", "--predictions", "predictions.parquet", *limits),
        *("--maximum-latency-ratio", "3", "--maximum-size-ratio", "50"),
    )

    measured = run.report["run"]["measured"]
    assert run.code == 0 and set(measured) == {"candidate", "production"}
    assert len(measured["candidate"]["repeated_seconds"]) == 5 and min(measured["candidate"]["repeated_seconds"]) > 0.5
    assert run.report["metrics"]["size_bytes"]["candidate"] == sum(
        path.stat().st_size for path in slow.rglob("*") if path.is_file()
    )
    found = by_id(judged, "maximum:latency-ratio")
    assert (judged.code, found["status"], found["reason"]) == (1, "failed", "above-maximum")
    assert by_id(judged, "maximum:size-ratio")["status"] == "passed"


def test_several_classes__a_score_each(score: Score, test_data: pd.DataFrame, tmp_path: Path) -> None:
    """A classifier of three classes gives each of them a score, under its name; a chosen label gives one score."""
    frame = models.people()
    frame["approve"] = frame["approve"].map({0: "no", 1: "yes"}).where(frame["age"] < 60, "ask first")
    model = models.classifier(frame)
    models.save(model, tmp_path / "three", frame[FEATURES])
    run = score(tmp_path / "three", "--bootstrap", production=None)

    table = read_predictions(open_table(tmp_path / "predictions.parquet")).frame
    expected = model.predict_proba(test_data[FEATURES])
    assert run.code == 0
    assert list(table.columns)[3:] == ["y_score_ask first", "y_score_no", "y_score_yes"]
    assert table.iloc[:, 3:].to_numpy() == pytest.approx(expected)

    one = score(tmp_path / "three", "--bootstrap", "--positive-label", "yes", production=None)
    table = read_predictions(open_table(tmp_path / "predictions.parquet")).frame
    assert one.code == 0 and list(table.columns)[3:] == ["y_score"]
    assert table["y_score"].tolist() == pytest.approx(expected[:, 2])


def test_training_rows__own_table(score: Score, saved: Path, tmp_path: Path) -> None:
    """Training rows are scored by the candidate alone, into a table of their own."""
    models.people(60, seed=3).to_csv(tmp_path / "train.csv", index=False)
    run = score(saved / "worse", "--train-data", "train.csv", "--bootstrap", production=None)

    table = read_predictions(open_table(tmp_path / "train-predictions.parquet"))
    assert run.code == 0
    assert len(table.frame) == 60
    assert table.production is None
    assert table.test_data and table.test_data.sha256 == file_sha256(tmp_path / "train.csv")


def test_skops_model(score: Score, saved: Path, test_data: pd.DataFrame, tmp_path: Path) -> None:
    """A model in skops' format, which runs no code, is scored."""
    frame = models.people()
    requirements = [*models.REQUIREMENTS[:4], f"skops=={version('skops')}"]
    folder = models.save(
        models.classifier(frame),
        tmp_path / "skops",
        frame[FEATURES],
        serialization_format="skops",
        skops_trusted_types=["numpy.dtype"],
        pip_requirements=requirements,
    )
    run = score(folder, "--bootstrap", production=None)

    assert run.code == 0
    assert (folder / "model.skops").is_file()


def test_registry__by_alias(score: Score, saved: Path, tmp_path: Path) -> None:
    """Candidate and production come from the registry by alias; the report names their versions."""
    store = registries.new_store(tmp_path / "store")
    registries.register(
        store, "credit", [saved / "good", saved / "worse"], aliases={"champion": "1", "challenger": "2"}
    )
    run = score("models:/credit@challenger", "--tracking-uri", store, production="models:/credit@champion")

    assert run.code == 0
    assert (run.report["candidate"]["version"], run.report["production"]["version"]) == ("2", "1")
    assert run.report["candidate"]["sha256"] == folder_sha256(saved / "worse")


def test_no_production__refused(score: Score, saved: Path) -> None:
    """Without a production model nothing is scored, unless the first release is declared."""
    run = score(saved / "worse", production=None)

    assert (run.code, run.report["status"]) == (2, "error")
    assert "bootstrap" in run.report["checks"][0]["advice"]


def test_no_production__bootstrap_recorded(score: Score, saved: Path, tmp_path: Path) -> None:
    """A declared first release passes, and the report says that nothing was compared."""
    run = score(saved / "worse", "--bootstrap", "true", production=None)

    assert run.code == 0
    assert "First release" in by_id(run, "bootstrap")["message"]
    assert run.report["production"] is None
    assert "production_y_pred" not in pd.read_parquet(tmp_path / "predictions.parquet").columns


@pytest.fixture
def empty_registry(saved: Path, tmp_path: Path) -> str:
    """Return a registry with a candidate and no production alias."""
    store = registries.new_store(tmp_path / "store")
    registries.register(store, "credit", [saved / "worse"], aliases={"challenger": "1"})
    return store


def test_alias_missing__refused(score: Score, saved: Path, empty_registry: str) -> None:
    """A production alias that nobody set blocks and says how a first release is declared."""
    run = score(saved / "worse", "--tracking-uri", empty_registry, production="models:/credit@champion")

    assert (run.code, run.report["status"]) == (3, "error")
    assert run.report["checks"][0]["reason"] == "missing-model"
    assert "bootstrap: true" in run.report["checks"][0]["advice"]


def test_alias_missing__bootstrap(score: Score, saved: Path, empty_registry: str) -> None:
    """With bootstrap the missing alias is a first release, recorded by the name that was looked for."""
    arguments = ("--tracking-uri", empty_registry, "--bootstrap", "true")
    run = score(saved / "worse", *arguments, production="models:/credit@champion")

    assert run.code == 0
    assert "models:/credit@champion does not exist" in by_id(run, "bootstrap")["message"]


def test_bootstrap__production_there__still_compared(score: Score, saved: Path, tmp_path: Path) -> None:
    """A bootstrap that was left on does not switch the comparison off."""
    run = score(saved / "worse", "--bootstrap", "true")

    assert run.code == 0
    assert run.report["production"]["sha256"] == folder_sha256(saved / "good")
    assert "production_y_pred" in pd.read_parquet(tmp_path / "predictions.parquet").columns


def test_registry_down__bootstrap_does_not_help(score: Score, saved: Path) -> None:
    """A registry that is down is no first release, and the password in its address is nowhere in the report."""
    address = f"http://u:c4n4ry@127.0.0.1:{free_port()}"
    arguments = ("--tracking-uri", address, "--bootstrap", "true")
    run = score(saved / "worse", *arguments, production="models:/credit@champion")

    assert (run.code, run.report["status"]) == (3, "error")
    assert "c4n4ry" not in json.dumps(run.report)


def test_production_is_candidate__failed(score: Score, saved: Path, tmp_path: Path) -> None:
    """A candidate with production's own files blocks: a model never regresses against itself."""
    copy = shutil.copytree(saved / "good", tmp_path / "copy")
    run = score(copy)

    assert (run.code, run.report["status"]) == (1, "failed")
    assert by_id(run, "different-model")["reason"] == "same-model"
    looked = {check["id"] for check in run.report["checks"]}
    assert looked == {"different-model", "candidate-code", "production-code"}, "nothing need be scored for that"
    assert run.report["outputs"]["predictions"] == "" and not (tmp_path / "predictions.parquet").exists()


def test_production_is_candidate__allowed(score: Score, saved: Path) -> None:
    """The same files pass where the configuration says that this is meant."""
    run = score(saved / "good", "--allow-same-model", "true")

    assert (run.code, by_id(run, "different-model")["status"]) == (0, "passed")


BAD = {
    "crash": ("raise RuntimeError('no such luck')", "no such luck"),
    "not-a-number": ("return pd.Series([1.0] * (len(rows) - 1) + [np.nan])", "missing for 1 of 100 rows"),
    "infinite": ("return pd.Series([np.inf] * len(rows))", "infinite"),
    "too-few": ("return pd.Series([1] * (len(rows) - 1))", "99 predictions for 100 rows"),
    "too-many": ("return pd.Series([1] * (len(rows) + 1))", "101 predictions for 100 rows"),
    "none": ("return pd.Series([], dtype=float)", "0 predictions for 100 rows"),
    "two-columns": ("return np.zeros((len(rows), 2))", "one value per row"),
    "quiet-exit": ("os._exit(0)", "without predictions"),
    "exit": ("sys.exit(3)", "code 3"),
    "score-as-text": ("return pd.DataFrame({'y_pred': [1] * 100, 'y_score': ['high'] * 100})", "not a number"),
    "changes-itself": (
        "open(os.path.join(os.path.dirname(__file__), 'more'), 'w').close()\nreturn pd.Series([1] * len(rows))",
        "Error: ",
    ),
}


@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD)
def test_candidate_cannot_score__error(
    score: Score, coded: Coded, tmp_path: Path, saved: Path, body: str, words: str
) -> None:
    """A candidate without one usable prediction for each row is an error with its last words, and leaves no table."""
    earlier = pd.DataFrame({"y_true": [1], "y_pred": [1]})
    identity = ModelIdentity(uri="x", sha256="a" * 64)
    write_predictions(earlier, tmp_path / "predictions.parquet", candidate=identity, production=None)
    run = score(coded(body), "--bootstrap", "true", production=None)

    check = by_id(run, "candidate-scored:test-rows")
    assert (run.code, run.report["status"], check["status"]) == (2, "error", "error")
    assert words in check["message"]
    assert run.report["outputs"]["predictions"] == ""
    assert not (tmp_path / "predictions.parquet").exists()


ONLY_TEST = "if len(rows) == 60:\n    {failure}\nreturn pd.Series([1] * len(rows))"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("raise RuntimeError('not these')", "not these"),
        ("sys.exit(3)", "code 3"),
        ("os._exit(0)", "without predictions"),
    ],
    ids=["crash", "exit", "quiet-exit"],
)
def test_training_rows_cannot_be_scored__error(
    score: Score, coded: Coded, tmp_path: Path, failure: str, words: str
) -> None:
    """A model that gives up at its training rows has scored the test rows, but no table is left to judge by."""
    models.people(60, seed=3).to_csv(tmp_path / "train.csv", index=False)
    candidate = coded(ONLY_TEST.format(failure=failure))
    run = score(candidate, "--train-data", "train.csv", "--bootstrap", production=None)

    assert (run.code, by_id(run, "candidate-scored:test-rows")["status"]) == (2, "passed")
    assert words in by_id(run, "candidate-scored:training-rows")["message"]
    assert not list(tmp_path.glob("*predictions.parquet"))


def test_test_rows_cannot_be_scored__training_rows_are_not_reached(score: Score, coded: Coded, tmp_path: Path) -> None:
    """What comes after the rows at which a model gave up is an error of its own, not a pass."""
    models.people(60, seed=3).to_csv(tmp_path / "train.csv", index=False)
    candidate = coded("if len(rows) == 100:\n    raise RuntimeError('no')\nreturn pd.Series([1] * len(rows))")
    run = score(candidate, "--train-data", "train.csv", "--bootstrap", production=None)

    assert run.code == 2 and "RuntimeError" in by_id(run, "candidate-scored:test-rows")["message"]
    assert "before scoring them" in by_id(run, "candidate-scored:training-rows")["message"]


def test_process_fails_after_its_last_rows__error(score: Score, coded: Coded, tmp_path: Path) -> None:
    """Predictions of a process that ended with an error are not taken, even if all are there."""
    body = "import atexit\natexit.register(lambda: os._exit(7))\nreturn pd.Series([1] * len(rows))"
    run = score(coded(body), "--bootstrap", production=None)

    assert run.code == 2 and "code 7" in by_id(run, "candidate-scored:test-rows")["message"]
    assert not (tmp_path / "predictions.parquet").exists()


def test_model__loaded_once_for_all_its_rows(score: Score, coded: Coded, tmp_path: Path) -> None:
    """Test and training rows are scored by one process: what loading costs is paid once."""
    models.people(60, seed=3).to_csv(tmp_path / "train.csv", index=False)
    counts = coded("return pd.Series([os.path.getsize('loads')] * len(rows))", loading="open('loads', 'a').write('x')")
    run = score(counts, "--train-data", "train.csv", "--bootstrap", production=None)

    assert run.code == 0
    for name in ("predictions", "train-predictions"):
        assert set(pd.read_parquet(tmp_path / f"{name}.parquet")["y_pred"]) == {1}


def test_candidate_hangs__error_in_time(score: Score, coded: Coded) -> None:
    """A model that does not finish is ended, and the processes that it started with it."""
    mark = f"hangs-{os.getpid()}"
    body = f"""import subprocess
subprocess.Popen([{mark!r}, "300"], executable="/bin/sleep")
time.sleep(300)"""
    started = time.monotonic()
    run = score(coded(body), "--bootstrap", "true", "--timeout", "25", production=None)

    assert run.code == 2
    assert "did not finish within 25 seconds" in by_id(run, "candidate-scored:test-rows")["message"]
    assert time.monotonic() - started < 120
    assert hostile.running(mark) == []


def test_candidate_talks__output_bounded(score: Score, coded: Coded) -> None:
    """A model that prints 200 MB is scored; what it prints is not kept."""
    run = score(coded("print('x' * 200_000_000)\nreturn pd.Series([1] * len(rows))"), "--bootstrap", production=None)

    assert run.code == 0
    assert len(json.dumps(run.report)) < 20_000


def test_candidate_eats_memory__error(score: Score, coded: Coded) -> None:
    """A model that wants more memory than it may have ends with an error; production's verdict is not reached."""
    body = "hog = np.ones(3 * 1024 ** 3, dtype='u1')\nreturn pd.Series([int(hog[0])] * len(rows))"
    run = score(coded(body), "--bootstrap", "true", "--memory-limit", "3", production=None)

    assert run.code == 2
    assert "emory" in by_id(run, "candidate-scored:test-rows")["message"]


def test_production_cannot_score__error(score: Score, saved: Path, coded: Coded, tmp_path: Path) -> None:
    """A production model that crashes blocks: without its numbers there is nothing to compare with."""
    run = score(saved / "good", production=coded("raise RuntimeError('old')"))

    assert (run.code, by_id(run, "production-scored:test-rows")["reason"]) == (2, "not-scored")
    assert not (tmp_path / "predictions.parquet").exists()


def test_model_with_own_code__digest_kept(score: Score, saved: Path, tmp_path: Path) -> None:
    """A model that brings its own code is scored without leaving compiled code in its folder."""
    (tmp_path / "own_code.py").write_text("LIMIT = 3\n")
    frame = models.people()
    folder = models.save(
        models.classifier(frame), tmp_path / "own", frame[FEATURES], code_paths=[str(tmp_path / "own_code.py")]
    )
    before = folder_sha256(folder)
    run = score(folder, "--bootstrap", production=None)

    assert run.code == 0
    assert folder_sha256(folder) == before


def test_candidate_runs_after_production(score: Score, unpickled: Callable[[str], Path]) -> None:
    """The candidate is scored last, so that its code cannot touch production's numbers."""
    run = score(unpickled("pass"))

    ids = [check["id"] for check in run.report["checks"]]
    assert ids.index("production-scored:test-rows") < ids.index("candidate-scored:test-rows")


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ("pandas\n", "not pinned"),
        ("pandas>=3\nmlflow==3.17.2\n", "not pinned"),
        ("--index-url http://127.0.0.1/\nmlflow==3.17.2\n", "not pinned"),
        ("-e .\n", "not pinned"),
        ("evil @ file:///tmp/evil\n", "not pinned"),
        ("numpy==*\n", "not pinned"),
        ("numpy==2.4.6\nnumpy==2.4.5\n", "cannot be met"),
    ],
)
def test_loose_requirements__refused(score: Score, saved: Path, tmp_path: Path, requirements: str, words: str) -> None:
    """Requirements that do not name one version each are refused: they would be another model tomorrow."""
    folder = Path(shutil.copytree(saved / "worse", tmp_path / "loose"))
    (folder / "requirements.txt").write_text(requirements)
    run = score(folder)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"]


def test_no_requirements__refused(score: Score, saved: Path, tmp_path: Path) -> None:
    """A model that does not say what it needs is refused."""
    folder = Path(shutil.copytree(saved / "worse", tmp_path / "bare"))
    (folder / "requirements.txt").unlink()
    run = score(folder)

    assert run.code == 2
    assert "requirements.txt" in run.report["checks"][0]["message"]


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no-target": (lambda frame: frame.drop(columns="approve"), "no column `approve`"),
    "target-missing": (
        lambda frame: frame.assign(approve=frame["approve"].where(frame.index > 0)),
        "missing in 1 rows",
    ),
    "empty": (lambda frame: frame.head(0), "no rows"),
    "repeated-ids": (lambda frame: frame.assign(row_id=1), "row ids occur more than once"),
    "id-missing": (
        lambda frame: frame.assign(row_id=frame.index.to_series().where(frame.index > 0)),
        "`row_id` is missing in 1",
    ),
}


@pytest.mark.parametrize(("change", "words"), TABLES.values(), ids=TABLES)
def test_bad_test_data__refused(
    score: Score,
    saved: Path,
    test_data: pd.DataFrame,
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    words: str,
) -> None:
    """Test data that cannot be scored row by row are refused before any model runs."""
    change(test_data).to_parquet(tmp_path / "test.parquet", index=False)
    run = score(saved / "worse")

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--keep", "approve"),
        ("--keep", "sex,sex"),
        ("--keep", "gender"),
        ("--exclude", "gender"),
        ("--train-data", "test.parquet"),
        ("--predictions", "test.parquet"),
        ("--predictions", "x.parquet", "--train-data", "t.parquet", "--train-predictions", "./x.parquet"),
        ("--predictions", "."),
    ],
    ids=" ".join,
)
def test_bad_options__refused(score: Score, saved: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Options that would lose data or compare rows with themselves are refused, and the test data stay."""
    run = score(saved / "worse", *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert (tmp_path / "test.parquet").is_file()


def test_row_without_feature__error(score: Score, saved: Path, test_data: pd.DataFrame, tmp_path: Path) -> None:
    """Test data without a column that the models take are an error that names the column."""
    test_data.drop(columns="age").to_parquet(tmp_path / "test.parquet", index=False)
    run = score(saved / "worse")

    assert run.code == 2
    assert "age: is missing" in by_id(run, "candidate-scored:test-rows")["message"]


def test_target_is_not_shown_to_the_model(score: Score, coded: Coded, tmp_path: Path) -> None:
    """The rows that a model gets hold neither the true values nor excluded columns."""
    body = "raise RuntimeError('columns ' + ' '.join(rows.columns))"
    run = score(coded(body), "--exclude", "sex", "--bootstrap", production=None)

    assert "columns age income city" in by_id(run, "candidate-scored:test-rows")["message"]


def test_model_that_lacks_its_teams_package__code_paths_advised(score: Callable[..., Run], coded: Coded) -> None:
    """A module that no requirement brings is named, with the two ways of giving it to the model."""
    candidate = coded("return [0] * len(rows)", loading="import bikes_of_the_team.core")

    said = str(score(candidate).report["checks"])

    assert "code_paths=['src/bikes_of_the_team']" in said and "pip_requirements" in said


@pytest.mark.parametrize("option", ["--predictions", "--train-predictions"])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("other.parquet", "was not written by cd4ml"),
        ("test.parquet", "different files"),
        ("../outside.parquet", "outside the workspace"),
        ("link/outside.parquet", "outside the workspace"),
        ("notes.csv", "ends in .parquet"),
        ("good/model.pkl", "ends in .parquet"),
    ],
)
def test_predictions_over_another_file__refused(
    score: Callable[..., Run], saved: Path, tmp_path: Path, option: str, path: str, message: str
) -> None:
    """A predictions table replaces nothing but predictions, and stays in the workspace."""
    pd.DataFrame({"mine": [1]}).to_parquet(tmp_path / "other.parquet")
    pd.DataFrame({"mine": [1]}).to_parquet(tmp_path / "train.parquet")
    (tmp_path / "link").symlink_to(tmp_path.parent)
    before = (tmp_path / "other.parquet").read_bytes(), (tmp_path / "test.parquet").read_bytes()

    run = score(saved / "good", option, path, "--train-data", "train.parquet")

    assert run.code == 2
    assert message in run.report["checks"][0]["message"]
    assert ((tmp_path / "other.parquet").read_bytes(), (tmp_path / "test.parquet").read_bytes()) == before
    assert not (tmp_path.parent / "outside.parquet").exists()
