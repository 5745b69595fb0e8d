"""audit-fairness: decision modes, reference groups, further limits, production, regression, and traps."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.conftest import Run, run_cd4ml
from tests.stages.audit_fairness.conftest import Audit, by_id


def people(name: object, selected: int, total: int, **columns: Any) -> pd.DataFrame:
    """Return `total` rows of a group, `selected` of them with the positive decision; every second label is positive."""
    decisions = [1] * selected + [0] * (total - selected)
    return pd.DataFrame({"y_true": [0, 1] * (total // 2) + [0] * (total % 2), "y_pred": decisions, "sex": name}).assign(
        **columns
    )


# Selected of how many, in the group and in the reference: by `point`, `strict`, `evidence`.
PASS, FAIL, UNSURE = (0, "passed"), (1, "failed"), (4, "inconclusive")
MODES = [
    ((50, 100), (50, 100), PASS, UNSURE, PASS),
    ((5_000, 10_000), (5_000, 10_000), PASS, PASS, PASS),
    ((38, 100), (50, 100), FAIL, FAIL, UNSURE),
    ((3_000, 10_000), (5_000, 10_000), FAIL, FAIL, FAIL),
    ((4_010, 10_000), (5_000, 10_000), PASS, UNSURE, PASS),
    ((4, 10), (50, 100), UNSURE, UNSURE, UNSURE),
    ((1, 10), (50, 100), FAIL, FAIL, UNSURE),
    ((0, 100), (50, 100), FAIL, FAIL, FAIL),
]


@pytest.mark.parametrize("mode", ["point", "strict", "evidence"])
@pytest.mark.parametrize("case", MODES)
def test_decision(audit: Audit, mode: str, case: tuple[Any, ...]) -> None:
    """`point` takes the ratio at its face, `strict` passes what is shown, `evidence` fails what is shown."""
    group, reference, *expected = case

    run = audit(people("female", *group), people("male", *reference), arguments=("--decision", mode))

    assert (run.code, run.report["status"]) == expected[["point", "strict", "evidence"].index(mode)]
    check = by_id(run, "disparate-impact:sex=female")
    if check["value"] < 1:  # of equal groups, one is the reference
        assert check["interval"]["method"] == "Koopman"
        assert check["interval"]["lower"] <= check["value"] <= check["interval"]["upper"]
    if check.get("reason") == "not-shown":
        assert "rows of female" in check["advice"] or "more rows would not settle it" in check["advice"]


def test_intersections__ampersands_in_names(audit: Audit) -> None:
    """Groups whose joined names would read alike stay apart: the one that is never selected is seen and blocks."""
    favoured = people("x & y", 200, 200, region="z")
    others = [
        people("x", 0, 200, region="y & z"),
        people("x", 200, 200, region="z"),
        people("x & y", 0, 200, region="y & z"),
    ]
    features = ("--sensitive-features", "region", "--intersections", "gate", "--minimum-ratio", "0.4")
    run = audit(favoured, *others, arguments=features)

    ratios = run.report["metrics"]["features"]["sex & region"]["ratios"]
    assert {name: found["n"] for name, found in ratios.items()} == dict.fromkeys(
        ("x && y & z", "x & y && z", "x & z", "x && y & y && z"), 200
    )
    assert by_id(run, "disparate-impact:sex & region=x & y && z")["status"] == "failed"


def test_family_of_tests__reported(audit: Audit) -> None:
    """Beside an adjusted p-value stands for how many tests it was: both directions of three pairs of groups."""
    groups = [people(name, selected, 1_000) for name, selected in (("a", 300), ("b", 330), ("c", 400))]
    ratios = audit(*groups, arguments=("--decision", "evidence")).report["metrics"]["features"]["sex"]["ratios"]

    assert ratios["a"]["p_value"] is not None and {found["tests"] for found in ratios.values()} == {6}


@pytest.mark.parametrize(
    ("mode", "reason", "female", "level"),
    [("strict", None, (44, 100), 0.025), ("evidence", "below-minimum-ratio", (37, 100), 0.05 / 6)],
)
def test_rows_that_would_settle_it__do(
    audit: Audit, mode: str, reason: str | None, female: tuple[int, int], level: float
) -> None:
    """The advice names the rows with which 4 of 5 such data decide; at the very rates that were seen, fewer do."""
    wanted = stats.norm.isf(level)
    share = (wanted / (wanted + stats.norm.ppf(0.8))) ** 2
    groups = {"female": female, "other": (45, 100), "male": (50, 100)}

    def check(times: float) -> dict[str, Any]:
        tables = [people(group, round(k * times), round(n * times)) for group, (k, n) in groups.items()]
        return by_id(audit(*tables, arguments=("--decision", mode)), "disparate-impact:sex=female")

    unsure = check(1)
    named = re.match(r"About ([\d,]+) rows of female \(there are 100\)", unsure["advice"])
    assert unsure["reason"] == "not-shown" and named
    needed = int(named[1].replace(",", "")) / 100
    assert check(needed * share * 1.04).get("reason") == reason
    assert check(needed * share * 0.96)["reason"] == "not-shown"


def test_three_rows__no_measure_of_the_others(audit: Audit) -> None:
    """A group of three rows that are all selected is no reference: it is too small, and the others pass beside it."""
    run = audit(people("female", 48, 100), people("male", 50, 100), people("other", 3, 3))

    assert (run.code, by_id(run, "disparate-impact:sex=female")["status"]) == (4, "passed")
    assert by_id(run, "disparate-impact:sex=male")["value"] == 1.0
    small = by_id(run, "disparate-impact:sex=other")
    assert (small["status"], small["reason"], small["value"]) == ("inconclusive", "group-too-small", 2.0)
    assert "other has 3 rows, too few to decide" in small["message"]


def test_bins_of_what_is_not_audited__said(audit: Audit) -> None:
    """Edges for a feature that is not audited are answered with what is missing."""
    run = audit(people("f", 50, 100, age=30), people("m", 50, 100, age=40), arguments=("--bins", "age=35"))

    assert (run.code, run.report["status"]) == (2, "error")
    assert "`age` is not audited: add it to sensitive-features, which names sex" in run.report["summary"]


def test_evidence__words(audit: Audit) -> None:
    """Whatever decides, the message says between which values the ratio lies, and whether chance explains it."""
    run = audit(people("female", 3_000, 10_000), people("male", 5_000, 10_000))
    assert "Chance does not explain it (p < 0.001)." in by_id(run, "disparate-impact:sex=female")["message"]

    run = audit(people("female", 38, 100), people("male", 50, 100))
    message = by_id(run, "disparate-impact:sex=female")["message"]
    assert "Could be chance (p = " in message and "95 % interval: " in message

    for times, words in ((1, "Not shown to meet 0.8000: more rows would tell."), (100, "Shown to meet 0.8000.")):
        run = audit(people("female", 47 * times, 100 * times), people("male", 50 * times, 100 * times))
        message = by_id(run, "disparate-impact:sex=female")["message"]
        assert words in message


def test_advice__counts_the_decisions_that_are_missing(audit: Audit) -> None:
    """The advice names how many more positive decisions would do, and in which group, the one that gets fewer."""
    two = (people("female", 38, 100), people("male", 50, 100))
    below = by_id(audit(*two), "disparate-impact:sex=female")
    fixed = ("--reference-groups", "sex=female")
    above = by_id(audit(*two, arguments=fixed), "disparate-impact:sex=male")

    assert "2 more positive decisions in this group would reach 0.8" in below["advice"]
    assert "2 more positive decisions in female would reach 0.8" in above["advice"]


def test_evidence__tests_of_many_groups_share_their_level(audit: Audit) -> None:
    """What shows with two groups does not show as one of the 90 comparisons of ten groups (Holm)."""
    pair = (people("female", 290, 1_000), people("male", 430, 1_000))
    crowd = [people(f"group {number}", 420, 1_000) for number in range(8)]

    alone = by_id(audit(*pair, arguments=("--decision", "evidence")), "disparate-impact:sex=female")
    among = by_id(audit(*pair, *crowd, arguments=("--decision", "evidence")), "disparate-impact:sex=female")

    assert (alone["status"], among["status"]) == ("failed", "inconclusive")
    assert "Chance does not explain it (p = 0.005)." in alone["message"] and "Could be chance (p = " in among["message"]


@pytest.mark.parametrize(
    ("selected", "arguments", "code", "reason"),
    [
        (50, ("--reference-groups", "sex=male"), 0, None),
        (62, ("--reference-groups", "sex=male"), 0, None),
        (63, ("--reference-groups", "sex=male"), 1, "above-maximum-ratio"),
        (39, ("--reference-groups", "sex=male"), 1, "below-minimum-ratio"),
        (63, ("--reference-method", "largest"), 1, "above-maximum-ratio"),
    ],
)
def test_fixed_reference__both_directions(
    audit: Audit, selected: int, arguments: tuple[str, ...], code: int, reason: str | None
) -> None:
    """Against a reference that is fixed, a ratio passes from 0.80 to 1.25."""
    run = audit(people("female", selected, 100), people("male", 60, 120), arguments=arguments)

    check = by_id(run, "disparate-impact:sex=female")
    assert (run.code, check.get("reason")) == (code, reason)
    assert check["limit"] == (1.25 if reason == "above-maximum-ratio" else 0.8)


def test_reference_group__that_does_not_occur(audit: Audit) -> None:
    """A reference that is named and does not occur is an error that names the groups."""
    run = audit(people("f", 50, 100), people("m", 50, 100), arguments=("--reference-groups", "sex=male"))

    assert (run.code, run.report["checks"][0]["reason"]) == (2, "no-reference-group")
    assert "the groups are f, m" in run.report["checks"][0]["message"]


def test_reference_group__that_nobody_is_selected_from(audit: Audit) -> None:
    """A ratio to a rate of 0 is no number, and no pass."""
    run = audit(people("f", 50, 100), people("m", 0, 100), arguments=("--reference-groups", "sex=m"))

    assert (run.code, run.report["checks"][0]["reason"]) == (2, "reference-not-selected")


def labelled(name: str, true: tuple[int, int], false: tuple[int, int]) -> pd.DataFrame:
    """Return a group with (selected, total) of its positive and of its negative labels."""
    parts = [people(name, *counts).assign(y_true=label) for label, counts in ((1, true), (0, false))]
    return pd.concat(parts)


# Option, what the two groups do, the difference.
DIFFERENCES = [
    ("demographic-parity", ((50, 100), (50, 100)), ((60, 100), (60, 100)), 0.1),
    ("equal-opportunity", ((80, 100), (20, 100)), ((90, 100), (20, 100)), 0.1),
    ("equalized-odds", ((80, 100), (20, 100)), ((85, 100), (30, 100)), 0.1),
    ("false-positive-rate", ((80, 100), (20, 100)), ((80, 100), (30, 100)), 0.1),
    ("false-negative-rate", ((80, 100), (20, 100)), ((90, 100), (20, 100)), 0.1),
    ("precision", ((80, 100), (20, 100)), ((90, 100), (10, 100)), 0.1),
]


@pytest.mark.parametrize("case", DIFFERENCES, ids=[case[0] for case in DIFFERENCES])
@pytest.mark.parametrize("times", [1, 200])
def test_differences(audit: Audit, case: tuple[Any, ...], times: int) -> None:
    """A difference blocks above its limit, passes at it, and of few rows is neither shown beyond nor within it."""
    name, first, second, value = case
    groups = [
        labelled(group, *((hits * times, total * times) for hits, total in counts))
        for group, counts in (("female", first), ("male", second))
    ]
    option, check = f"--maximum-{name}-difference", f"{name}-difference:sex"

    at, below = audit(*groups, arguments=(option, str(value))), audit(*groups, arguments=(option, "0.09"))
    assert (by_id(at, check)["status"], by_id(below, check)["status"]) == ("passed", "failed")
    assert by_id(at, check)["interval"]["lower"] <= value <= by_id(at, check)["interval"]["upper"]
    strict = audit(*groups, arguments=(option, "0.12", "--decision", "strict"))
    evidence = audit(*groups, arguments=(option, "0.08", "--decision", "evidence"))
    expected = ("inconclusive", "inconclusive") if times == 1 else ("passed", "failed")
    assert (by_id(strict, check)["status"], by_id(evidence, check)["status"]) == expected


def test_differences__exact(audit: Audit) -> None:
    """0.9 - 0.7 is 0.2, whatever binary fractions make of it."""
    groups = people("female", 70, 100), people("male", 90, 100)
    assert (
        audit(*groups, arguments=("--maximum-demographic-parity-difference", "0.2", "--minimum-ratio", "0.7")).code == 0
    )


def test_differences__small_group(audit: Audit) -> None:
    """A difference that rests on ten rows of a group does not pass."""
    groups = people("female", 5, 10), people("male", 50, 100)
    run = audit(*groups, arguments=("--maximum-demographic-parity-difference", "0.2"))

    check = by_id(run, "demographic-parity-difference:sex")
    assert (check["status"], check["reason"]) == ("inconclusive", "group-too-small")
    assert "At least 30 rows of female are needed; there are 10" in check["advice"]


def test_ratio_drop__gates(audit: Audit) -> None:
    """A candidate that makes a group worse than production does is reported, and blocks beyond the margin."""
    groups = (
        people("female", 850, 1_000, production_y_pred=[1] * 950 + [0] * 50),
        people("male", 1_000, 1_000, production_y_pred=1),
    )

    run = audit(*groups)
    check = by_id(run, "disparate-impact:sex=female")
    assert (run.code, check["baseline"]) == (0, 0.95)
    assert run.report["metrics"]["features"]["sex"]["changes"]["female"]["drop"] == pytest.approx(0.1)

    assert audit(*groups, arguments=("--maximum-ratio-drop", "0.1")).code == 0
    run = audit(*groups, arguments=("--maximum-ratio-drop", "0.09"))
    check = by_id(run, "ratio-drop:sex=female")
    assert (run.code, check["baseline"], check["n"]) == (1, 0.95, 1_000)
    assert audit(*groups, arguments=("--maximum-ratio-drop", "0.09", "--decision", "evidence")).code == 4
    assert audit(*groups, arguments=("--maximum-ratio-drop", "0.05", "--decision", "evidence")).code == 1


def test_ratio_drop__few_rows_that_all_turn_are_no_evidence(audit: Audit) -> None:
    """Three rows without a spread show nothing, however clear they look."""
    groups = people("x", 0, 3, production_y_pred=1), people("male", 50, 100, production_y_pred=1)
    run = audit(*groups, arguments=("--maximum-ratio-drop", "0.1", "--decision", "evidence"))

    assert by_id(run, "ratio-drop:sex=x")["status"] == "inconclusive"


def test_ratio_drop__without_production(audit: Audit) -> None:
    """A limit on the change without production's decisions is an error, not a pass."""
    run = audit(people("f", 50, 100), people("m", 50, 100), arguments=("--maximum-ratio-drop", "0.1"))

    assert (run.code, by_id(run, "ratio-drop:sex")["reason"]) == (2, "no-production-ratio")


