"""Performance metrics against published numbers, certified ones, and their definitions written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.labels import confusion_matrix
from cd4ml.metrics.performance.metric import Sample, Task, UndefinedMetricError
from tests.reference.values import compute


def binary(tp: int, fn: int, fp: int, tn: int) -> Sample:
    """Return decisions with the given counts."""
    y_true, y_pred = [1] * (tp + fn) + [0] * (fp + tn), [1] * tp + [0] * fn + [1] * fp + [0] * tn
    return Sample(y_true=np.array(y_true), y_pred=np.array(y_pred))


def scored(y_true: Sequence[int], y_score: Sequence[float], weight: Sequence[float] | None = None) -> Sample:
    """Return scores beside labels."""
    scores = np.array(y_score, dtype=float)
    return Sample(
        y_true=np.array(y_true),
        y_pred=(scores > 0.5).astype(int),
        y_score=scores,
        weight=None if weight is None else np.array(weight, dtype=float),
    )


@pytest.mark.parametrize(
    ("metric", "published"),
    [("recall", "0.90"), ("precision", "0.88"), ("accuracy", "0.83"), ("balanced-accuracy", "0.76")],
)
def test_liver_scans__altman_and_bland(metric: str, published: str) -> None:
    """Altman & Bland (1994), "Diagnostic tests 1: sensitivity and specificity", BMJ 308:1552, and "2: predictive
    values", BMJ 309:102: 344 liver scans, 231 + 27 abnormal, 32 + 54 normal. Sensitivity 0.90, specificity 0.63
    (mean 0.76), positive predictive value 0.88, correct in 0.83."""
    assert f"{compute(metric, binary(231, 27, 32, 54)):.2f}" == published


@pytest.mark.parametrize(("metric", "published"), [("precision", 0.5), ("recall", 0.7142857), ("f1", 0.5882353)])
def test_information_retrieval__powers(metric: str, published: float) -> None:
    """Powers (2007), "Evaluation: From Precision, Recall and F-Measure to ROC", table 2, as R's yardstick checks it:
    30 relevant found, 12 missed, 30 irrelevant found, 28 left; precision 0.5, recall 0.714, F 0.588."""
    assert compute(metric, binary(30, 12, 30, 28)) == pytest.approx(published, abs=5e-8)


@pytest.mark.parametrize(
    ("metric", "true", "published"),
    [("poisson-deviance", [2, 0, 1, 4], 1.4260), ("gamma-deviance", [2, 0.5, 1, 4], 1.0568)],
)
def test_deviance__scikit_learn(metric: str, true: list[float], published: float) -> None:
    """The examples of both functions in scikit-learn's reference, cut after four digits."""
    sample = Sample(y_true=np.array(true, dtype=float), y_pred=np.array([0.5, 0.5, 2.0, 2.0]))
    assert compute(metric, sample) == pytest.approx(published + 0.00005, abs=0.00005)


@pytest.mark.parametrize(
    ("metric", "true", "predicted"),
    [
        ("poisson-deviance", -1.0, 1.0),
        ("poisson-deviance", 1.0, 0.0),
        ("gamma-deviance", 0.0, 1.0),
        ("gamma-deviance", 1.0, -1.0),
    ],
)
def test_deviance__undefined(metric: str, true: float, predicted: float) -> None:
    """A value that the distribution does not have has no deviance, instead of one that is infinite or no number."""
    with pytest.raises(UndefinedMetricError):
        compute(metric, Sample(y_true=np.array([1.0, 2.0, true]), y_pred=np.array([1.0, 2.0, predicted])))


def test_brier_parts__specs_verification() -> None:
    """Reliability and resolution less what chance adds, as BrierDecomp of R's SpecsVerification prints them under R
    4.2.2 (bias.corrected=TRUE, after Ferro & Fricker 2012): 24 of 120, 31 of 100, 38 of 100 and 57 of 80 came true at
    0.1, 0.3, 0.5 and 0.8. Equal weights change nothing."""
    true, rows = [24, 31, 38, 57], [120, 100, 100, 80]
    labels = [label for hits, n in zip(true, rows, strict=True) for label in [1] * hits + [0] * (n - hits)]
    scores = [score for score, n in zip([0.1, 0.3, 0.5, 0.8], rows, strict=True) for _ in range(n)]
    for weight in (None, [3.0] * 400):
        sample = scored(labels, scores, weight)
        assert compute("brier-reliability", sample) == pytest.approx(0.00609919587321, abs=1e-14)
        assert compute("brier-resolution", sample) == pytest.approx(0.03156160188825, abs=1e-14)


def test_brier_parts__make_the_brier_score() -> None:
    """Where each score is a bin of its own, reliability - resolution + uncertainty is the Brier score."""
    generator = np.random.default_rng(4)
    scores = generator.choice([0.1, 0.25, 0.4, 0.7], 30_000)
    labels = (generator.random(len(scores)) < scores**1.3).astype(int)
    sample = scored(labels.tolist(), scores.tolist())
    uncertainty = labels.var(ddof=1)
    parts = compute("brier-reliability", sample) - compute("brier-resolution", sample) + uncertainty
    assert parts == pytest.approx(compute("brier", sample), abs=1e-12)


