"""detect-drift on features: what must block, what must be flagged, and what must pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cd4ml.checks.drift.effects import Limits, band
from cd4ml.metrics.drift.distance import Distance, Test
from cd4ml.metrics.drift.feature import FeatureDrift
from cd4ml.report import fixed
from tests.conftest import Run
from tests.stages.detect_drift.conftest import Drift, by_id, customers


def test_same_distribution__passes(drift: Drift) -> None:
    """Two samples of the same customers pass, and nothing asks for retraining."""
    run = drift(customers(), customers(seed=2))

    assert (run.code, run.report["status"]) == (0, "passed")
    assert run.report["outputs"]["drift"] == run.report["outputs"]["retrain"] == "false"
    assert {"drift:age", "drift:income", "drift:city", "drift:member", "missing-rate:age"} <= set(by_id(run))


@pytest.mark.parametrize(
    ("shift", "code", "reason", "retrain"),
    [(0.0, 0, None, "false"), (0.35, 0, "moderate-drift", "true"), (1.0, 1, "significant-drift", "true")],
    ids=["stable", "moderate", "significant"],
)
def test_bands(drift: Drift, shift: float, code: int, reason: str | None, retrain: str) -> None:
    """A stable feature passes, a moderate drift passes and asks for retraining, a significant one blocks."""
    current = customers(seed=2)
    run = drift(customers(), current.assign(income=current["income"] + 10 * shift))

    found = by_id(run)["drift:income"]
    assert (run.code, found.get("reason"), run.report["outputs"]["retrain"]) == (code, reason, retrain)
    assert run.report["outputs"]["drift"] == retrain
    if reason:
        assert run.report["outputs"]["worst-feature"] == "income" and found["advice"]


@pytest.mark.parametrize(
    ("share", "code", "reason"), [(0.58, 0, None), (0.66, 0, "moderate-drift"), (0.80, 1, "significant-drift")]
)
def test_bands__psi_alone(drift: Drift, share: float, code: int, reason: str | None) -> None:
    """By the index alone: half of one category becomes 58 % (PSI 0.03), 66 % (0.11) and 80 % (0.42)."""
    rows = np.arange(10_000)
    reference = pd.DataFrame({"kind": np.where(rows < 5_000, "a", "b")})
    current = pd.DataFrame({"kind": np.where(rows < 10_000 * share, "a", "b")})
    run = drift(reference, current)

    found = by_id(run)["drift:kind"]
    expected = (share - 0.5) * np.log(share / 0.5) + (0.5 - share) * np.log((1 - share) / 0.5)
    assert found["value"] == pytest.approx(expected - 2 / 10_000, abs=1e-9)
    assert (run.code, found.get("reason")) == (code, reason)


def test_moderate__fails_where_asked(drift: Drift) -> None:
    """Moderate drift blocks with `on-moderate: fail`."""
    current = customers(seed=2)
    run = drift(customers(), current.assign(income=current["income"] + 3.5), "--on-moderate", "fail")

    assert (run.code, by_id(run)["drift:income"]["status"]) == (1, "failed")


def test_limits__are_the_users(drift: Drift) -> None:
    """What blocks by default passes under wider limits, and the reverse."""
    current = customers(seed=2)
    moved = current.assign(income=current["income"] + 10)
    wide = ("--moderate", "0.9", "--significant", "0.95", "--moderate-distance", "0.8", "--significant-distance", "0.9")
    wide = (*wide[:2], "--significant", "5", *wide[4:])

    assert drift(customers(), moved, *wide).code == 0
    slightly = current.assign(income=current["income"] + 2.0)
    assert drift(customers(), slightly).code == 0
    assert drift(customers(), slightly, "--significant-distance", "0.05", "--moderate-distance", "0.05").code == 1


def test_ks__integers_exact(drift: Drift) -> None:
    """On whole numbers the distance is scipy's to the last digit, and no error is stated."""
    reference, current = customers(), customers(seed=2)
    run = drift(reference, current)

    found = run.report["metrics"]["features"]["age"]["ks"]
    assert found["statistic"] == pytest.approx(stats.ks_2samp(reference["age"], current["age"]).statistic, abs=1e-12)
    assert found["error"] == 0 and " to " not in by_id(run)["drift:age"]["message"]


