"""Numbers in every role, whatever they are stored as, and rows that weigh nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Run

TYPES: Mapping[str, pa.DataType] = {
    "decimal128": pa.decimal128(12, 3),
    "decimal256": pa.decimal256(50, 3),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "uint8": pa.uint8(),
    "uint64": pa.uint64(),
    "int16": pa.int16(),
}
ROLES = ("y_true", "y_pred", "production_y_pred", "sample_weight")
Judge = Callable[..., Run]


@pytest.fixture
def judge(cd4ml: Callable[..., Run], tmp_path: Path) -> Judge:
    """Write columns as they are typed, and run a stage on them."""

    def run(table: pa.Table, stage: str, *arguments: str) -> Run:
        pq.write_table(table, tmp_path / "predictions.parquet")
        return cd4ml(stage, "--predictions", "predictions.parquet", *arguments)

    return run


def amounts(n: int = 200) -> dict[str, np.ndarray[Any, Any]]:
    """Return whole amounts from 1 to 200 with predictions of two models, on either side of the true ones."""
    rng = np.random.default_rng(0)
    truth = rng.integers(20, 180, n)
    return {
        "y_true": truth,
        "y_pred": truth + rng.integers(-4, 5, n),
        "production_y_pred": truth + rng.integers(-9, 10, n),
        "sample_weight": rng.integers(1, 5, n),
    }


def typed(columns: Mapping[str, Any], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """Return a table whose columns are stored as they are named, the others as they are."""
    return pa.table({name: _as(values, kinds.get(name)) for name, values in columns.items()})


def _as(values: Any, kind: pa.DataType | None) -> pa.Array:
    """Return values stored as a type."""
    if kind is None:
        return pa.array(values)
    if pa.types.is_decimal(kind):
        return pa.array([Decimal(f"{value:.3f}") for value in values], kind)
    return pa.array(np.asarray(values).astype(kind.to_pandas_dtype()), kind)


REGRESSION = ("--task", "regression", "--minimum", "r2=0.5", "--maximum", "mae=10,rmse=10,mape=1")


@pytest.mark.parametrize("kind", TYPES.values(), ids=list(TYPES))
@pytest.mark.parametrize("role", [*ROLES, "all"])
def test_regression__any_number_in_any_role(judge: Judge, kind: pa.DataType, role: str) -> None:
    """Targets, predictions of both models and weights count alike as decimals, narrow floats or unsigned numbers."""
    expected = judge(typed(amounts(), {}), "evaluate-model", *REGRESSION)
    found = judge(
        typed(amounts(), {name: kind for name in ROLES if role in (name, "all")}), "evaluate-model", *REGRESSION
    )

    assert expected.code == found.code == 0
    for model in ("candidate", "production"):
        assert found.report["metrics"][model] == pytest.approx(expected.report["metrics"][model], rel=1e-12)


def scored(n: int = 400) -> dict[str, Any]:
    """Return binary labels with scores of two models in thousandths."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, n)
    scores = {name: np.round(np.clip(truth * 0.3 + rng.random(n) * 0.7, 0, 1), 3) for name in ("", "production_")}
    columns: dict[str, Any] = {"y_true": truth}
    for name, score in scores.items():
        columns |= {f"{name}y_pred": (score > 0.5).astype(int), f"{name}y_score": score}
    return columns


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        *((role, "decimal128") for role in ("y_true", "y_pred", "y_score", "production_y_pred", "production_y_score")),
        *((role, "float16") for role in ("y_true", "y_pred", "production_y_pred")),
        ("y_score", "decimal256"),
        ("y_score", "float32"),
        ("y_true", "uint8"),
    ],
)
def test_binary__any_number_in_any_role(judge: Judge, role: str, kind: str) -> None:
    """Labels, decisions and scores of both models count alike as decimals and as narrow floats."""
    limits: tuple[str, ...] = ("--minimum", "accuracy=0.5,roc-auc=0.5", "--maximum", "log-loss=3,brier=0.5")
    limits = (*limits, "--comparison", "not-significantly-worse")
    expected = judge(typed(scored(), {}), "evaluate-model", *limits)
    found = judge(typed(scored(), {role: TYPES[kind]}), "evaluate-model", *limits)

    assert found.code == expected.code == 0
    for model in ("candidate", "production"):
        assert found.report["metrics"][model] == pytest.approx(expected.report["metrics"][model], rel=1e-6)