def test_ct_ratings__hanley_and_mcneil() -> None:
    """Hanley & McNeil (1982), "The meaning and use of the area under a ROC curve", Radiology 143:29-36, table I:
    109 CT images rated 1 to 5; the area is 0.893."""
    ratings = {1: (33, 3), 2: (6, 2), 3: (6, 2), 4: (11, 11), 5: (2, 33)}
    labels = [label for counts in ratings.values() for label in (0, 1) for _ in range(counts[label])]
    scores = [rating / 5 for rating, counts in ratings.items() for label in (0, 1) for _ in range(counts[label])]

    assert round(compute("roc-auc", scored(labels, scores)), 3) == 0.893


NORRIS_Y = """
0.1 338.8 118.1 888 9.2 228.1 668.5 998.5 449.1 778.9 559.2 0.3 0.1 778.1 668.8 339.3 448.9 10.8
557.7 228.3 998 888.8 119.6 0.3 0.6 557.6 339.3 888 998.5 778.9 10.2 117.6 228.9 668.4 449.2 0.2
"""
NORRIS_X = """
0.2 337.4 118.2 884.6 10.1 226.5 666.3 996.3 448.6 777 558.2 0.4 0.6 775.5 666.9 338 447.5 11.6
556 228.1 995.8 887.6 120.2 0.3 0.3 556.8 339.1 887.2 999 779 11.1 118.3 229.2 669.1 448.9 0.5
"""


def test_ozone_monitors__nist_certified() -> None:
    """NIST Statistical Reference Datasets, "Norris": with the certified coefficients the fit's R-squared is
    0.999993745883712 and its residual sum of squares 26.6173985294224 on 36 observations."""
    y, x = np.array([float(word) for word in NORRIS_Y.split()]), np.array([float(word) for word in NORRIS_X.split()])
    fitted = -0.262323073774029 + 1.00211681802045 * x
    sample = Sample(y_true=y, y_pred=fitted)

    assert compute("r2", sample) == pytest.approx(0.999993745883712, abs=1e-14)
    assert compute("rmse", sample) == pytest.approx(math.sqrt(26.6173985294224 / 36), rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_score", "printed"),
    [
        ("roc-auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], "0.75"),
        ("pr-auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], "0.83"),
        ("log-loss", [0, 0, 1, 1], [0.1, 0.2, 0.7, 0.99], "0.1738"),
    ],
)
def test_scikit_learn_user_guide(metric: str, y_true: list[int], y_score: list[float], printed: str) -> None:
    """The numbers that scikit-learn's documentation prints for its examples of scores."""
    digits = len(printed.split(".")[1])

    assert f"{compute(metric, scored(y_true, y_score)):.{digits}f}" == printed


LABELS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40)


@settings(deadline=None, max_examples=200)
@given(LABELS)
def test_roc_auc__probability_of_a_right_order(rows: list[tuple[int, int]]) -> None:
    """The area is the share of pairs of a positive and a negative row in the right order, ties counting half
    (Mann & Whitney 1947)."""
    positive = [score for label, score in rows if label]
    negative = [score for label, score in rows if not label]
    assume(positive and negative)
    wins = sum(Fraction(2 * (p > n) + (p == n), 2) for p in positive for n in negative)

    found = compute("roc-auc", scored([label for label, _ in rows], [score / 20 for _, score in rows]))

    assert found == pytest.approx(float(wins / (len(positive) * len(negative))), abs=1e-12)


@settings(deadline=None, max_examples=200)
@given(LABELS)
def test_pr_auc__steps_of_the_curve(rows: list[tuple[int, int]]) -> None:
    """Average precision is the sum of precision times the gain in recall over the cut-offs, greatest first."""
    total = sum(label for label, _ in rows)
    assume(0 < total < len(rows))
    area, before = Fraction(0), Fraction(0)
    for cut in sorted({score for _, score in rows}, reverse=True):
        chosen = [label for label, score in rows if score >= cut]
        recall = Fraction(sum(chosen), total)
        area, before = area + (recall - before) * Fraction(sum(chosen), len(chosen)), recall

    found = compute("pr-auc", scored([label for label, _ in rows], [score / 20 for _, score in rows]))

    assert found == pytest.approx(float(area), abs=1e-12)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 99), st.integers(1, 5)), min_size=2, max_size=40))
def test_probability_scores__definitions(rows: list[tuple[int, int, int]]) -> None:
    """Brier score and log loss are weighted means over rows, as their definitions say (Brier 1950)."""
    labels, scores, weights = [r[0] for r in rows], [r[1] / 100 for r in rows], [float(r[2]) for r in rows]
    assume(0 < sum(labels) < len(labels))
    squares = [(score - label) ** 2 for label, score in zip(labels, scores, strict=True)]
    logs = [-math.log(score if label else 1 - score) for label, score in zip(labels, scores, strict=True)]
    sample = scored(labels, scores, weights)

    assert compute("brier", sample) == pytest.approx(np.average(squares, weights=weights), rel=1e-9)
    assert compute("log-loss", sample) == pytest.approx(np.average(logs, weights=weights), rel=1e-9)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-50, 50), st.integers(1, 5)), min_size=2, max_size=30))
