"""audit-fairness: what it must block, what it must pass, and what it must refuse to judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.audit_fairness.conftest import Audit, by_id


def group(name: object, selected: int, total: int, column: str = "sex") -> pd.DataFrame:
    """Return `total` rows of a group, `selected` of them with the positive decision; every fourth label is negative."""
    labels = [int(position % 4 != 0) for position in range(total)]
    return pd.DataFrame({"y_true": labels, "y_pred": [1] * selected + [0] * (total - selected), column: [name] * total})


def test_equal_rates__passed(audit: Audit) -> None:
    """Groups with equal selection rates pass."""
    run = audit(group("female", 50, 100), group("male", 50, 100))

    assert (run.code, run.report["status"]) == (0, "passed")
    assert run.report["metrics"]["disparate_impact_ratio"] == 1.0


def test_ratio_below_four_fifths__failed(audit: Audit) -> None:
    """A ratio of 0.79 blocks, and the check names the group, the ratio and n."""
    run = audit(group("female", 79, 200), group("male", 100, 200))

    check = by_id(run, "disparate-impact:sex=female")
    assert (run.code, run.report["status"]) == (1, "failed")
    assert (check["status"], check["value"], check["limit"], check["n"]) == ("failed", 0.79, 0.8, 200)
    assert check["reason"] == "below-minimum-ratio"
    assert (
        "sex=female: 39.5 % of 200 selected, 50.0 % of 200 for male; ratio 0.7900 (at least 0.8000)."
        in check["message"]
    )
    assert "1 more positive decisions" in check["advice"]


@pytest.mark.parametrize(("selected", "total"), [(48, 60), (40, 50), (56, 70), (24, 30)])
def test_ratio_of_exactly_four_fifths__passed(audit: Audit, selected: int, total: int) -> None:
    """Exactly 4/5 is not below 0.80, whatever binary fractions make of it."""
    assert audit(group("female", selected, total), group("male", total, total)).code == 0


def test_one_decision_less_than_four_fifths__failed(audit: Audit) -> None:
    """One positive decision less than 4/5 blocks."""
    assert audit(group("female", 79_999, 100_000), group("male", 100_000, 100_000)).code == 1


def test_minimum_ratio__is_respected(audit: Audit) -> None:
    """A stricter minimum blocks what the usual one passes."""
    groups = (group("female", 85, 100), group("male", 100, 100))

    assert audit(*groups).code == 0
    assert audit(*groups, arguments=("--minimum-ratio", "0.9")).code == 1


def test_text_labels_without_positive_label__refused(audit: Audit) -> None:
    """Text labels, which fairlearn takes for equal, are refused until someone says which is favourable."""
    unfair = pd.concat([group("female", 0, 100), group("male", 100, 100)])
    unfair["y_pred"] = unfair["y_pred"].map({1: "yes", 0: "no"})
    unfair["y_true"] = unfair["y_true"].map({1: "yes", 0: "no"})

    run = audit(unfair)
    assert (run.code, run.report["status"]) == (2, "error")
    assert "positive-label" in run.report["checks"][0]["advice"]

    assert audit(unfair, arguments=("--positive-label", "yes")).code == 1


def test_scores_in_place_of_decisions__refused(audit: Audit) -> None:
    """Scores, which fairlearn takes for labels of their own, are refused."""
    unfair = pd.concat([group("female", 0, 100), group("male", 100, 100)])
    unfair["y_pred"] = unfair["y_pred"].map({1: 0.9, 0: 0.1})

    run = audit(unfair, arguments=("--positive-label", "1"))

    assert run.code == 2
    assert "look like scores" in run.report["summary"]


def test_nobody_selected__error(audit: Audit) -> None:
    """A ratio of 0/0 is not a number and compares false with 0.80: it must not pass."""
    run = audit(group("female", 0, 100), group("male", 0, 100))

    assert (run.code, run.report["status"]) == (2, "error")
    assert run.report["checks"][0]["reason"] == "no-positive-predictions"


def test_one_group_only__error(audit: Audit) -> None:
    """One group has the ratio 1.0 with itself: nothing was audited."""
    run = audit(group("male", 50, 100))

    assert (run.code, run.report["checks"][0]["reason"]) == (2, "one-group")


def test_small_group__inconclusive(audit: Audit) -> None:
    """A group of ten decides nothing, and the report says how many rows are needed."""
    run = audit(group("diverse", 5, 10), group("male", 50, 100))

    check = by_id(run, "disparate-impact:sex=diverse")
    assert (run.code, run.report["status"], check["reason"]) == (4, "inconclusive", "group-too-small")
    assert "At least 30 rows of diverse are needed" in check["advice"]


def test_small_group__warn(audit: Audit) -> None:
    """`on-inconclusive: warn` lets the job go on, but the report still does not say passed."""
    run = audit(group("diverse", 5, 10), group("male", 50, 100), arguments=("--on-inconclusive", "warn"))

    assert (run.code, run.report["status"]) == (0, "inconclusive")


def test_small_group_far_below__failed(audit: Audit) -> None:
    """Too few rows never excuse a ratio below the minimum."""
    assert audit(group("diverse", 1, 10), group("male", 50, 100)).code == 1


def test_small_best_group__inconclusive(audit: Audit) -> None:
    """Where the highest rate comes from a handful of rows, the others are compared with the best large one."""
    run = audit(group("diverse", 5, 9), group("male", 50, 100), group("female", 50, 100))

    assert (run.code, run.report["status"]) == (4, "inconclusive")
    assert by_id(run, "disparate-impact:sex=diverse")["reason"] == "group-too-small"
    assert by_id(run, "disparate-impact:sex=male")["status"] == "passed"


def test_small_groups_alone__inconclusive_for_all(audit: Audit) -> None:
    """Where every group is too small the best of them is the reference, and none passes."""
    run = audit(group("diverse", 5, 9), group("male", 10, 20))

    assert {check["status"] for check in run.report["checks"]} == {"inconclusive"}


def test_missing_values__are_a_group(audit: Audit) -> None:
    """Rows without a value do not vanish: they are a group that is audited."""
    run = audit(group(None, 10, 100), group("male", 50, 100), group("female", 50, 100))

    assert run.code == 1
    assert by_id(run, "disparate-impact:sex=(missing)")["status"] == "failed"


def test_excluded_group__is_named(audit: Audit) -> None:
    """A group that the configuration leaves out is in the report with its size, and only a small one may be."""
    groups = (group(None, 1, 4), group("male", 50, 100), group("female", 50, 100))

    run = audit(*groups, arguments=("--exclude-groups", "sex=(missing)"))
    check = by_id(run, "excluded-group:sex=(missing)")
    assert (run.code, check["n"], check["status"]) == (0, 4, "passed")

    run = audit(*groups, arguments=("--exclude-groups", "sex=female"))
    assert (run.code, by_id(run, "excluded-group:sex=female")["reason"]) == (1, "too-much-excluded")


def test_missing_column__refused(audit: Audit) -> None:
    """A sensitive feature that the table lacks is an error that names the nearest column."""
    run = audit(group("male", 5, 10), arguments=("--sensitive-features", "sexx"))

    assert run.code == 2
    assert "`sexx`" in run.report["summary"] and "`sex`" in run.report["summary"]


def test_quantity_without_bins__refused(audit: Audit) -> None:
    """A continuous feature is no grouping until its edges are declared."""
    people = group("male", 50, 100).assign(sex=range(100))

    run = audit(people)
    assert run.code == 2 and "bins: sex=" in run.report["checks"][0]["advice"]

    run = audit(people, arguments=("--bins", "sex=50"))
    assert (run.code, by_id(run, "disparate-impact:sex=>=50")["value"]) == (1, 0.0)


@pytest.mark.parametrize(
    ("edges", "problem"), [("x", "expected a number"), ("50:40", "do not increase"), ("nan", "finite")]
)
def test_bad_bins__refused(audit: Audit, edges: str, problem: str) -> None:
    """Edges that cut nothing are refused."""
    run = audit(group("male", 50, 100).assign(sex=range(100)), arguments=("--bins", f"sex={edges}"))

    assert run.code == 2 and problem in run.report["summary"]


def test_identifier_as_feature__refused(audit: Audit) -> None:
    """A hundred and more text values are an identifier, not groups."""
    people = group("male", 100, 200).assign(sex=[f"person {n}" for n in range(200)])

    assert audit(people).code == 2


def test_intersections__reported_by_default_and_gating_when_asked(audit: Audit) -> None:
    """Bias that only a combination shows is in the metrics, and blocks where the configuration says so."""
    fair_alone = pd.concat(
        [
            group("f", 70, 100).assign(race="a"),
            group("f", 30, 100).assign(race="b"),
            group("m", 30, 100).assign(race="a"),
            group("m", 70, 100).assign(race="b"),
        ]
    )
    features = ("--sensitive-features", "race")

    run = audit(fair_alone, arguments=features)
    assert run.code == 0
    assert run.report["metrics"]["features"]["sex & race"]["demographic_parity_ratio"] == pytest.approx(3 / 7)

    run = audit(fair_alone, arguments=(*features, "--intersections", "gate"))
    assert (run.code, by_id(run, "disparate-impact:sex & race=f & b")["status"]) == (1, "failed")


def test_equalized_odds__undefined_is_an_error(audit: Audit) -> None:
    """A limit on a metric that is undefined for some group is an error, not a pass."""
    groups = (group("female", 50, 100).assign(y_true=1), group("male", 50, 100))

    assert audit(*groups).code == 0
    run = audit(*groups, arguments=("--maximum-equalized-odds-difference", "0.9"))
    assert (run.code, by_id(run, "equalized-odds-difference:sex")["reason"]) == (2, "undefined")


def test_differences__gate_when_a_limit_is_set(audit: Audit) -> None:
    """The differences are reported, and block over their limit."""
    groups = (group("female", 85, 100), group("male", 95, 100))

    assert audit(*groups).code == 0
    limit = ("--maximum-demographic-parity-difference", "0.05")
    assert audit(*groups, arguments=limit).code == 1
    assert audit(*groups, arguments=(limit[0], "0.11")).code == 0


def test_weights__count(audit: Audit) -> None:
    """sample_weight counts: the same rows, weighted, turn a pass into a failure."""
    table = pd.concat([group("female", 50, 100), group("male", 50, 100)])

    assert audit(table.assign(sample_weight=1.0)).code == 0
    unequal = table.assign(sample_weight=1.0 + 3.0 * ((table["sex"] == "male") & (table["y_pred"] == 1)))
    assert audit(unequal).code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--minimum-ratio", "0"),
        ("--minimum-ratio", "1.2"),
        ("--minimum-ratio", "nan"),
        ("--minimum-group-size", "0"),
        ("--exclude-groups", "sex"),
        ("--exclude-groups", "race=x"),
        ("--bins", "age=3"),
        ("--decision", "maybe"),
        ("--sensitive-features", "sex"),
    ],
)
def test_bad_options__refused(audit: Audit, arguments: tuple[str, ...]) -> None:
    """Limits that decide nothing and options that contradict each other end in exit code 2."""
    run = audit(group("female", 50, 100), group("male", 50, 100), arguments=arguments)

    assert (run.code, run.report["status"]) == (2, "error")


def test_no_table__unavailable(cd4ml: Callable[..., Run]) -> None:
    """A predictions table that is not there is exit code 3 and an error report."""
    run = cd4ml("audit-fairness", "--predictions", "nowhere.parquet", "--sensitive-features", "sex")

    assert (run.code, run.report["status"]) == (3, "error")


@pytest.mark.parametrize(("one", "other"), [("None", "NA"), ("null", "nan"), ("N/A", "NULL")])
def test_groups_named_like_missing_values__are_two(
    audit: Audit, cd4ml: Callable[..., Run], tmp_path: Path, one: str, other: str
) -> None:
    """Two groups whose names are words for missing values are compared, in CSV as in Parquet; nothing merges them."""
    groups = group(one, 90, 200), group(other, 30, 200), group("Wheelchair", 95, 200)
    parquet = audit(*groups)
    pd.concat(groups).to_csv(tmp_path / "predictions.csv", index=False)
    command = ["audit-fairness", "--predictions", "predictions.csv", "--sensitive-features", "sex"]

    csv = cd4ml(*command)
    declared = cd4ml(*command, "--missing-values", f"{one},{other}")

    assert (parquet.code, csv.code) == (1, 1)
    worst = [by_id(run, f"disparate-impact:sex={other}")["value"] for run in (parquet, csv)]
    assert worst[0] == worst[1] == pytest.approx(30 / 95)
    assert by_id(csv, "missing-values:predictions.csv")["reason"] == "undeclared-missing-values"
    assert by_id(declared, "disparate-impact:sex=(missing)")["n"] == 400


def test_labels_in_another_dialect__are_audited(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A table with `;` is refused with the cause, and audited once that is declared."""
    pd.concat([group("f", 30, 100), group("m", 80, 100)]).to_csv(tmp_path / "predictions.csv", index=False, sep=";")
    command = ["audit-fairness", "--predictions", "predictions.csv", "--sensitive-features", "sex"]

    refused, audited = cd4ml(*command), cd4ml(*command, "--delimiter", ";")

    assert refused.code == 2 and "separated by ;?" in refused.report["summary"]
    assert audited.code == 1 and by_id(audited, "disparate-impact:sex=f")["status"] == "failed"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_groups_with_long_numbers__are_two(cd4ml: Callable[..., Run], tmp_path: Path, kind: str) -> None:
    """Two groups whose numbers differ in the last of twenty digits are not one."""
    table = pd.concat([group("7" * 20, 30, 100), group("7" * 19 + "8", 90, 100)])
    path = tmp_path / f"predictions.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)

    run = cd4ml("audit-fairness", "--predictions", path.name, "--sensitive-features", "sex")

    assert run.code == 1 and by_id(run, f"disparate-impact:sex={'7' * 20}")["status"] == "failed"


@pytest.mark.parametrize(("one", "other"), [("007", "7"), ("1e1", "10"), ("(missing)", None)])
def test_texts_that_look_alike__are_groups_of_their_own(audit: Audit, one: str, other: str | None) -> None:
    """Texts that would be one number, and a text that reads like a gap, are not thrown together with the other."""
    run = audit(group(one, 90, 100), group(other, 30, 100), group("x", 90, 100))

    failed = [check["n"] for check in run.report["checks"] if check["status"] == "failed"]
    assert run.code == 1 and failed == [100]


def test_feature_called_like_a_combination__refused(audit: Audit) -> None:
    """A column that is called like the combination of two others is refused: no id could tell the two apart."""
    people = group("F", 5, 10).assign(race="x", **{"sex & race": "y"})

    run = audit(people, arguments=("--sensitive-features", "race,sex & race"))

    assert run.code == 2 and "`sex & race` has the same name as a combination of others" in run.report["summary"]