def test_multiclass__decimal_scores(judge: Judge) -> None:
    """Scores of several classes are numbers as decimals too, and decimals with fractions are no classes."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 300)
    scores = {f"y_score_{label}": np.round(rng.random(300) / 4 + 0.5 * (truth == label), 3) for label in range(3)}
    columns = {"y_true": truth, "y_pred": np.argmax(list(scores.values()), axis=0), **scores}
    arguments = ("--task", "multiclass", "--minimum", "roc-auc-macro=0.5", "--bootstrap", "true")

    plain = judge(typed(columns, {}), "evaluate-model", *arguments)
    kinds = {name: TYPES["decimal128"] for name in columns}
    found = judge(typed(columns, kinds), "evaluate-model", *arguments)
    assert found.code == plain.code == 0
    assert found.report["metrics"]["candidate"] == plain.report["metrics"]["candidate"]
    assert found.report["details"]["class_counts"] == plain.report["details"]["class_counts"]

    halves = judge(typed({**columns, "y_true": truth / 2}, kinds), "evaluate-model", *arguments)
    assert halves.code == 2 and "numbers with decimals" in halves.report["summary"]


def test_long_whole_numbers__are_different_labels(judge: Judge) -> None:
    """Class codes of twenty digits that differ in the last one are different classes, as texts and as decimals."""
    codes = ["12345678901234567890", "12345678901234567891", "12345678901234567892"] * 20
    for values in (pa.array(codes), pa.array([Decimal(code) for code in codes], pa.decimal128(30, 0))):
        table = pa.table({"y_true": values, "y_pred": values})
        run = judge(table, "evaluate-model", "--task", "multiclass", "--minimum", "accuracy=0.9", "--bootstrap", "true")

        assert run.report["details"]["class_counts"] == dict.fromkeys(sorted(set(codes)), 20)


@pytest.mark.parametrize("kind", ["decimal128", "decimal256", "float16", "uint8", "uint64"])
def test_fairness__any_number_in_any_role(judge: Judge, kind: str) -> None:
    """An audit takes decisions, labels and weights as any numbers, and so the errors of a regression."""
    decisions = {"y_true": [1, 0] * 100, "y_pred": [1, 0, 0, 1, 1] * 40, "sample_weight": [1, 2, 3, 4] * 50}
    groups = {"sex": ["f"] * 100 + ["m"] * 100}
    amounts_by_group = {name: values for name, values in amounts().items() if name != "production_y_pred"}
    for columns, arguments in (
        ({**decisions, **groups}, ("--maximum-equalized-odds-difference", "0.9")),
        ({**amounts_by_group, **groups}, ("--task", "regression", "--maximum-absolute-error-difference", "5")),
    ):
        expected = judge(typed(columns, {}), "audit-fairness", "--sensitive-features", "sex", *arguments)
        kinds = {name: TYPES[kind] for name in columns if name != "sex"}
        found = judge(typed(columns, kinds), "audit-fairness", "--sensitive-features", "sex", *arguments)

        assert (found.code, found.report["metrics"]) == (expected.code, expected.report["metrics"])
        assert expected.code == 0


def test_fairness__decimal_scores_and_features(judge: Judge) -> None:
    """Calibration takes decimal scores, and bins cut a decimal feature."""
    columns = {**scored(), "income": np.arange(400) / 2}
    arguments = ("--sensitive-features", "income", "--bins", "income=100", "--maximum-calibration-gap", "0.5")
    kinds = dict.fromkeys(["y_score", "income"], TYPES["decimal128"])
    expected, found = (judge(typed(columns, kind), "audit-fairness", *arguments) for kind in ({}, kinds))

    assert found.code == expected.code == 0
    one, other = (run.report["metrics"]["features"]["income"]["calibration"] for run in (found, expected))
    assert {name: group["gap"] for name, group in one.items()} == pytest.approx(
        {name: group["gap"] for name, group in other.items()}
    )


# --- rows that weigh nothing


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("stage", ["evaluate-model", "audit-fairness"])
def test_weight_of_zero__counts_nothing(cd4ml: Callable[..., Run], tmp_path: Path, stage: str, suffix: str) -> None:
    """Rows of weight 0 are as good as not there: not in n, not in a group, not with a label of their own."""
    rng = np.random.default_rng(3)
    rows = {"y_true": rng.integers(0, 2, 300), "y_pred": rng.integers(0, 2, 300), "sex": ["f", "m", "f"] * 100}
    table = pd.DataFrame({**rows, "sample_weight": 1.0 + rng.integers(0, 3, 300)})
    nothing = pd.DataFrame({"y_true": 7, "y_pred": 9, "sex": "none", "sample_weight": 0.0}, index=range(50))
    arguments = {
        "evaluate-model": ("--minimum", "accuracy=0.1", "--bootstrap", "true", "--slices", "sex"),
        "audit-fairness": ("--sensitive-features", "sex", "--minimum-ratio", "0.1"),
    }[stage]
    reports = []
    for frame in (table, pd.concat([table, nothing]), pd.concat([nothing, table])):
        path = tmp_path / f"predictions.{suffix}"
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
        run = cd4ml(stage, "--predictions", path.name, *arguments)
        assert run.code == 0
        reports.append(run.report)

    assert reports[0]["metrics"]["rows"] == 300
    assert reports[1]["metrics"] == reports[0]["metrics"] and reports[1]["checks"] == reports[0]["checks"]
    assert reports[2]["metrics"] == reports[0]["metrics"]


@pytest.mark.parametrize("stage", ["evaluate-model", "audit-fairness"])
@pytest.mark.parametrize(
    ("weight", "said"),
    [(0.0, "no row counts"), (-0.5, "at least 0"), (float("nan"), ""), (float("inf"), ""), (None, "")],
)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_weights__refused(
    cd4ml: Callable[..., Run], tmp_path: Path, stage: str, weight: float | None, said: str, suffix: str
) -> None:
    """Weights below 0, gaps, infinities, and weights that are all 0 are refused."""
    weights = [weight] * 100 if weight == 0 else [1.0] * 99 + [weight]
    rows = {"y_true": [0, 1] * 50, "y_pred": [0, 1] * 50, "sex": ["f", "f", "m", "m"] * 25}
    frame = pd.DataFrame({**rows, "sample_weight": weights})
    path = tmp_path / f"predictions.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
    arguments = ("--sensitive-features", "sex") if stage == "audit-fairness" else ("--minimum", "accuracy=0.1")
    run = cd4ml(stage, "--predictions", path.name, *arguments)

    assert run.code == 2 and "sample_weight" in run.report["summary"] and said in run.report["summary"]