def test_calibration__gates(audit: Audit) -> None:
    """Scores that promise one group more than its labels keep block beyond the limit, and are reported without one."""
    groups = people("f", 50, 100, y_score=0.7), people("m", 50, 100, y_score=0.5)

    run = audit(*groups)
    assert run.code == 0
    assert run.report["metrics"]["features"]["sex"]["calibration"]["f"]["gap"] == pytest.approx(0.2)
    run = audit(*groups, arguments=("--maximum-calibration-gap", "0.15"))
    assert (run.code, by_id(run, "calibration:sex=f")["status"]) == (1, "failed")
    assert by_id(run, "calibration:sex=m")["status"] == "passed"
    assert audit(*groups, arguments=("--maximum-calibration-gap", "0.25")).code == 0
    assert audit(*groups, arguments=("--maximum-calibration-gap", "0.15", "--decision", "evidence")).code == 4
    assert audit(*groups, arguments=("--maximum-calibration-gap", "0.25", "--decision", "strict")).code == 4


@pytest.mark.parametrize("scores", [{}, {"y_score": 1.5}, {"y_score": np.nan}, {"y_score": "high"}])
def test_calibration__without_probabilities(audit: Audit, scores: dict[str, object]) -> None:
    """A limit on calibration without probabilities is refused; without the limit nobody asks for them."""
    groups = people("f", 50, 100, **scores), people("m", 50, 100, **scores)

    assert audit(*groups).code == 0
    run = audit(*groups, arguments=("--maximum-calibration-gap", "0.1"))
    assert (run.code, run.report["status"]) == (2, "error")