def test_errors_of_regression__definitions(rows: list[tuple[int, int, int]]) -> None:
    """Errors of regression are weighted means over rows, as their definitions say."""
    y_true, y_pred, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    sample = Sample(y_true=y_true, y_pred=y_pred, weight=weight)
    errors = np.abs(y_true - y_pred)

    assert compute("mae", sample) == pytest.approx(np.average(errors, weights=weight), rel=1e-9)
    assert compute("rmse", sample) == pytest.approx(math.sqrt(np.average(errors**2, weights=weight)), rel=1e-9)
    assert compute("mape", sample) == pytest.approx(np.average(errors / y_true, weights=weight), rel=1e-9)


CLASSES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 3)), max_size=40)


@settings(deadline=None, max_examples=200)
@given(CLASSES, st.sampled_from(["precision", "recall", "f1"]), st.sampled_from(["macro", "weighted"]))
def test_averages_over_classes__definitions(rows: list[tuple[str, str, int]], name: str, average: str) -> None:
    """Macro and weighted averages hold every class; one that has no value makes the average undefined."""
    assume(len({true for true, _, _ in rows}) > 1)
    values, supports = [], []
    for label in sorted({label for row in rows for label in row[:2]}):
        found = Fraction(sum(w for t, p, w in rows if t == p == label))
        predicted = sum(w for _, p, w in rows if p == label)
        support = sum(w for t, _, w in rows if t == label)
        below = {"precision": Fraction(predicted), "recall": Fraction(support), "f1": Fraction(predicted + support, 2)}
        values.append(found / below[name] if below[name] else None)
        supports.append(support if average == "weighted" else 1)
    sample = Sample(
        y_true=np.array([row[0] for row in rows]),
        y_pred=np.array([row[1] for row in rows]),
        weight=np.array([row[2] for row in rows], dtype=float),
    )

    if None in values:
        with pytest.raises(UndefinedMetricError):
            compute(f"{name}-{average}", sample)
    else:
        total = sum(value * weight for value, weight in zip(values, supports, strict=True) if value is not None)
        assert compute(f"{name}-{average}", sample) == pytest.approx(float(total / sum(supports)), abs=1e-12)


# Those of chance's part apart: three rows say more on a share than one does, whatever it weighs.
@pytest.mark.parametrize(
    "metric",
    sorted(
        name
        for name in METRICS
        if Task.BINARY in METRICS[name].tasks and name not in ("brier-reliability", "brier-resolution")
    ),
)
def test_weights_are_repeated_rows(metric: str) -> None:
    """A row of weight 3 counts as three rows, in every metric that takes nothing away for chance."""
    labels, scores, weights = [0, 1, 1, 0, 1, 0], [0.2, 0.9, 0.4, 0.6, 0.7, 0.1], [1, 3, 2, 1, 2, 3]
    repeated = [index for index, weight in enumerate(weights) for _ in range(weight)]
    weighted = compute(metric, scored(labels, scores, [float(weight) for weight in weights]))
    counted = compute(metric, scored([labels[i] for i in repeated], [scores[i] for i in repeated]))

    assert weighted == pytest.approx(counted, rel=1e-12)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_direction(metric: str) -> None:
    """What the table of metrics calls better is what a perfect model gets, for every metric."""
    if Task.REGRESSION in METRICS[metric].tasks:
        y_true = np.array([1.0, 2.0, 3.0, 4.0])
        perfect, poor = (Sample(y_true=y_true, y_pred=y_true + error) for error in (0.0, 1.0))
    elif Task.MULTILABEL in METRICS[metric].tasks:
        true = np.array([0, 1, 2, 3])
        perfect, poor = (
            Sample(y_true=true, y_pred=predicted, labels=("", "a", "a;b", "b"), sets=True)
            for predicted in (true, true[[0, 2, 1, 3]])
        )
    elif Task.BINARY not in METRICS[metric].tasks:
        true, scores = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
        perfect, poor = (
            Sample(y_true=true, y_pred=true, scores=table, labels=("a", "b"))
            for table in (scores, scores[[0, 2, 1, 3]])
        )
    else:
        perfect = scored([0, 0, 1, 1] * 20, [0.01, 0.02, 0.98, 0.99] * 20)
        poor = scored([0, 0, 1, 1] * 20, [0.3, 0.8, 0.4, 0.9, 0.4, 0.3, 0.8, 0.9] * 10)
    better, worse = compute(metric, perfect), compute(metric, poor)

    assert (better > worse) is METRICS[metric].greater_is_better
    assert better != worse


def test_confusion_matrix__rows_are_true() -> None:
    """Rows are true classes and columns predicted ones, both classes of a binary task always there."""
    assert confusion_matrix(binary(231, 27, 32, 54), Task.BINARY) == {
        "labels": ["0", "1"],
        "counts": [[54, 32], [27, 231]],
    }
    assert confusion_matrix(binary(2, 0, 0, 0), Task.BINARY)["counts"] == [[0, 0], [0, 2]]
