"""score-model with a file of behaviour tests: models that break a declared rule are blocked, others pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import Run

Score = Callable[..., Run]
Coded = Callable[..., Path]
FIRST = ("--bootstrap", "--behaviour", "behaviour.yaml")
GOOD = """\
invariance:
  - columns: sex
  - columns: city
    change: another-row
    maximum-flips: 0.6
direction:
  - columns: income
    score: never-falls
robustness:
  - columns: [age, income]
    change: noise
    maximum-flips: 0.2
  - columns: income
    change: missing
  - columns: city
    change: unseen-category
    may-refuse: true
  - columns: income
    change: unit
known-answers:
  - table: known.csv
"""
# Scores rise with income, but not for the old; men get more; a city in capitals, or no income, is another model.
BIASED = """\
score = 1 / (1 + np.exp(-(rows.income.fillna(9.0) - 3.0) * np.where(rows.age > 60, -1, 1)))
score = score + 0.05 * (rows.sex == "m")
upper = rows.city.str.isupper()
score = np.where(upper, 0.9, score)
if (rows.city.str.startswith("cd4ml")).any():
    raise ValueError("a city [31m that nobody knows")
return pd.DataFrame({"y_pred": (score > 0.5).astype(int), "y_score": score})"""
BLOCKED = """\
invariance:
  - columns: sex
  - columns: city
    change: case
    maximum-flips: 0.1
direction:
  - columns: income
    score: never-falls
  - columns: age
    score: never-rises
    maximum-violations: 0.95
robustness:
  - columns: income
    change: missing
    maximum-flips: 0.05
  - columns: city
    change: unseen-category
  - columns: age
    change: noise
    step: 30
    maximum-flips: 0.05
known-answers:
  - table: known.csv
    minimum-share: 0.75
"""
# Goes wrong in another way at every change.
BROKEN = """\
answers = pd.DataFrame({"y_pred": [0.0] * len(rows), "y_score": rows.age / 100})
if (rows.age > 200).any():
    os._exit(7)
if rows.city.str.isupper().any():
    answers.loc[103, "y_score"] = np.nan
if rows.income.isna().all():
    return answers.assign(y_score=np.nan)
if rows.income.abs().max() > 500:
    return np.zeros(7)
if rows.city.str.startswith("cd4ml").any():
    raise ValueError("such a city is refused")
if rows.city.str.startswith(" ").any():
    return answers.head(7)
if rows.sex.isna().any():
    return pd.DataFrame({"y_pred": answers.y_pred.astype(int)})
return answers"""
UNANSWERED = """\
invariance:
  - columns: city
    change: case
  - columns: city
    change: spaces
robustness:
  - columns: sex
    change: missing
  - columns: income
    change: missing
    may-refuse: true
  - columns: income
    change: unit
    may-refuse: true
  - columns: city
    change: unseen-category
    may-refuse: true
  - columns: age
    change: unit
    may-refuse: true
  - columns: age
    change: missing
    may-refuse: true
direction:
  - columns: age
    score: never-falls