def test_ks__floats_with_bound(drift: Drift) -> None:
    """On floats the true distance lies within the error that the message prints."""
    reference, current = customers(), customers(seed=2)
    run = drift(reference, current)

    found = run.report["metrics"]["features"]["income"]["ks"]
    true = stats.ks_2samp(reference["income"], current["income"]).statistic
    assert found["statistic"] - 1e-12 <= true <= found["statistic"] + found["error"] + 1e-12
    assert 0 < found["error"] < 0.01
    ends = fixed(found["statistic"]), fixed(found["statistic"] + found["error"], found["statistic"])
    assert f"KS distance {ends[0]} to {ends[1]} (" in by_id(run)["drift:income"]["message"]


def test_ks__whole_numbers_against_halves(drift: Drift) -> None:
    """Where the current values are no whole numbers any more, the distance is no longer called exact."""
    current = customers(seed=2)
    run = drift(customers(), current.assign(age=current["age"] + 0.5))

    assert run.report["metrics"]["features"]["age"]["ks"]["error"] > 0


def test_categories__tests_and_distance(drift: Drift) -> None:
    """Chi-square, G and Jensen-Shannon of categories are scipy's."""
    reference, current = customers(), customers(seed=2)
    found = drift(reference, current).report["metrics"]["features"]["city"]

    table = [frame["city"].value_counts().sort_index().tolist() for frame in (reference, current)]
    chi_square = stats.chi2_contingency(table, correction=False)
    g = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert found["test"]["p_value"] == pytest.approx(chi_square.pvalue, abs=1e-9)
    assert found["g"]["p_value"] == pytest.approx(g.pvalue, abs=1e-9)
    assert 0 <= found["jensen_shannon"] < 0.1


def test_categories__many_rare_ones(drift: Drift) -> None:
    """A drift is seen among hundreds of rare categories as well: their bias does not swallow it."""
    rng = np.random.default_rng(0)
    rare = np.array([f"c{number:03d}" for number in range(400)])
    labels = {side: rare[rng.integers(0, 400, 2_000)].astype(object) for side in ("reference", "current")}
    labels["reference"][:1_000], labels["current"][:1_000] = "x", "y"
    labels["reference"][1_000:1_100], labels["current"][1_000:1_100] = "y", "x"
    run = drift(pd.DataFrame({"kind": labels["reference"]}), pd.DataFrame({"kind": labels["current"]}))

    assert (run.code, by_id(run)["drift:kind"]["reason"]) == (1, "significant-drift")


@pytest.mark.parametrize("shown", [True, False])
def test_unseen_categories__block(drift: Drift, shown: bool) -> None:
    """Rows in new categories block; which ones is said only where values may be shown."""
    current = customers(seed=2)
    current.loc[:99, "city"] = "Atlantis"
    run = drift(customers(), current, *(["--include-values", "true"] if shown else []))

    found = by_id(run)["unseen-categories:city"]
    assert (run.code, found["status"], found["reason"]) == (1, "failed", "unseen-categories")
    assert found["value"] == pytest.approx(0.05)
    assert ("Atlantis" in json.dumps(run.report)) is shown
    assert run.report["outputs"]["retrain"] == "true"


def test_unseen_categories__few_pass(drift: Drift) -> None:
    """A share of new categories below the limit passes."""
    current = customers(seed=2)
    current.loc[:9, "city"] = "Atlantis"

    assert by_id(drift(customers(), current))["unseen-categories:city"]["status"] == "passed"


@pytest.mark.parametrize(("gaps", "code"), [(200, 1), (60, 0)])
@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_missing_rate(drift: Drift, gaps: int, code: int, gap: float | None) -> None:
    """Ten percent more rows without a usable value block, three percent pass: nulls, NaN and infinities alike."""
    current = customers(seed=2)
    values = current["income"].astype(object)
    values[:gaps] = gap
    income = values.astype("Float64" if gap is None else "float64")
    run = drift(customers(), current.assign(income=income))

    found = by_id(run)["missing-rate:income"]
    assert run.code == code
    assert found["value"] == pytest.approx(gaps / 2_000)
    assert found.get("reason") == ("missing-rate-changed" if code else None)


