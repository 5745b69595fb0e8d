"""audit-fairness: limits of single features, and that every published number is the verdict's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.audit_fairness.conftest import Audit, by_id
from tests.stages.audit_fairness.test_audit_fairness import group


def people(young: int, old: int, women: int = 50, men: int = 50) -> pd.DataFrame:
    """Return people by age and by sex; numbers are the selected ones of a hundred."""
    by_age = pd.concat([group("young", young, 100, "age"), group("old", old, 100, "age")]).assign(sex="(x)")
    by_sex = pd.concat([group("f", women, 100), group("m", men, 100)])
    return pd.concat([by_age.assign(sex=["f", "m"] * 100), by_sex.assign(age=["young", "old"] * 100)])


AGE = ("--sensitive-features", "age")


@pytest.mark.parametrize(
    ("limit", "code"),
    [("0.5", 0), ("age=0.5", 0), ("age=0.9", 1), ("0.5,age=0.9", 1), ("0.9,age=0.5", 0), ("sex=0.5", 1)],
)
def test_minimum_ratio_of_a_feature(audit: Audit, limit: str, code: int) -> None:
    """A feature with a limit of its own is held to it, the others to the number without a name, or to 0.8."""
    table = pd.concat([group("f", 50, 100).assign(age="old"), group("m", 50, 100).assign(age="old")])
    table = pd.concat([table, table.assign(age="young", y_pred=[1] * 30 + [0] * 70 + [1] * 30 + [0] * 70)])
    run = audit(table, arguments=(*AGE, "--minimum-ratio", limit))

    found = by_id(run, "disparate-impact:age=young")
    own = dict(pair.split("=") for pair in limit.split(",") if "=" in pair).get("age")
    others = next((part for part in limit.split(",") if "=" not in part), "0.8")
    assert (run.code, found["value"], found["limit"]) == (code, 0.6, float(own or others))
    assert run.report["metrics"]["features"]["age"]["minimum_ratio"] == float(own or others)
    assert run.report["outputs"]["disparate-impact-ratio"] == "0.6"


def test_minimum_ratio_of_a_feature__in_the_configuration_and_in_the_summary(audit: Audit, tmp_path: Path) -> None:
    """The configuration takes a mapping, the report holds it, and the summary says which limit holds for what."""
    (tmp_path / "cd4ml.yaml").write_text("audit-fairness: {minimum-ratio: {age: 0.6, '*': 0.7}}\n")
    run = audit(people(45, 60), arguments=AGE)

    assert (run.code, run.report["options"]["minimum-ratio"]) == (0, {"age": 0.6, "*": 0.7})
    assert "(limits: sex 0.7, age 0.6)" in run.report["summary"]


def test_minimum_ratio_of_an_unknown_feature__refused(audit: Audit) -> None:
    """A limit of a feature that is not audited is refused, with the nearest name; so is one that decides nothing."""
    run = audit(people(50, 50), arguments=(*AGE, "--minimum-ratio", "ages=0.6"))
    assert (run.code, run.report["status"]) == (2, "error")
    assert "`ages` is not audited (did you mean `age`?)" in run.report["summary"]

    assert audit(people(50, 50), arguments=("--minimum-ratio", "sex=1.5")).code == 2


def test_intersection__held_to_the_mildest_limit_of_its_features(audit: Audit) -> None:
    """A combination that decides is held to the mildest limit of the features in it."""
    arguments = (*AGE, "--intersections", "gate", "--minimum-ratio", "sex=0.7,age=0.6")
    run = audit(people(50, 50), arguments=arguments)

    assert by_id(run, "disparate-impact:sex & age=f & old")["limit"] == 0.6


def crossed() -> pd.DataFrame:
    """Return groups that are equal by sex and by age, but not by both together: 20 of 50 against 40 of 50."""
    parts = [(20, "f", "old"), (40, "f", "young"), (40, "m", "old"), (20, "m", "young")]
    return pd.concat([group(sex, selected, 50).assign(age=age) for selected, sex, age in parts])


def test_reported_only__said_apart_from_the_verdict(audit: Audit) -> None:
    """A combination that decides nothing has its own output, number and sentence, and is no part of the verdict's."""
    run = audit(crossed(), arguments=AGE)

    assert run.code == 0
    assert run.report["outputs"] == {"disparate-impact-ratio": "1.0", "reported-ratio": "0.5"}
    assert run.report["metrics"]["disparate_impact_ratio"] == 1.0
    assert run.report["metrics"]["reported_only"]["ratio"] == 0.5
    assert (
        "Reported only, without effect on the verdict: sex & age=f & old (50 rows) has the ratio 0.5000"
        in run.report["summary"]
    )

    gated = audit(crossed(), arguments=(*AGE, "--intersections", "gate"))
    assert (gated.code, gated.report["outputs"]) == (1, {"disparate-impact-ratio": "0.5", "reported-ratio": ""})
    assert "Reported only" not in gated.report["summary"]


def test_ratio_above_a_fixed_reference__output_is_the_verdicts(audit: Audit) -> None:
    """Of a group that is selected too often against a named reference the output says how far: 1 / 1.5."""
    run = audit(group("f", 60, 100), group("m", 40, 100), arguments=("--reference-groups", "sex=m"))

    assert (run.code, by_id(run, "disparate-impact:sex=f")["status"]) == (1, "failed")
    assert float(run.report["outputs"]["disparate-impact-ratio"]) == pytest.approx(2 / 3)


def errors(name: str, hits: int, positives: int, alarms: int, negatives: int) -> pd.DataFrame:
    """Return a group with so many true positives of its positives, and false positives of its negatives."""
    decided = [1] * hits + [0] * (positives - hits) + [1] * alarms + [0] * (negatives - alarms)
    return pd.DataFrame({"y_true": [1] * positives + [0] * negatives, "y_pred": decided, "sex": name})