"""


def checks_of(run: Run) -> dict[str, dict[str, Any]]:
    """Return the checks of the report by id."""
    return {check["id"]: check for check in run.report["checks"]}


@pytest.fixture
def declared(tmp_path: Path) -> Callable[[str], None]:
    """Write the file of behaviour tests, and known answers of which the last is only right for a model that errs."""

    def write(text: str) -> None:
        (tmp_path / "behaviour.yaml").write_text(text)
        rows = ["age,income,city,sex,approve", "50,9.0,Oslo,f,1", "20,-3.0,Bergen,f,0", "70,9.0,Oslo,f,1"]
        (tmp_path / "known.csv").write_text("\n".join(rows) + "\n")

    return write


def test_model_that_behaves__passes(score: Score, saved: Path, tmp_path: Path, declared: Callable[[str], None]) -> None:
    """Every kind of test passes a model that keeps it, beside production's rates, and the report has the numbers."""
    declared(GOOD)

    run = score(saved / "good", "--behaviour", "behaviour.yaml", "--allow-same-model")

    found, numbers = checks_of(run), run.report["metrics"]["behaviour"]
    assert (run.code, run.report["status"]) == (0, "passed")
    assert (numbers["rows"], numbers["of"], found["behaviour"]["n"]) == (100, 100, 100)
    assert found["invariance:sex:another-value"]["reason"] == "not-an-input"
    noise = found["robustness:age:noise"]
    assert noise["baseline"] == noise["value"] and noise["limit"] == 0.2 and noise["n"] == 100
    assert noise["interval"]["lower"] <= noise["value"] <= noise["interval"]["upper"]
    assert noise["set_at"] == {"path": "behaviour.yaml", "line": 10, "column": None}
    assert found["robustness:city:unseen-category"]["reason"] == "refused"
    assert "limit" not in found["robustness:income:unit"] and found["robustness:income:unit"]["value"] > 0.5
    curve = numbers["tests"]["direction:income"]
    assert curve["grid"] == sorted(curve["grid"]) and len(curve["grid"]) == 10
    assert curve["partial_dependence"] == sorted(curve["partial_dependence"])
    assert [one["name"] for one in run.report["inputs"]] == ["test-data", "behaviour", "known-answers"]
    assert (tmp_path / "predictions.parquet").is_file()


def test_model_that_breaks_rules__blocked(
    score: Score, coded: Coded, test_data: pd.DataFrame, tmp_path: Path, declared: Callable[[str], None]
) -> None:
    """Each rule that a model breaks blocks it, and the check names the row; predictions are there to be judged."""
    declared(BLOCKED)

    run = score(coded(BIASED), *FIRST, production=None)

    found = checks_of(run)
    blocked = {id for id, check in found.items() if check["status"] == "failed"}
    assert run.code == 1 and (tmp_path / "predictions.parquet").is_file()
    assert blocked == {
        "invariance:sex:another-value",
        "invariance:city:case",
        "direction:income",
        "robustness:income:missing",
        "robustness:city:unseen-category",
        "robustness:age:noise",
        "known-answers:known.csv",
    }
    worst = found["direction:income"]["message"]
    row = int(worst.partition("Worst in row ")[2].partition(":")[0])
    assert test_data["age"][row] > 60 and " the score goes from 0." in worst and ": from " in worst
    assert found["direction:age"]["status"] == "passed"
    assert "nobody knows" in found["robustness:city:unseen-category"]["message"]
    assert "First wrong in row 2: 0 (" in found["known-answers:known.csv"]["message"]
    assert "2 of 3 answers" in found["known-answers:known.csv"]["message"]
    assert found["invariance:sex:another-value"]["value"] > 0


def test_model_without_usable_answers__blocked(score: Score, coded: Coded, declared: Callable[[str], None]) -> None:
    """No number, too few answers, other columns and a crash block, each with what was asked and why, even where the
    model may refuse; so does all that comes after the crash. An exception alone is a refusal."""
    declared(UNANSWERED)

    run = score(coded(BROKEN), *FIRST, production=None)

    found = checks_of(run)
    assert run.report["status"] == "error" and found["candidate-scored:test-rows"]["status"] == "passed"
    case = found["invariance:city:case"]
    assert case["status"] == "error" and "y_score is missing for 1 of 200 rows (row 3)" in case["message"]
    assert "7 predictions for 200 rows" in found["invariance:city:spaces"]["message"]
    assert "other columns than before" in found["robustness:sex:missing"]["message"]
    assert "y_score is missing for 100 of 100 rows" in found["robustness:income:missing"]["message"]
    assert "7 predictions for 200 rows" in found["robustness:income:unit"]["message"]
    assert "ended with code 7" in found["robustness:age:unit"]["message"]
    assert "ended before scoring them" in found["robustness:age:missing"]["message"]
    refused = found.pop("robustness:city:unseen-category")
    assert (refused["status"], refused["reason"]) == ("passed", "refused")
    assert {found[id]["status"] for id in found if id.startswith("robustness")} == {"error"}
    assert found["direction:age"]["reason"] == "not-answered" and found["direction:age"]["status"] == "error"