def errors(name: str, shift: float, n: int, spread: float = 1.0) -> pd.DataFrame:
    """Return rows of a regression whose errors have this mean and spread."""
    error = np.random.default_rng(len(name)).normal(size=n)
    error = (error - error.mean()) / error.std() * spread + shift
    return pd.DataFrame({"y_true": np.arange(n) * 1.0, "y_pred": np.arange(n) + error, "sex": name})


REGRESSION = ("--task", "regression", "--maximum-mean-error-difference", "0.5")


def test_regression__mean_error(audit: Audit) -> None:
    """Groups whose mean errors lie too far apart block; the check names both groups."""
    assert audit(errors("f", 0.2, 400), errors("mm", 0.0, 400), arguments=REGRESSION).code == 0
    run = audit(errors("f", 0.6, 400), errors("mm", 0.0, 400), arguments=REGRESSION)

    check = by_id(run, "mean-error-difference:sex")
    assert (run.code, check["reason"]) == (1, "above-maximum")
    assert check["value"] == pytest.approx(0.6)
    assert "0.6 for sex=f" in check["message"] and check["interval"]["method"] == "Welch"


def test_regression__modes_small_groups_and_production(audit: Audit) -> None:
    """The decision modes hold for errors as well; a group of ten is inconclusive; production is the baseline."""
    pair = errors("f", 0.55, 100), errors("mm", 0.0, 100)
    assert audit(*pair, arguments=(*REGRESSION, "--decision", "evidence")).code == 4
    pair = errors("f", 0.45, 100), errors("mm", 0.0, 100)
    assert audit(*pair, arguments=(*REGRESSION, "--decision", "strict")).code == 4
    assert audit(errors("f", 0.0, 10), errors("mm", 0.0, 100), arguments=REGRESSION).code == 4
    worse = [part.assign(production_y_pred=part["y_true"]) for part in pair]
    assert by_id(audit(*worse, arguments=REGRESSION), "mean-error-difference:sex")["baseline"] == 0.0