@pytest.mark.parametrize(
    ("negatives", "decision", "status"),
    [(20, "strict", "inconclusive"), (4_000, "strict", "passed"), (20, "point", "passed"), (20, "evidence", "passed")],
)
def test_equalized_odds__each_rate_by_its_own_rows(audit: Audit, negatives: int, decision: str, status: str) -> None:
    """Where the wider of two differences rests on many rows and the other on few, `strict` has not seen enough."""
    tables = [
        errors("f", 3_800, 4_000, negatives // 4, negatives),
        errors("m", 3_600, 4_000, negatives // 4, negatives),
    ]
    arguments = ("--maximum-equalized-odds-difference", "0.1", "--decision", decision, "--minimum-ratio", "0.5")
    found = by_id(audit(*tables, arguments=arguments), "equalized-odds-difference:sex")

    assert (found["status"], found["value"]) == (status, pytest.approx(0.0 if status == "inconclusive" else 0.05))
    assert found["interval"]["upper"] > 0.1 or status == "passed"


def test_equalized_odds__evidence_in_either_rate(audit: Audit) -> None:
    """A difference that is shown to be too large fails as evidence, though the other rate's is wider by chance."""
    tables = [errors("f", 3, 10, 1_200, 4_000), errors("m", 7, 10, 2_400, 4_000)]
    arguments = ("--maximum-equalized-odds-difference", "0.2", "--decision", "evidence", "--minimum-ratio", "0.1")
    found = by_id(audit(*tables, arguments=arguments), "equalized-odds-difference:sex")

    assert (found["status"], found["value"]) == ("failed", pytest.approx(0.3))
    assert "(false positive rates)" in found["message"] and found["interval"]["lower"] > 0.2


MAXIMA = {
    "demographic-parity-difference": 0.2,
    "equalized-odds-difference": 0.2,
    "precision-difference": 0.2,
    "ratio-drop": 0.2,
    "pair-drop": 0.2,
    "calibration-gap": 0.2,
}


@pytest.mark.parametrize("limit", MAXIMA)
def test_other_limits_of_a_feature(audit: Audit, limit: str) -> None:
    """Any limit can be set for one feature: it blocks there, is absent elsewhere, and gives way to a milder one."""
    by_age = pd.concat(
        [
            group("a", 80, 100, "age").assign(y_true=1, y_score=0.95, production_y_pred=[1] * 70 + [0] * 30),
            group("a", 80, 100, "age").assign(y_true=0, y_score=0.05, production_y_pred=[1] * 70 + [0] * 30),
            group("b", 40, 100, "age").assign(y_true=1, y_score=0.25, production_y_pred=[1] * 70 + [0] * 30),
            group("b", 10, 100, "age").assign(y_true=0, y_score=0.05, production_y_pred=[1] * 70 + [0] * 30),
        ]
    ).assign(sex=["f", "m"] * 200)
    arguments = (*AGE, "--minimum-ratio", "0.01", f"--maximum-{limit}")

    failed = audit(by_age, arguments=(*arguments, "age=0.05"))
    ids = [check["id"] for check in failed.report["checks"] if check["id"].startswith(limit.removesuffix("-gap"))]
    assert failed.code == 1 and ids and all(":age" in one for one in ids)
    assert audit(by_age, arguments=(*arguments, "0.05,age=0.9")).code in (0, 1)
    assert audit(by_age, arguments=(*arguments, "sex=0.9")).code == 0
    assert failed.report["options"][f"maximum-{limit}"] == {"age": 0.05}


def test_other_limits__refused(audit: Audit) -> None:
    """Limits of features that are not audited or that nothing can break are refused; so is a feature of a regression
    on which nothing would be decided."""
    for value, said in (
        ("agee=0.1", "did you mean `age`?"),
        ("age=1", "of age must be below 1"),
        ("age=-1", "negative"),
    ):
        run = audit(people(50, 50), arguments=(*AGE, "--maximum-equalized-odds-difference", value))
        assert run.code == 2 and said in run.report["summary"]
    run = audit(people(50, 50), arguments=(*AGE, "--task", "regression", "--maximum-mean-error-difference", "age=1"))
    assert run.code == 2 and "needs a limit on sex" in run.report["summary"]


@pytest.mark.parametrize(
    ("decisions", "label", "favourable"),
    [([1, 0], (), "1"), ([True, False], (), "True"), ([True, False], ("--positive-label", "false"), "False")],
)
def test_favourable_decision__reported(
    audit: Audit, decisions: list[int], label: tuple[str, ...], favourable: str
) -> None:
    """The report says which decision was taken for the favourable one, whether or not it was named."""
    table = pd.DataFrame({"y_true": decisions * 100, "y_pred": decisions * 100, "sex": ["f"] * 100 + ["m"] * 100})

    assert audit(table, arguments=label).report["metrics"]["favourable"] == favourable


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_feature_that_is_not_there__columns_are_named(cd4ml: Callable[..., Run], tmp_path: Path, ending: str) -> None:
    """Who names a column that the table lacks reads which columns it has, without the standard ones."""
    table = people(50, 50)
    if ending == "csv":
        table.to_csv(tmp_path / "p.csv", index=False)
    else:
        table.to_parquet(tmp_path / "p.parquet", index=False)
    run = cd4ml("audit-fairness", "--predictions", f"p.{ending}", "--sensitive-features", "gender")

    advice = run.report["checks"][0]["advice"]
    assert run.code == 2 and "`age`" in advice and "`sex`" in advice and "y_pred" not in advice
