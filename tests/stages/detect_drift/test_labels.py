"""Performance on delayed labels: whether it dropped, and whether the inputs or the target changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from cd4ml.checks.drift.concept import ConceptLimits, origin_check, window_checks
from cd4ml.metrics.drift.concept import Increase, Origin, _logistic, importance_weights, increase, origin
from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Status
from tests.stages.detect_drift.conftest import Drift, by_id

LABELS = ("--label", "y_true", "--features", "x, kind")


def scored(rows: int = 3_000, seed: int = 1, *, centre: float = 0.0, flipped: float = 0.0) -> pd.DataFrame:
    """Return decisions of a model that errs more the larger |x| is.

    Args:
        centre: mean of x; moved away from 0, the model meets more of the rows on which it is weak.
        flipped: share of labels that turn to their opposite, wherever x is.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(centre, 1.0, rows)
    y_pred = (rng.random(rows) < 0.5).astype(int)
    wrong = rng.random(rows) < np.clip(0.02 + 0.08 * x**2, 0, 0.5)
    wrong ^= rng.random(rows) < flipped
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), unit="min")
    kind = rng.choice(["a", "b"], rows)
    return pd.DataFrame({"x": x, "kind": kind, "y_pred": y_pred, "y_true": y_pred ^ wrong, "at": at})


def test_performance_holds__passes(drift: Drift) -> None:
    """A model that errs as often as before passes, and nothing is to explain."""
    run = drift(scored(), scored(seed=2), *LABELS)

    assert run.code == 0
    assert by_id(run)["performance:labelled-rows"]["status"] == by_id(run)["drift-origin"]["status"] == "passed"


def test_concept_drift__told(drift: Drift) -> None:
    """Other outcomes for the same inputs are concept drift: look at the target, and do not retrain yet."""
    run = drift(scored(), scored(seed=2, flipped=0.25), *LABELS)

    found = by_id(run)["drift-origin"]
    assert (run.code, found["reason"]) == (1, "concept-drift")
    assert "Re-examine the target" in found["advice"] and "P(Y|X)" in found["message"]
    assert (run.report["outputs"]["drift"], run.report["outputs"]["retrain"]) == ("true", "false")


def test_covariate_shift__told(drift: Drift) -> None:
    """More of the rows on which the model was always weak are a shift of the inputs: retraining is asked for."""
    run = drift(scored(8_000), scored(8_000, seed=2, centre=1.2), *LABELS)

    found = by_id(run)["drift-origin"]
    assert (run.code, found["reason"]) == (1, "covariate-shift")
    assert "Retrain" in found["advice"] and run.report["outputs"]["retrain"] == "true"


def test_no_overlap__told(drift: Drift) -> None:
    """Inputs that the reference never had make the origin unknowable, and the report says so."""
    run = drift(scored(), scored(seed=2, centre=8.0), *LABELS)

    assert (run.code, by_id(run)["drift-origin"]["reason"]) == (1, "no-overlap")


def test_windows__the_bad_one_is_named(drift: Drift) -> None:
    """Of four windows of time the one in which the model got worse fails, whatever the order of the rows."""
    current = scored(4_000, seed=2)
    current.loc[current.index >= 3_000, "y_true"] = scored(4_000, seed=2, flipped=0.3)["y_true"]
    run = drift(scored(), current.sample(frac=1, random_state=0), *LABELS, "--time-column", "at")

    states = {name: check["status"] for name, check in by_id(run).items() if name.startswith("performance:")}
    assert run.code == 1
    assert list(states.values()) == ["passed", "passed", "passed", "failed"]
    assert "2026-01-0" in by_id(run)["performance:window-4"]["message"]
    interval = by_id(run)["performance:window-4"]["interval"]
    assert interval["lower"] < by_id(run)["performance:window-4"]["value"] < interval["upper"]


def test_labels_still_missing__inconclusive(drift: Drift) -> None:
    """Where labels have not arrived the verdict is inconclusive; labels that arrived in part are looked at."""
    current = scored(seed=2).astype({"y_true": "Int64"})
    late = current.assign(y_true=current["y_true"].where(current.index < 20))
    run = drift(scored(), late, *LABELS)
    assert (run.code, by_id(run)["performance"]["reason"]) == (4, "too-few-labels")

    part = current.assign(y_true=current["y_true"].where(current.index < 1_000))
    assert by_id(drift(scored(), part, *LABELS))["performance:labelled-rows"]["n"] == 1_000


@pytest.mark.parametrize("column", ["y_pred", "at"])
def test_label_without_prediction_or_time__error(drift: Drift, column: str) -> None:
    """A labelled row without a prediction or a time is an error."""
    current = scored(seed=2)
    current[column] = current[column].astype("Int64" if column == "y_pred" else current[column].dtype)
    current.loc[3, column] = None
    run = drift(scored(), current, *LABELS, "--time-column", "at")

    assert run.code == 2 and f"no `{column}`" in run.report["summary"]