@pytest.mark.parametrize("side", ["reference", "current"])
@pytest.mark.parametrize(
    ("column", "value"), [("income", np.nan), ("income", np.inf), ("income", None), ("city", None), ("age", None)]
)
def test_nothing_usable__error(drift: Drift, side: str, column: str, value: Any) -> None:
    """A column without one usable value, in either sample, is an error and never a pass."""
    tables = {"reference": customers(), "current": customers(seed=2)}
    tables[side][column] = value
    run = drift(tables["reference"], tables["current"])

    found = by_id(run)[f"drift:{column}"]
    assert (run.code, found["status"], found["reason"]) == (2, "error", "no-usable-value")
    assert side in found["message"]


@pytest.mark.parametrize("side", ["reference", "current"])
def test_empty_table__error(drift: Drift, side: str) -> None:
    """A table without rows is an error."""
    tables = {"reference": customers(), "current": customers(seed=2)}
    tables[side] = tables[side].head(0)
    run = drift(tables["reference"], tables["current"])

    assert (run.code, run.report["status"]) == (2, "error")
    assert "no rows" in run.report["summary"]


@pytest.mark.parametrize("rows", [1, 99])
def test_few_rows__inconclusive(drift: Drift, rows: int) -> None:
    """One row, or 99, decide nothing: the verdict is inconclusive and says how many are needed."""
    run = drift(customers(), customers(rows, seed=2))

    assert (run.code, run.report["status"]) == (4, "inconclusive")
    assert "100" in by_id(run)["drift:age"]["advice"]


def test_other_type__error(drift: Drift) -> None:
    """A column of another type is an error, not a drift."""
    run = drift(customers(), customers(seed=2).astype({"age": str}))

    assert run.code == 2 and "`age` is of type text" in run.report["summary"]


def test_missing_column__error(drift: Drift) -> None:
    """A column that the current data lack is an error that names the nearest one."""
    run = drift(customers(), customers(seed=2).rename(columns={"income": "incomes"}))

    assert run.code == 2
    assert "no column `income` (did you mean `incomes`?)" in run.report["summary"]


def test_excluded_column__not_compared(drift: Drift) -> None:
    """A column that is left out is not compared, and the report names it."""
    run = drift(customers(), customers(seed=2).drop(columns="income"), "--exclude", "income")

    assert run.code == 0 and "income" in run.report["details"]["not_compared"]