def test_model_that_guesses__not_tested(score: Score, coded: Coded, declared: Callable[[str], None]) -> None:
    """A model that answers the same rows differently when it is asked again is an error: no test would say anything."""
    declared("robustness:\n- columns: age\n  change: noise\n")

    run = score(coded("return np.random.default_rng().integers(0, 2, len(rows))"), *FIRST, production=None)

    assert run.code == 2 and run.report["status"] == "error"
    assert checks_of(run)["behaviour"]["reason"] == "not-repeatable"
    assert "robustness:age:noise" not in checks_of(run)


def test_regression__share_of_the_prediction(score: Score, coded: Coded, declared: Callable[[str], None]) -> None:
    """A regression's prediction may move by a hundredth, or by what is declared; few rows do not decide."""
    declared(
        "invariance:\n- columns: sex\n- columns: city\n  tolerance: 0.2\n"
        "robustness:\n- columns: age\n  change: noise\n  maximum-flips: 0.02\n- columns: sex\n  change: missing\n"
    )
    body = "return 100.0 + 0.5 * (rows.sex == 'm') + 15 * (rows.city == 'Oslo') + 50 * (rows.age == 40) + 0 * rows.age"

    run = score(coded(body), *FIRST, "--behaviour-rows", "40", "--positive-label", "1", production=None)

    found = checks_of(run)
    assert run.code == 4 and run.report["status"] == "inconclusive"
    assert found["invariance:sex:another-value"]["reason"] == "too-few-rows"
    assert "At least 59 changed rows are needed" in found["invariance:sex:another-value"]["message"]
    assert "Sample: 40 of 100 test rows." in found["invariance:city:another-value"]["message"]
    assert found["invariance:city:another-value"]["value"] == 0
    assert "Numbers move by at most 15." in found["invariance:city:another-value"]["message"]
    assert found["robustness:sex:missing"]["status"] == "passed"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("invariance:\n- columns: [sex, sexx]\n", "behaviour.yaml:2: test.parquet has no column `sexx`"),
        ("invariance:\n- columns: approve\n", "behaviour.yaml:2: `approve` is shown to no model"),
        (
            "invariance:\n- columns: age\n  change: case\n",
            "behaviour.yaml:2: `age` holds no texts: `change: case` cannot",
        ),
        ("direction:\n- columns: city\n  score: never-falls\n", "behaviour.yaml:2: `city` holds no numbers"),
        ("robustness:\n- columns: age\n  change: noise\n  step: 0.5\n", "`age` holds whole numbers, and `step` is 0.5"),
        ("known-answers:\n- table: known.csv\n  target: y\n", "known.csv has no column `y`"),
        ("known-answers:\n- table: unknown.csv\n", "unknown.csv"),
    ],
)
def test_tests_that_these_rows_cannot_make__refused(
    score: Score, saved: Path, declared: Callable[[str], None], text: str, words: str
) -> None:
    """What cannot be tested on these rows is refused with its line, before a model is run."""
    declared(text)

    run = score(saved / "worse", "--behaviour", "behaviour.yaml")

    assert run.code in (2, 3) and words in run.stderr + str(run.report)
    assert "Preparing" not in run.stderr


def test_nothing_to_test__error(score: Score, saved: Path, test_data: pd.DataFrame, tmp_path: Path) -> None:
    """A test that changes nothing, or a column that the model does not take, is an error and never a pass."""
    (tmp_path / "behaviour.yaml").write_text(
        "invariance:\n- columns: city\ndirection:\n- columns: [age, height]\n  score: never-falls\n"
    )
    rows = test_data.assign(city="Oslo", age=50, height=range(100))
    rows.to_parquet(tmp_path / "test.parquet", index=False)

    run = score(saved / "good", *FIRST, production=None)

    found = checks_of(run)
    for id in ("invariance:city:another-value", "direction:age", "direction:height"):
        assert (found[id]["status"], found[id]["reason"]) == ("error", "nothing-tested")
    assert "only one value" in found["direction:age"]["message"]
    assert "the model does not take `height`" in found["direction:height"]["message"]