@pytest.mark.parametrize(("scale", "code"), [(1.0, 0), (1.5, 1)])
def test_regression(drift: Drift, scale: float, code: int) -> None:
    """For regression a mean absolute error that grew by half blocks, the same one passes."""

    def table(seed: int, scale: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=2_000)
        return pd.DataFrame({"x": x, "kind": "a", "y_pred": x, "y_true": x + scale * rng.normal(size=2_000)})

    run = drift(table(1, 1.0), table(2, scale), *LABELS, "--task", "regression")

    assert run.code == code
    assert by_id(run)["performance:labelled-rows"]["metric"] == "mean-absolute-error-increase"


def test_text_labels__regression_refused(drift: Drift) -> None:
    """Labels that are texts are no numbers to subtract."""
    run = drift(
        scored().astype({"y_true": str}), scored(seed=2).astype({"y_true": str}), *LABELS, "--task", "regression"
    )

    assert run.code == 2 and "must be numbers" in run.report["summary"]


def test_labels_of_another_type__same_verdict(drift: Drift) -> None:
    """1 of one column is the 1.0 or "1" of another."""
    plain = drift(scored(), scored(seed=2), *LABELS).report["checks"]
    as_float: dict[str, Any] = {"y_true": float}

    assert drift(scored().astype(as_float), scored(seed=2).astype(as_float), *LABELS).report["checks"] == plain
    texts = [scored(seed=seed).astype({"y_true": str}) for seed in (1, 2)]
    assert drift(texts[0], texts[1], *LABELS).report["checks"] == plain


@pytest.mark.parametrize(
    ("current", "p_value", "failed"),
    [(0.20, 0.001, True), (0.20, 0.05, True), (0.20, 0.06, False), (0.15, 0.001, False), (0.11, 0.001, False)],
)
def test_window__decided_by_size_and_certainty(current: float, p_value: float, failed: bool) -> None:
    """A window fails if the loss grew by more than is allowed and chance does not explain it, not by one alone."""
    found = Increase(
        reference=0.10,
        current=current,
        n_reference=1_000,
        n_current=1_000,
        bounds=Bounds(lower=0.0, upper=0.2),
        method="normal",
        p_value=p_value,
    )
    check = window_checks([("all", found)], ConceptLimits(maximum_increase=0.05))[0]

    assert (check.status is Status.FAILED, check.reason == "performance-dropped") == (failed, failed)


@pytest.mark.parametrize(
    ("inputs", "relation", "sure", "reason"),
    [
        (0.01, 0.05, "both", "concept-drift"),
        (0.03, 0.03, "both", "concept-drift"),
        (0.05, 0.01, "both", "covariate-shift"),
        (0.05, 0.01, "relation", "undecided"),
        (0.01, 0.05, "inputs", "undecided"),
        (0.05, 0.01, "neither", "undecided"),
    ],
)
def test_origin__named_by_the_larger_part_if_it_is_sure(inputs: float, relation: float, sure: str, reason: str) -> None:
    """The larger part of an increase names it, if its interval lies above 0; else nothing is said of the cause."""
    certain, unsure = Bounds(lower=0.005, upper=0.1), Bounds(lower=-0.005, upper=0.1)
    found = Origin(
        from_inputs=inputs,
        inputs_bounds=certain if sure in ("both", "inputs") else unsure,
        from_relation=relation,
        relation_bounds=certain if sure in ("both", "relation") else unsure,
        effective_rows=1_000,
    )

    assert origin_check(found).reason == reason


# --- the numbers


def test_increase__welch() -> None:
    """The p-value of a growing mean is scipy's one-sided Welch test, up to the normal approximation."""
    rng = np.random.default_rng(0)
    before, after = rng.gamma(2, 1, 4_000), rng.gamma(2, 1.03, 3_000)
    expected = stats.ttest_ind(after, before, equal_var=False, alternative="greater")

    assert increase(before, after).p_value == pytest.approx(expected.pvalue, abs=1e-4)


def test_logistic__scikit_learn() -> None:
    """The coefficients are scikit-learn's with the same ridge penalty."""
    rng = np.random.default_rng(0)
    design = np.hstack([np.ones((500, 1)), rng.normal(size=(500, 3))])
    target = (rng.random(500) < 1 / (1 + np.exp(-design @ [0.3, 1.0, -0.5, 0.0]))).astype(float)
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=1_000).fit(design[:, 1:], target)

    found = _logistic(design, target)

    assert found[1:] == pytest.approx(expected.coef_[0], abs=1e-4)
    assert found[0] == pytest.approx(expected.intercept_[0], abs=1e-4)