def test_current_is_reference__error(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Data compared with themselves are an error: that would always pass."""
    customers().to_parquet(tmp_path / "a.parquet", index=False)
    run = cd4ml("detect-drift", "--reference", "a.parquet", "--current", "a.parquet")

    assert run.code == 2 and "the reference itself" in run.report["summary"]


def test_constant_reference__movement_is_seen(drift: Drift) -> None:
    """A feature that was constant and now varies is significant drift, though it has one bin only."""
    run = drift(customers().assign(age=30), customers(seed=2))

    assert (run.code, by_id(run)["drift:age"]["reason"]) == (1, "significant-drift")


def test_extreme_values__no_defect(drift: Drift) -> None:
    """Numbers over the whole range of floats are counted, and their drift is seen."""
    signs = np.where(np.arange(2_000) % 2, 1.5e308, -1.5e308)
    run = drift(customers(), customers(seed=2).assign(income=signs))
    assert (run.code, by_id(run)["drift:income"]["reason"]) == (1, "significant-drift")

    run = drift(customers().assign(income=signs), customers(seed=2))
    assert run.code == 1


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times__units_do_not_matter(drift: Drift, unit: str) -> None:
    """Times that are named as features are compared in one unit, whatever the files hold."""
    start = pd.Timestamp("2026-01-01")
    rng = np.random.default_rng(0)
    at = [start + pd.to_timedelta(rng.integers(0, 86_400, 2_000), unit="s") for _ in range(2)]
    reference = pd.DataFrame({"at": at[0].astype("datetime64[us]")})
    run = drift(reference, pd.DataFrame({"at": at[1].astype(f"datetime64[{unit}]")}), "--features", "at")

    assert run.code == 0, run.report["summary"]


def test_sample__said_first(drift: Drift) -> None:
    """A sample is looked at only where asked for; then the first check and the first sentence say so."""
    run = drift(customers(), customers(seed=2), "--sample-every", "3")

    assert run.code == 0
    assert run.report["checks"][0]["id"] == "sampled"
    assert run.report["summary"].startswith("Sampled: ")
    assert by_id(run)["drift:age"]["n"] == 667
    assert "sampled" not in by_id(drift(customers(), customers(seed=2)))


@pytest.mark.parametrize("name", ["current.csv", "current.arrow"])
def test_kinds_of_tables__same_numbers(drift: Drift, cd4ml: Callable[..., Run], tmp_path: Path, name: str) -> None:
    """CSV and Arrow give the numbers of Parquet, samples included."""
    sampled = ("--sample-every", "7")
    for extra in ((), sampled):
        parquet = drift(customers(), customers(seed=2), *extra)
        frame = pd.read_parquet(tmp_path / "current.parquet")
        frame.to_csv(tmp_path / name, index=False) if name.endswith("csv") else frame.to_feather(tmp_path / name)
        other = cd4ml("detect-drift", "--reference", "reference.parquet", "--current", name, *extra)

        assert other.report["metrics"] == parquet.report["metrics"]


def test_many_tests__corrected(drift: Drift) -> None:
    """Of forty features that do not drift none raises an alarm, although some p-values are small."""
    reference, current = (
        pd.DataFrame(np.random.default_rng(seed).normal(size=(300, 40))).rename(columns=str) for seed in (0, 1)
    )
    for correction in ("holm", "benjamini-hochberg"):
        run = drift(reference, current, "--correction", correction)
        assert run.code == 0 and run.report["outputs"]["drift"] == "false"
        assert run.report["details"]["correction"] == correction


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--moderate", "1.5"], "moderate must be"),
        (["--alpha", "0"], "alpha must be above 0"),
        (["--significant", "0.05"], "significant must not be below moderate"),
        (["--psi-bins", "1"], "psi-bins must be at least 2"),
        (["--minimum-sample-size", "1"], "minimum-sample-size must be at least 2"),
        (["--sample-every", "0"], "sample-every must be at least 1"),
        (["--features", "agee"], "did you mean `age`"),
        (["--categorical", "cityy"], "did you mean `city`"),
        (["--features", "age", "--exclude", "age"], "both in features and in exclude"),
        (["--save-profile", "p.json", "--sample-every", "2"], "save-profile needs all rows"),
        (["--save-profile", "p.txt"], "must end in .json"),
        (["--label", "paid"], "no column `paid`"),
        (["--alpha", "nan"], "finite"),
    ],
)
def test_options__refused(drift: Drift, arguments: list[str], said: str) -> None:
    """Options that decide nothing or contradict each other are refused with exit code 2."""
    run = drift(customers(), customers(seed=2), *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert said in run.report["summary"]


def test_nothing_to_do__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Without current data and without a profile to save there is nothing to do, and that is an error."""
    customers().to_parquet(tmp_path / "a.parquet", index=False)

    assert cd4ml("detect-drift", "--reference", "a.parquet").code == 2


def test_missing_file__unavailable(cd4ml: Callable[..., Run]) -> None:
    """A table that is not there ends with exit code 3."""
    assert cd4ml("detect-drift", "--reference", "a.parquet", "--current", "b.parquet").code == 3


def test_too_many_categories__refused(drift: Drift) -> None:
    """A text column of more categories than can be counted is refused with the way to leave it out."""
    names = [f"shop-{number % 12_000}" for number in range(30_000)]
    run = drift(pd.DataFrame({"shop": names}), pd.DataFrame({"shop": names[::-1][:-1]}))

    assert run.code == 2 and "exclude" in str(run.report["checks"])


def test_predictions_table__production_and_bookkeeping_are_no_features(drift: Drift) -> None:
    """Of a predictions table the candidate's decisions and scores are compared, not ids, weights or production's."""
    rng = np.random.default_rng(0)
    scores: dict[str, Any] = {
        f"{model}y_score_{name}": rng.random(2_000) for model in ("", "production_") for name in ("a", "b")
    }
    decided: dict[str, Any] = {"y_true": "a", "y_pred": rng.choice(["a", "b"], 2_000), "production_y_pred": "a"}
    table = customers().assign(row_id=np.arange(2_000), sample_weight=1.0, **decided, **scores)

    run = drift(table, table.assign(row_id=table["row_id"] + 10_000, y_true="b", income=table["income"][::-1].array))

    compared = {name.partition(":")[2] for name in by_id(run) if name.startswith("drift:")}
    assert compared == {"age", "income", "city", "member", "y_pred", "y_score_a", "y_score_b"}


@pytest.mark.parametrize(
    ("psi", "distance", "expected"),
    [
        (0.0999, 0.0799, None),
        (0.10, 0.0, "moderate-drift"),
        (0.0, 0.08, "moderate-drift"),
        (0.25, 0.1999, "moderate-drift"),
        (0.2501, 0.0, "significant-drift"),
        (0.0, 0.20, "significant-drift"),
    ],
)
def test_band__at_its_edges(psi: float, distance: float, expected: str | None) -> None:
    """The index is stable below 0.10 and significant above 0.25; the distance speaks from 0.08 and from 0.20 on."""
    nothing = Test(name="none", statistic=0.0, p_value=1.0)
    feature = FeatureDrift(
        name="x",
        kind="numeric",
        n_reference=1_000,
        n_current=1_000,
        psi=psi,
        bias=0.0,
        bins=10,
        test=nothing,
        missing_reference=0.0,
        missing_current=0.0,
        missing_test=nothing,
        ks=Distance(statistic=distance, error=0.0),
    )

    assert band(feature, Limits()) == expected


@pytest.mark.parametrize("name", ["^income$", "*", "^.*$", "income.eur"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_feature_named_like_a_pattern__is_compared_itself(
    cd4ml: Callable[..., Run], tmp_path: Path, name: str, kind: str
) -> None:
    """What drifts is the column of this name, not one that the name matches or begins with."""
    before = customers()[["income"]].assign(**{name: np.linspace(0, 1, 2_000)})
    now = customers(seed=2)[["income"]].assign(**{name: np.linspace(5, 6, 2_000)})
    for table, file in ((before, f"before.{kind}"), (now, f"now.{kind}")):
        columns = table[[name, "income"]]
        columns.to_csv(tmp_path / file, index=False) if kind == "csv" else columns.to_parquet(tmp_path / file)

    run = cd4ml("detect-drift", "--reference", f"before.{kind}", "--current", f"now.{kind}")

    drifted = [key for key, check in by_id(run).items() if key.startswith("drift:") and check["status"] != "passed"]
    assert drifted == [f"drift:{name}"]


@pytest.mark.parametrize(("before", "now"), [("None", "NA"), ("null", "n/a")])
def test_categories_named_like_missing_values__drift(
    cd4ml: Callable[..., Run], tmp_path: Path, before: str, now: str
) -> None:
    """A change from one word for a missing value to another is a change of categories, in CSV as in Parquet."""
    tables = {name: pd.DataFrame({"kind": [word] * 600 + ["x"] * 400}) for name, word in (("a", before), ("b", now))}
    found = []
    for kind in ("csv", "parquet"):
        for name, table in tables.items():
            path = tmp_path / f"{name}.{kind}"
            table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        run = cd4ml("detect-drift", "--reference", f"a.{kind}", "--current", f"b.{kind}")
        found.append((run.code, by_id(run)["drift:kind"]["value"]))

    assert found[0] == found[1] and found[0][0] == 1
