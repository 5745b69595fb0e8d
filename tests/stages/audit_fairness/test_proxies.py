"""audit-fairness: features of the test data that give a sensitive feature away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.audit_fairness.conftest import by_id

Look = Callable[..., Run]


def people(n: int = 1_000) -> pd.DataFrame:
    """Return features of people: a job that follows sex, a height that does, and others that tell nothing of it."""
    generator = np.random.default_rng(5)
    sex = np.array(["f", "m"] * (n // 2))
    return pd.DataFrame(
        {
            "sex": sex,
            "job": np.where(generator.random(n) < 0.9, np.where(sex == "f", "nurse", "smith"), "clerk"),
            "height": np.where(sex == "f", 165, 178) + generator.normal(0, 7, n),
            "income": generator.normal(3_000, 500, n),
            "city": generator.choice(["Rome", "Bern", "Oslo"], n),
            "children": generator.integers(0, 4, n),
            "id": [f"p{place}" for place in range(n)],
            "approved": [1, 1, 0, 0] * (n // 4),
        }
    )


@pytest.fixture
def look(cd4ml: Callable[..., Run], tmp_path: Path) -> Look:
    """Audit fair decisions on people, and look at their features."""

    def run(table: pd.DataFrame, *arguments: str) -> Run:
        table.to_parquet(tmp_path / "test.parquet", index=False)
        decisions = pd.DataFrame({"y_pred": [1, 1, 0, 0] * 100, "sex": ["f", "m"] * 200})
        decisions.to_parquet(tmp_path / "predictions.parquet", index=False)
        shared = ("--predictions", "predictions.parquet", "--sensitive-features", "sex", "--test-data", "test.parquet")
        return cd4ml("audit-fairness", *shared, *arguments)

    return run


def test_proxies__reported(look: Look) -> None:
    """Without a limit the features are measured, the strongest first, and the summary names it; nothing blocks."""
    run = look(people(), "--exclude", "approved")

    found = run.report["metrics"]["proxies"]["sex"]
    told = {one["feature"]: one for one in found["features"]}
    assert run.code == 0 and [check["id"] for check in run.report["checks"]] == [
        "disparate-impact:sex=f",
        "disparate-impact:sex=m",
    ]
    assert list(told)[:2] == ["job", "height"] and set(told) == {"job", "height", "income", "city", "children"}
    assert (told["job"]["measure"], told["height"]["measure"]) == ("cramers-v", "auc")
    assert told["job"]["value"] > 0.9 and told["height"]["value"] > 0.7
    assert all(told[name]["interval"]["lower"] == 0 for name in ("income", "city", "children"))
    assert found["not_measured"] == {"id": "no value occurs in 10 rows"}
    assert "Reported only: `job` gives sex away" in run.report["summary"]
    assert [(one["name"], one["rows"]) for one in run.report["inputs"]][-1] == ("test-data", 1_000)


def test_maximum_proxy__blocks(look: Look) -> None:
    """A feature that tells more than the limit blocks, by name and with its interval; without it the rest pass."""
    failed = look(people(), "--exclude", "approved", "--maximum-proxy", "0.5")
    check = by_id(failed, "proxy:sex")
    assert (failed.code, check["reason"], check["limit"]) == (1, "above-maximum", 0.5)
    assert "sex: `job` gives the group away, Cramér's V 0.9" in check["message"]
    assert "Others above the limit: height." in check["message"] and "`job`" in check["advice"]
    assert check["interval"]["lower"] > 0.9 and "Reported only" not in failed.report["summary"]

    passed = look(people(), "--exclude", "approved,job,height,id", "--maximum-proxy", "0.5")
    check = by_id(passed, "proxy:sex")
    assert (passed.code, check["status"]) == (0, "passed") and check["value"] < 0.1


@pytest.mark.parametrize("kind", ["codes", "lists"])
def test_maximum_proxy__feature_that_cannot_be_measured(look: Look, kind: str) -> None:
    """Codes that all differ, and lists, may give the group away: other features do not pass for them."""
    table = people()[["sex", "income"]]
    codes = [f"{sex}{place}" for place, sex in enumerate(table["sex"])]
    hidden = table.assign(code=pd.Series([[code] if kind == "lists" else code for code in codes]), one="same")

    run = look(hidden, "--maximum-proxy", "0.5")
    check = by_id(run, "proxy:sex")
    assert (run.code, check["reason"]) == (4, "features-not-measured")
    assert "Not measured: `code` (" in check["message"] and "`one`" not in check["message"]
    assert look(hidden, "--maximum-proxy", "0.5", "--exclude", "code").code == 0


@pytest.mark.parametrize(("decision", "status"), [("point", "failed"), ("evidence", "inconclusive")])
def test_maximum_proxy__by_decision(look: Look, decision: str, status: str) -> None:
    """What lies above the limit by chance fails at its face, and is undecided where evidence is asked for."""
    few = pd.DataFrame({"sex": ["f", "m"] * 30, "job": (["a", "b"] * 4 + ["a", "a", "b", "b"]) * 5})

    run = look(few, "--maximum-proxy", "0.6", "--decision", decision)
    assert by_id(run, "proxy:sex")["status"] == status


def test_maximum_proxy__strict(look: Look) -> None:
    """`strict` passes only what is shown to lie below the limit: 60 rows do not show it."""
    few = pd.DataFrame({"sex": ["f", "m"] * 30, "job": ["a", "a", "b", "b"] * 15})

    assert by_id(look(few, "--maximum-proxy", "0.1", "--decision", "strict"), "proxy:sex")["status"] == "inconclusive"
    assert by_id(look(few, "--maximum-proxy", "0.1"), "proxy:sex")["status"] == "passed"


def test_missing_value_that_tells(look: Look) -> None:
    """A number that only one group lacks tells by its absence: that is measured beside the number."""
    table = people().assign(bonus=lambda people: people["income"].where(people["sex"] == "m"))

    run = look(table, "--exclude", "approved,job,height", "--maximum-proxy", "0.5")
    assert run.code == 1 and "`bonus (missing)`" in by_id(run, "proxy:sex")["message"]


def test_nothing_to_measure__does_not_pass(look: Look) -> None:
    """Where no feature can be compared nothing was looked at: neither identifiers nor one group alone can pass."""
    for table in (people()[["sex", "id"]], people()[["sex", "city"]].assign(sex="f")):
        run = look(table, "--maximum-proxy", "0.5")
        assert (run.code, by_id(run, "proxy:sex")["reason"]) == (4, "nothing-measured")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--exclude", "agee"), "no column `agee`"),
        (("--maximum-proxy", "1"), "must be below 1"),
        (("--maximum-proxy", "age=0.5"), "`age` is not audited"),
    ],
)
def test_refused(look: Look, arguments: tuple[str, ...], said: str) -> None:
    """A column to leave out that is not there, and limits that decide nothing, are refused."""
    run = look(people(100), *arguments)

    assert run.code == 2 and said in run.report["summary"]


def test_test_data_without_the_sensitive_feature__refused(look: Look) -> None:
    """Test data that lack the sensitive feature are refused, and so is a limit without test data."""
    run = look(people(100).drop(columns="sex"))
    assert run.code == 2 and "test.parquet has no column `sex`" in run.report["summary"]


def test_limit_without_test_data__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A limit on proxies without the data to look in would decide nothing."""
    pd.DataFrame({"y_pred": [1, 0] * 100, "sex": ["f", "m"] * 100}).to_parquet(tmp_path / "p.parquet")
    run = cd4ml("audit-fairness", "--predictions", "p.parquet", "--sensitive-features", "sex", "--maximum-proxy", "0.5")

    assert run.code == 2 and "test-data, which is not set" in run.report["summary"]


def test_cut_attribute__and_a_regression(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """An attribute that is cut into bins is compared by bin, in a CSV file as well, and for a regression too."""
    table = pd.DataFrame({"age": [20, 30, 50, 70] * 50, "pension": ["no", "no", "no", "yes"] * 50})
    table.assign(kind=["x", "y"] * 100).to_csv(tmp_path / "test.csv", index=False)
    table.assign(y_true=1.0, y_pred=[1.0, 1.5] * 100).to_csv(tmp_path / "p.csv", index=False)
    shared = ("--predictions", "p.csv", "--sensitive-features", "age", "--bins", "age=25:60", "--test-data", "test.csv")
    task = ("--task", "regression", "--maximum-mean-error-difference", "5", "--maximum-proxy", "0.9")
    run = cd4ml("audit-fairness", *shared, *task)

    assert run.code == 1 and "`pension` gives the group away" in by_id(run, "proxy:age")["message"]
    assert run.report["metrics"]["proxies"]["age"]["groups"] == ["25 to <60", "<25", ">=60"]