def test_importance_weights__gaussians() -> None:
    """For normal samples of different means, the weighted reference has the mean and spread of the current one."""
    rng = np.random.default_rng(0)
    reference, current = rng.normal(0, 1, (40_000, 1)), rng.normal(0.5, 1, (40_000, 1))
    weights = importance_weights(reference, current)

    mean = float(weights @ reference[:, 0])
    assert weights.sum() == pytest.approx(1)
    assert mean == pytest.approx(0.5, abs=0.03)
    assert np.sqrt(weights @ (reference[:, 0] - mean) ** 2) == pytest.approx(1, abs=0.03)
    # Density ratio of N(0.5, 1) and N(0, 1): effective share 1 / E[w²] = exp(-0.25).
    assert 1 / np.sum(weights**2) / 40_000 == pytest.approx(np.exp(-0.25), abs=0.03)


def test_origin__sums_up() -> None:
    """Both parts add up to the whole, and each known cause is found in its own part."""
    rng = np.random.default_rng(0)
    x, moved = rng.normal(0, 1, (20_000, 1)), rng.normal(0.7, 1, (20_000, 1))
    by_inputs = origin(x[:, 0], moved[:, 0], x, moved)
    by_relation = origin(x[:, 0], moved[:, 0] + 0.3, x, moved)

    for found, relation in ((by_inputs, 0.0), (by_relation, 0.3)):
        whole = float(moved.mean() + relation - x.mean())
        assert found.from_inputs + found.from_relation == pytest.approx(whole)
        assert found.relation_bounds.lower <= relation <= found.relation_bounds.upper
        assert found.inputs_bounds.lower <= 0.7 <= found.inputs_bounds.upper


@pytest.mark.parametrize("way", ["bool", "words", "numbers", "floats"])
def test_labels__booleans_by_any_name(drift: Drift, way: str) -> None:
    """True of the labels is the 1 or the True of the predictions: no model is wrong on every row for its spelling."""
    ways: dict[str, Any] = {
        "bool": lambda column: column == 1,
        "words": lambda column: np.where(column == 1, "True", "False"),
        "numbers": lambda column: column,
        "floats": lambda column: column.astype(float),
    }
    plain = [scored(), scored(seed=2, flipped=0.25)]
    tables = [table.assign(y_true=table["y_true"] == 1, y_pred=ways[way](table["y_pred"])) for table in plain]
    found, expected = (by_id(drift(*pair, *LABELS))["performance:labelled-rows"] for pair in (tables, plain))

    assert (found["status"], found["value"], found["baseline"]) == ("failed", expected["value"], expected["baseline"])


def test_labels__nothing_in_common(drift: Drift) -> None:
    """Labels and predictions that share no word are refused: an error rate of 1 in both samples would be no drop."""
    tables = [
        scored(seed=seed).assign(y_true=lambda table: table["y_true"].map({1: "Yes", 0: "No"})) for seed in (1, 2)
    ]
    run = drift(*(table.assign(y_pred=table["y_pred"].map({1: "yes", 0: "no"})) for table in tables), *LABELS)

    assert run.code == 2 and "share no label" in run.report["summary"]


def test_labels__decimals(drift: Drift) -> None:
    """Delayed amounts that are stored as decimals are compared like any others."""
    tables = []
    for seed, spread in ((1, 1.0), (2, 3.0)):
        table, rng = scored(seed=seed), np.random.default_rng(seed)
        truth = rng.normal(100, 10, len(table))
        columns = {"y_true": truth, "y_pred": truth + rng.normal(0, spread, len(table))}
        for name, values in columns.items():
            table[name] = pd.Series([Decimal(f"{value:.2f}") for value in values], dtype=object)
        tables.append(table)
    run = drift(*tables, *LABELS, "--task", "regression")

    found = by_id(run)["performance:labelled-rows"]
    assert (run.code, found["status"]) == (1, "failed")
    assert found["value"] == pytest.approx(np.sqrt(2 / np.pi) * 2, abs=0.1)


def test_columns_named_like_patterns__are_the_labelled_ones(drift: Drift) -> None:
    """Labels, features and times are read from the columns of these very names, beside ones that the names match."""
    names = {"y_true": "^y$", "x": "*", "at": "^t.*$"}
    tables = [
        scored(seed=seed, flipped=flipped).rename(columns=names).assign(y=0, t="2026", x=0.5)
        for seed, flipped in ((1, 0.0), (2, 0.25))
    ]

    run = drift(*tables, "--label", "^y$", "--features", "*, kind", "--time-column", "^t.*$")

    assert (run.code, by_id(run)["drift-origin"]["reason"]) == (1, "concept-drift")
    assert by_id(run)["performance:window-1"]["n"] == 750