def test_regression__absolute_error(audit: Audit) -> None:
    """A group that is predicted less well blocks, though the mean errors agree."""
    pair = errors("f", 0.0, 400, spread=2.0), errors("mm", 0.0, 400, spread=1.0)
    arguments = ("--task", "regression", "--maximum-absolute-error-difference", "0.5")

    assert audit(*pair, arguments=REGRESSION).code == 0
    assert audit(*pair, arguments=arguments).code == 1


def test_weights__make_uncertain(audit: Audit) -> None:
    """A few rows that weigh much are fewer rows: the interval grows with them."""
    table = pd.concat([people("f", 500, 1_000), people("m", 500, 1_000)])
    uneven = table.assign(sample_weight=np.where(np.arange(len(table)) % 20 == 0, 100.0, 1.0))

    widths = []
    for rows in (table, uneven):
        interval = by_id(audit(rows, arguments=("--reference-groups", "sex=m")), "disparate-impact:sex=f")["interval"]
        widths.append(interval["upper"] - interval["lower"])

    assert widths[1] > 2 * widths[0]


FAIR = (people("f", 50, 100), people("m", 50, 100))
TABLE = pd.concat(FAIR, ignore_index=True)
# What is wrong, the table, further arguments, a word of what to do.
TRAPS: list[tuple[str, pd.DataFrame, tuple[str, ...], str]] = [
    ("strings", TABLE.assign(y_pred=TABLE["y_pred"].map({0: "no", 1: "yes"})), (), "positive-label"),
    ("scores", TABLE.assign(y_pred=np.linspace(0.01, 0.99, 200)), (), "positive-label"),
    ("scores, label", TABLE.assign(y_pred=TABLE["y_pred"] * 0.8), ("--positive-label", "1"), "cut-off"),
    ("one group", TABLE.assign(sex="f"), (), "every group occurs"),
    ("no positives", TABLE.assign(y_pred=0), (), "cut-off"),
    ("not a number", TABLE.assign(y_pred=TABLE["y_pred"].where(TABLE.index > 3)), (), "without a value"),
    ("infinite", TABLE.assign(y_pred=TABLE["y_pred"].where(TABLE.index > 3, np.inf)), (), "infinite"),
    ("missing attribute", TABLE.drop(columns="sex"), (), "has no column `sex`"),
    ("empty attribute", TABLE.assign(sex=None), (), "every group occurs"),
    ("continuous", TABLE.assign(sex=np.linspace(18, 80, 200)), (), "bins: sex="),
    ("continuous texts", TABLE.assign(sex=np.linspace(18, 80, 200).astype(str)), (), "bins: sex="),
    ("100 groups", TABLE.assign(sex=[f"g{row % 100}" for row in range(200)]), (), "fewer categories"),
    ("no rows", TABLE.head(0), (), "no rows"),
    ("no weight", TABLE.assign(sample_weight=0.0), (), "no row counts"),
    ("weight missing", TABLE.assign(sample_weight=np.nan), (), "without a value"),
    ("repeated ids", TABLE.assign(row_id=1), (), "more than once"),
    ("no positive labels", TABLE.assign(y_true=0), ("--maximum-equal-opportunity-difference", "0.1"), "both labels"),
]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("trap", TRAPS, ids=[trap[0] for trap in TRAPS])
def test_traps(cd4ml: Callable[..., Run], tmp_path: Path, trap: tuple[Any, ...], kind: str) -> None:
    """What fairlearn makes a number of, or drops, ends in `error` and exit code 2 and says what to do, in each mode."""
    _, table, arguments, word = trap
    path = tmp_path / f"table.{kind}"
    table.to_parquet(path, index=False) if kind == "parquet" else table.to_csv(path, index=False)

    for mode in ("point", "evidence"):
        run = cd4ml(
            *("audit-fairness", "--predictions", path.name, "--sensitive-features", "sex"),
            *("--decision", mode, *arguments),
        )

        assert (run.code, run.report["status"]) == (2, "error")
        texts = [f"{check['message']} {check.get('advice', '')}" for check in run.report["checks"]]
        assert any(word in text for text in texts), texts


@pytest.mark.parametrize(
    "arguments",
    [
        ("--task", "regression"),
        (*REGRESSION, "--maximum-ratio-drop", "0.1"),
        ("--maximum-mean-error-difference", "0.1"),
        ("--maximum-precision-difference", "-0.1"),
        ("--maximum-precision-difference", "1"),
        ("--reference-groups", "race=a"),
        ("--reference-groups", "sex=f", "--exclude-groups", "sex=f"),
        ("--exclude-groups", "sex=f,sex=m"),
        ("--reference-method", "smallest"),
    ],
)
def test_bad_options__refused(audit: Audit, arguments: tuple[str, ...]) -> None:
    """Options that decide nothing, or contradict each other, end in exit code 2."""
    run = audit(*FAIR, arguments=arguments)

    assert (run.code, run.report["status"]) == (2, "error")


def test_intersections__too_many_groups(audit: Audit) -> None:
    """A combination with more groups than can be compared is named, and an error where it gates."""
    table = pd.concat([people(f"g{number}", 20, 40) for number in range(50)])
    table["race"] = [f"r{row % 3}" for row in range(len(table))]
    arguments = ("--sensitive-features", "race", "--minimum-ratio", "0.01", "--minimum-group-size", "1")

    run = audit(table, arguments=arguments)
    assert run.code == 0
    assert run.report["metrics"]["features"]["sex & race"] == {"groups": 150, "compared": False}
    assert audit(table, arguments=(*arguments, "--intersections", "gate")).code == 2


def test_csv_and_parquet_agree(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The same rows give the same checks and numbers from both kinds of file, bins and weights included."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({name: random.integers(0, 2, 3_000) for name in ("y_true", "y_pred", "production_y_pred")})
    table = table.assign(age=random.integers(18, 90, 3_000), sample_weight=random.integers(1, 4, 3_000))
    table["y_score"] = random.integers(0, 8, 3_000) / 8
    table.loc[::50, "age"] = None
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet", index=False)

    reports = [
        cd4ml("audit-fairness", "--predictions", name, "--sensitive-features", "age", "--bins", "age=25:40").report
        for name in ("a.csv", "a.parquet")
    ]

    assert reports[0]["checks"] == reports[1]["checks"]
    assert reports[0]["metrics"] == reports[1]["metrics"]
    assert {"<25", "25 to <40", ">=40", "(missing)"} == set(reports[0]["metrics"]["features"]["age"]["by_group"])


def test_process__exit_code_and_words(tmp_path: Path) -> None:
    """As a process of its own: the exit code, and on the screen which group, which ratio, which n."""
    pd.concat([people("f", 39, 100), people("m", 50, 100)]).to_csv(tmp_path / "table.csv", index=False)

    run = run_cd4ml(tmp_path, "audit-fairness", "--predictions", "table.csv", "--sensitive-features", "sex")

    assert run.code == 1
    assert (
        "sex=f: 39.0 % of 100 selected, 50.0 % of 100 for m; ratio 0.7800 (at least 0.8000)." in run.stdout + run.stderr
    )
