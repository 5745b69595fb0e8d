"""Intervals, tests and comparisons against published output of other software, and against other methods."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cd4ml.metrics.performance import bootstrap, labels
from cd4ml.metrics.performance.calibration import calibration_error
from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.comparison import compare, gap
from cd4ml.metrics.performance.estimates import estimate
from cd4ml.metrics.performance.measurement import Measured, measure
from cd4ml.metrics.performance.metric import Metric, Sample
from cd4ml.metrics.performance.ranking import average_precision, roc_auc
from cd4ml.metrics.statistics import intervals, mcnemar
from cd4ml.metrics.statistics.multiplicity import holm
from tests.reference.values import compute

OF_COUNTS = {name: metric.of_counts for name, metric in METRICS.items() if metric.of_counts is not None}

# --- proportions


@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [
        (13, 16, "0.5699", "0.9341"),
        (81, 263, "0.2553", "0.3662"),
        (15, 148, "0.0624", "0.1605"),
        (0, 20, "0.0000", "0.1611"),
        (1, 29, "0.0061", "0.1718"),
    ],
)
def test_wilson__published(successes: int, n: int, lower: str, upper: str) -> None:
    """13 of 16 as R's contingencytables prints it (its tests/testthat/test-ch2.R, after Fagerland, Lydersen & Laake
    2017); the others are the data of Newcombe (1998), Statistics in Medicine 17:857, by statsmodels 0.15."""
    found = intervals.wilson(successes, n)

    assert (f"{found.lower:.4f}", f"{found.upper:.4f}") == (lower, upper)


@pytest.mark.parametrize(
    ("first", "second", "lower", "upper"),
    [
        ((7, 34), (1, 34), 0.0189, 0.3404),
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0000),
    ],
)
def test_newcombe__published(first: tuple[int, int], second: tuple[int, int], lower: float, upper: float) -> None:
    """7 of 34 against 1 of 34 as R's contingencytables prints it (test-ch4.R); the others are the data of Newcombe
    (1998), Statistics in Medicine 17:873, table II, method 10, by statsmodels 0.15 (confint_proportions_2indep)."""
    found = intervals.newcombe(first, second)

    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "lower", "upper"),
    [
        (6, 16, 161, -0.1240, -0.0054),
        (20, 40, 160, -0.218064, -0.030865),
        (0, 0, 100, -0.036993, 0.036993),
        (7, 1, 50, 0.011620, 0.246581),
        (5, 0, 25, 0.040169, 0.391310),
        (2, 2, 30, -0.162180, 0.162180),
        (0, 50, 50, -1.0, -0.857305),
        (4, 11, 320, -0.049684, 0.002097),
    ],
)
def test_tango__published(wins: int, losses: int, n: int, lower: float, upper: float) -> None:
    """The first as R's contingencytables prints it for Cavo et al. 2012 (test-ch8.R); the others are output of R's
    PropCIs 0.3-0, scoreci.mp, as recorded in dipak-bhujbal/llama-tools, tests/fixtures/tango_propcis_oracle.json."""
    found = intervals.tango(wins, losses, n, confidence=0.95)
    digits = 4 if n == 161 else 6

    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=0.6 * 10**-digits)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 100))
def test_tango__mirrored(wins: int, losses: int, rest: int) -> None:
    """Swapping the models turns the interval over, and it holds the estimate."""
    n = wins + losses + rest
    if n == 0:
        return
    found, other = intervals.tango(wins, losses, n), intervals.tango(losses, wins, n)

    assert (found.lower, found.upper) == pytest.approx((-other.upper, -other.lower), abs=1e-9)
    assert found.lower - 1e-9 <= (wins - losses) / n <= found.upper + 1e-9


# --- McNemar


@pytest.mark.parametrize(
    ("wins", "losses", "exact", "mid_p"), [(6, 16, 0.052479, 0.034690), (1, 7, 0.0703125, 0.0390625)]
)
def test_mcnemar__published(wins: int, losses: int, exact: float, mid_p: float) -> None:
    """Cavo et al. 2012 as R's contingencytables prints it (test-ch8.R); 1 against 7 (Bentur et al. 2009) is worked in
    the supplement of Fagerland, Lydersen & Laake (2013), BMC Medical Research Methodology 13:91: the exact p-value less
    the probability of the observed count, 8 / 256; statsmodels 0.15 gives the exact one as 0.0703125."""
    assert mcnemar.exact(wins, losses) == pytest.approx(exact, abs=5e-7)
    assert mcnemar.mid_p(wins, losses) == pytest.approx(mid_p, abs=5e-7)


def test_mcnemar__by_enumeration() -> None:
    """The one-sided mid-p value is what counting all outcomes of fair coins gives, and no row at all says nothing."""
    for n in range(12):
        shares = [math.comb(n, k) / 2**n for k in range(n + 1)]
        for wins in range(n + 1):
            expected = sum(shares[:wins]) + shares[wins] / 2
            assert mcnemar.worse(wins, n - wins) == pytest.approx(expected, abs=1e-15)

    assert mcnemar.worse(0, 0) == 0.5


# --- several tests at once


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.50, 0.003, 0.32, 0.054, 0.0003], [0.64, 0.012, 0.64, 0.162, 0.0015]),
        ([0.319, 0.201, 0.4, 0.374, 0.113], [0.957, 0.804, 0.957, 0.957, 0.565]),
        ([0.01, 0.04, 0.03, 0.005, 0.02, 0.2], [0.05, 0.09, 0.09, 0.03, 0.08, 0.2]),
        ([0.9], [0.9]),
        ([], []),
    ],
)
def test_holm__published(p_values: list[float], adjusted: list[float]) -> None:
    """The examples that pingouin.holm and stdlib's padjust print in their documentation, and statsmodels 0.15's
    multipletests(method="holm")."""
    assert holm(p_values) == pytest.approx(adjusted, abs=5e-16)


# --- ROC curves

# Scores in the order of the data, rebuilt from the placements that pROC publishes for its data set aSAH (113 patients;
# xrobin/pROC, tests/testthat/helper-deLongPlacementsCpp-expected.R): DeLong's method sees ranks alone.
WFNS_POOR = "2 1 3 4 4 4 4 1 4 1 0 1 4 3 3 1 4 4 4 1 4 1 4 1 3 4 3 3 0 3 3 1 1 4 4 1 1 4 4 4 4"
WFNS_GOOD = """0 0 0 0 4 0 1 1 0 1 1 0 0 0 1 0 1 0 0 2 3 0 3 0 4 4 0 0 1 3 0 0 1 1 0 1
0 1 1 0 0 0 0 1 0 1 0 0 2 1 3 1 0 3 0 0 4 3 1 1 0 0 0 2 0 1 1 3 3 0 0 0"""
S100B_POOR = """8 5 11 7 25 30 28 2 19 4 2 23 21 27 30 15 30 30 30 2 30 17 0 4 13 30 15 30 3 15 8 5 6 13 30 9 30 18
30 30 25"""
S100B_GOOD = """8 9 5 1 26 12 5 5 1 3 1 4 6 2 12 2 6 8 12 1 11 9 20 4 29 26 11 2 24 26 6 3 4 3 1 8
5 9 10 1 1 4 1 4 3 11 4 3 19 6 16 2 5 18 2 1 14 22 5 10 3 9 5 2 1 12 10 26 12 10 29 27"""


def asah(poor: str, good: str) -> Sample:
    """Return a marker of the aSAH data; 1 is a poor outcome."""
    scores = [float(word) for text in (poor, good) for word in text.split()]
    y_true = np.array([1] * 41 + [0] * 72)
    return Sample(y_true=y_true, y_pred=y_true, y_score=np.array(scores))


def test_delong__proc() -> None:
    """pROC's tests of roc.test(wfns, s100b) on aSAH: areas 0.8236789 and 0.7313686, Z = 2.20898359144091, one-sided p
    0.0135878911145941, 95 % interval of the difference 0.0104061769564846 to 0.174214419249478 (test-roc.test.R)."""
    wfns, s100b = asah(WFNS_POOR, WFNS_GOOD), asah(S100B_POOR, S100B_GOOD)
    first, second = measure(METRICS["roc-auc"], wfns), measure(METRICS["roc-auc"], s100b)
    found = compare(second, first)

    assert first.value == pytest.approx(0.823678861788618, abs=1e-14)
    assert second.value == pytest.approx(0.731368563685637, abs=1e-14)
    assert -found.difference / found.standard_error == pytest.approx(2.20898359144091, abs=1e-12)
    assert found.p_worse == pytest.approx(0.0135878911145941, abs=1e-14)
    half = 1.959963984540054 * found.standard_error
    assert -found.difference - half == pytest.approx(0.0104061769564846, abs=1e-13)
    assert -found.difference + half == pytest.approx(0.174214419249478, abs=1e-13)


def test_delong__definition() -> None:
    """The mid-rank form is the definition by pairs of rows (DeLong et al. 1988, equations 5 to 8), ties included."""
    rng = np.random.default_rng(3)
    y_true, score = rng.integers(0, 2, 60), rng.integers(0, 8, 60) / 8
    wins = np.sign(score[y_true == 1][:, None] - score[y_true == 0][None, :]) / 2 + 0.5
    of_positive, of_negative = wins.mean(1), wins.mean(0)
    variance = of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative)
    found = roc_auc(Sample(y_true=y_true, y_pred=y_true, y_score=score))

    assert found.value == pytest.approx(wins.mean(), abs=1e-14)
    assert found.influence is not None
    assert float(found.influence @ found.influence) == pytest.approx(variance, rel=1e-12)


# --- influences and gradients, against small changes of the rows


def scored(n: int, seed: int) -> Sample:
    """Return rows with labels, decisions, tied scores and weights."""
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
    score = np.clip((rng.normal(size=n) + y_true + 3) / 7, 0.01, 0.99).round(2)
    return Sample(y_true=y_true, y_pred=(score > 0.5).astype(int), y_score=score, weight=rng.uniform(0.5, 2.0, n))


@pytest.mark.parametrize("name", ["roc-auc", "pr-auc", "log-loss", "brier", "calibration-error"])
def test_influence_of_scores__small_changes(name: str) -> None:
    """The influence of a row is how the metric moves with the row's weight."""
    check_influence(name, scored(200, 5))


@pytest.mark.parametrize(("name", "published"), [("brier-reliability", 0.00403288), ("brier-resolution", 0.00833364)])
def test_error_of_brier_parts__specs_verification(name: str, published: float) -> None:
    """The standard errors are those of BrierDecomp of R's SpecsVerification (after Siegert 2014, Quarterly Journal of
    the Royal Meteorological Society 140:1771) on the rows of its values, and at most a tenth more: ours hold what the
    delta method leaves out."""
    true, rows = [24, 31, 38, 57], [120, 100, 100, 80]
    labels = np.concatenate([[1] * hits + [0] * (n - hits) for hits, n in zip(true, rows, strict=True)])
    scores = np.repeat([0.1, 0.3, 0.5, 0.8], rows)
    found = estimate(METRICS[name], Sample(y_true=labels, y_pred=labels, y_score=scores))
    assert found.influence is not None
    assert published <= math.sqrt(found.influence @ found.influence) <= 1.1 * published


@pytest.mark.parametrize("off", [0.0, 0.03, 0.15])
def test_interval_of_brier_parts__covers(off: float) -> None:
    """Of 300 draws of 500 rows, at most 9 % miss the value of a million rows at either end; 5 % are meant to."""
    generator = np.random.default_rng(int(100 * off))
    chance = generator.beta(1, 3, 1_000_000)
    labels, scores = (generator.random(len(chance)) < chance).astype(int), np.clip(
        chance + off * np.sin(3 * chance), 0, 1
    )
    for name in ("brier-reliability", "brier-resolution"):
        true = estimate(METRICS[name], Sample(y_true=labels, y_pred=labels, y_score=scores)).value
        missed = 0
        for _ in range(300):
            rows = generator.integers(0, len(labels), 500)
            found = estimate(METRICS[name], Sample(y_true=labels[rows], y_pred=labels[rows], y_score=scores[rows]))
            assert found.influence is not None
            missed += abs(found.value - true) > 1.96 * math.sqrt(found.influence @ found.influence)
        assert missed <= 27


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "mape", "poisson-deviance", "gamma-deviance", "quantile-loss"])
def test_influence_of_errors__small_changes(name: str) -> None:
    """The influence of a row on a regression metric is how the metric moves with the row's weight."""
    rng = np.random.default_rng(5)
    y_true = rng.uniform(1, 9, 200)
    noise = rng.normal(size=200)
    check_influence(
        name,
        Sample(y_true=y_true, y_pred=np.maximum(y_true + noise, 0.1), weight=rng.uniform(0.5, 2.0, 200), quantile=0.8),
    )


def check_influence(name: str, sample: Sample) -> None:
    """Compare influences with central differences in the weights; small-sample factors are left out."""
    found = estimate(METRICS[name], sample)
    assert found.influence is not None and sample.weight is not None
    weight, step = np.asarray(sample.weight, dtype=float), 1e-4
    for row in (0, 1, 7, 50):
        values = []
        for sign in (1, -1):
            moved = weight.copy()
            moved[row] += sign * step
            values.append(compute(name, with_weight(sample, moved)))
        expected = (values[0] - values[1]) / (2 * step) * weight[row]
        assert found.influence[row] == pytest.approx(expected, rel=0.02, abs=1e-7)


def with_weight(sample: Sample, weight: labels.Floats) -> Sample:
    """Return the sample with other weights."""
    return Sample(
        y_true=sample.y_true, y_pred=sample.y_pred, y_score=sample.y_score, weight=weight, quantile=sample.quantile
    )


@pytest.mark.parametrize("name", sorted(OF_COUNTS))
@pytest.mark.parametrize("size", [2, 4])
def test_gradient_of_labels__small_changes(name: str, size: int) -> None:
    """The gradient of a metric of decisions is how it moves with the counts of a cell."""
    matrix = np.random.default_rng(size).uniform(5, 50, (size, size))
    gradient = OF_COUNTS[name](matrix).gradient
    for cell in np.ndindex(size, size):
        step = np.zeros_like(matrix)
        step[cell] = 1e-5
        ahead, behind = (OF_COUNTS[name](matrix + sign * step).value for sign in (1, -1))
        assert gradient[cell] == pytest.approx(float(ahead - behind) / 2e-5, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", sorted(OF_COUNTS))
def test_labels__scikit_learn(name: str) -> None:
    """Every metric of decisions equals scikit-learn's on the rows, with and without weights."""
    from sklearn import metrics as library

    rng = np.random.default_rng(1)
    classes = 2 if name in ("precision", "recall", "f1") else 4
    y_true = rng.integers(0, classes, 300)
    y_pred = np.where(rng.random(300) < 0.7, y_true, rng.integers(0, classes, 300))
    for weight in (None, rng.uniform(0.5, 2, 300)):
        kind, _, average = name.partition("-")
        if name in ("accuracy", "balanced-accuracy"):
            function = getattr(library, f"{name.replace('-', '_')}_score")
            expected = function(y_true, y_pred, sample_weight=weight)
        else:
            function = getattr(library, f"{kind}_score")
            expected = function(y_true, y_pred, average=average or "binary", sample_weight=weight)
        assert compute(name, Sample(y_true=y_true, y_pred=y_pred, weight=weight)) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("name", ["roc-auc", "pr-auc", "log-loss", "brier"])
def test_scores__scikit_learn(name: str) -> None:
    """Every metric of scores equals scikit-learn's, with tied scores and with weights."""
    from sklearn import metrics as library

    functions = {
        "roc-auc": library.roc_auc_score,
        "pr-auc": library.average_precision_score,
        "log-loss": library.log_loss,
        "brier": library.brier_score_loss,
    }
    sample = scored(500, 2)
    expected = functions[name](sample.y_true, sample.y_score, sample_weight=sample.weight)

    assert compute(name, sample) == pytest.approx(expected, rel=1e-12)


def test_log_loss__certain_and_wrong() -> None:
    """A probability of 0 for what happened costs what scikit-learn makes of it, not infinity."""
    from sklearn.metrics import log_loss

    y_true, score = np.array([1, 0, 1]), np.array([0.0, 0.2, 1.0])

    assert compute("log-loss", Sample(y_true=y_true, y_pred=y_true, y_score=score)) == pytest.approx(
        log_loss(y_true, score), rel=1e-12
    )


@pytest.mark.parametrize(
    ("y_pred", "quantile", "published"),
    [([0, 2, 3], 0.1, 0.03), ([1, 2, 4], 0.1, 0.3), ([0, 2, 3], 0.9, 0.3), ([1, 2, 4], 0.9, 0.03)],
)
def test_quantile_loss__scikit_learn_documentation(y_pred: list[int], quantile: float, published: float) -> None:
    """The examples of scikit-learn's mean_pinball_loss: 0.03…, 0.3…, 0.3…, 0.03…."""
    sample = Sample(y_true=np.array([1, 2, 3]), y_pred=np.array(y_pred), quantile=quantile)

    assert math.floor(compute("quantile-loss", sample) * 100 + 1e-9) / 100 == published


def test_calibration_error__scikit_learn() -> None:
    """With as many rows in each bin, the error is the mean distance of scikit-learn's calibration curve."""
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(4)
    score = rng.permutation(np.linspace(0.01, 0.99, 600))
    y_true = (rng.random(600) < score**1.5).astype(int)
    share, mean_score = calibration_curve(y_true, score, n_bins=15, strategy="quantile")
    found = calibration_error(Sample(y_true=y_true, y_pred=y_true, y_score=score))

    assert found.value == pytest.approx(np.abs(share - mean_score).mean(), abs=1e-12)


def test_calibration_error__ties_stay_together() -> None:
    """Rows of one score are one bin, however many; 0.8 for half positives is an error of 0.3."""
    y_true = np.array([0, 0, 1, 1])
    found = calibration_error(Sample(y_true=y_true, y_pred=y_true, y_score=np.full(4, 0.8)))

    assert found.value == pytest.approx(0.3)


# --- standard errors against other methods


@pytest.mark.parametrize("name", ["roc-auc", "pr-auc", "log-loss", "brier", "f1", "balanced-accuracy", "accuracy"])
def test_standard_error__bootstrap_of_rows(name: str) -> None:
    """The error of a paired difference is what resampling the rows gives, within the noise of 1,000 draws."""
    candidate, production = pair(600, seed=9)
    first, second = measure(METRICS[name], candidate), measure(METRICS[name], production)
    drawn = bootstrap.of_rows(lambda sample: compute(name, sample), (candidate, production), seed=1)

    assert compare(first, second).standard_error == pytest.approx(drawn.standard_error, rel=0.1)


def pair(n: int, seed: int) -> tuple[Sample, Sample]:
    """Return two correlated models on the same rows."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random(n) < 0.3).astype(int)
    shared = rng.normal(size=n)
    models = []
    for _ in range(2):
        score = 1 / (1 + np.exp(1.0 - 1.5 * y_true - shared - 0.5 * rng.normal(size=n)))
        models.append(Sample(y_true=y_true, y_pred=(score > 0.5).astype(int), y_score=score))
    return models[0], models[1]


def test_mean_loss__student() -> None:
    """The interval and the test of a difference of mean losses are Student's of the rows' differences (statsmodels
    0.15, DescrStatsW of 1, 2, 4, 7, 11: 90 % interval 1.127307993497912 to 8.872692006502088; mean below 3: p =
    0.8336447432458084)."""
    zeros = np.zeros(5)
    losses = np.array([1.0, 2.0, 4.0, 7.0, 11.0])
    candidate = measure(METRICS["mae"], Sample(y_true=zeros, y_pred=losses))
    production = measure(METRICS["mae"], Sample(y_true=zeros, y_pred=zeros))
    shifted = measure(METRICS["mae"], Sample(y_true=zeros, y_pred=zeros + 3.0))
    found = compare(candidate, production)

    assert (found.interval.lower, found.interval.upper) == pytest.approx((1.127307993497912, 8.872692006502088))
    assert 1 - compare(candidate, shifted).p_worse == pytest.approx(0.8336447432458084)


def test_weights_of_one__as_without() -> None:
    """Equal weights change no value and no standard error."""
    candidate, production = pair(300, seed=2)
    ones = np.ones(300)
    for name in ("roc-auc", "pr-auc", "brier", "f1-macro", "accuracy"):
        plain = compare(measure(METRICS[name], candidate), measure(METRICS[name], production))
        weighted = compare(
            measure(METRICS[name], with_weight(candidate, ones)), measure(METRICS[name], with_weight(production, ones))
        )
        assert weighted.difference == pytest.approx(plain.difference, abs=1e-14)
        assert weighted.standard_error == pytest.approx(plain.standard_error, rel=1e-12)


def test_bootstrap_of_counts__seed_decides() -> None:
    """The same seed gives the same interval, another seed nearly the same."""
    candidate, production = pair(300, seed=2)
    counted = labels.cells(candidate, production)
    first, again, other = (
        bootstrap.of_counts(OF_COUNTS["f1"], counted, 2, seed, 300).bounds(0.9) for seed in (1, 1, 2)
    )

    assert first == again != other
    assert first.lower == pytest.approx(other.lower, abs=0.01)


@pytest.mark.parametrize("without", [0, 100, 400])
def test_draws__without_value_count_against_both_ends(without: int) -> None:
    """Draws without a value push both bounds outwards, to infinity if they outweigh the tails."""
    values = np.linspace(-1, 1, 2_001)
    draws = bootstrap.Draws(values=values, without_value=without, n=10_000)
    found, plain = draws.bounds(0.90), bootstrap.Draws(values=values, without_value=0, n=10_000).bounds(0.90)

    assert plain.lower == pytest.approx(-0.9, abs=0.002) and plain.upper == pytest.approx(0.9, abs=0.002)
    assert found.lower <= plain.lower and found.upper >= plain.upper
    assert math.isinf(found.lower) is math.isinf(found.upper) is (without == 400)


# --- what no row differs in, and what has no spread


def test_identical__not_certain() -> None:
    """Models that agree on every row are not proven equal: the interval has a width that shrinks with the rows."""
    widths = []
    for n in (100, 1000):
        sample, _ = pair(n, seed=1)
        for name in ("accuracy", "f1", "roc-auc"):
            found = compare(measure(METRICS[name], sample), measure(METRICS[name], sample))
            assert found.difference == 0 and found.p_worse == 0.5
            assert found.interval.lower < 0 < found.interval.upper
            widths.append(found.interval.upper)

    assert max(widths[3:]) < min(widths[:3])


def test_perfect__not_certain() -> None:
    """A metric of 1 has an interval below 1."""
    y_true = np.array([0, 1] * 30)
    sample = Sample(y_true=y_true, y_pred=y_true, y_score=y_true * 0.9)
    for name in ("accuracy", "f1", "recall", "precision", "balanced-accuracy", "roc-auc"):
        found = measure(METRICS[name], sample).interval
        assert found is not None
        assert found.lower < 0.95 and found.upper == 1.0


def test_gap__independent_samples() -> None:
    """The gap of two accuracies has Newcombe's interval (56 of 70 and 48 of 80: 0.0524 to 0.3339, as above); that of
    other metrics the errors in quadrature."""

    def right(k: int, n: int) -> Measured:
        y_true = np.array([0, 1] * (n // 2))
        y_pred = np.where(np.arange(n) < k, y_true, 1 - y_true)
        return measure(METRICS["accuracy"], Sample(y_true=y_true, y_pred=y_pred))

    found = gap(right(56, 70), right(48, 80))
    assert found is not None
    assert (found.lower, found.upper) == pytest.approx((0.0524315, 0.3338727), abs=5e-8)

    train, test = (measure(METRICS["brier"], pair(400, seed)[0]) for seed in (1, 2))
    other = gap(train, test)
    assert other is not None
    half = 1.959963984540054 * math.hypot(train.standard_error, test.standard_error)
    assert other.upper - other.lower == pytest.approx(2 * half)


def test_own_metric__bootstrap_of_rows() -> None:
    """A user's own metric is compared on the same drawn rows; a copy of a built-in one comes out the same."""
    own = Metric(
        name="own",
        tasks=METRICS["brier"].tasks,
        greater_is_better=False,
        function=lambda sample: compute("brier", sample),
    )
    candidate, production = pair(400, seed=4)
    found = compare(measure(own, candidate), measure(own, production))
    same = compare(measure(METRICS["brier"], candidate), measure(METRICS["brier"], production))

    assert found.difference == same.difference
    assert found.interval.lower == pytest.approx(same.interval.lower, abs=0.003)
    assert found.p_worse == pytest.approx(same.p_worse, abs=0.05)


def test_single_positive__no_spread() -> None:
    """One positive row says nothing on how sure a ROC area is: no interval, and a comparison that is not certain."""
    y_true = np.array([1] + [0] * 50)
    score = np.linspace(0, 1, 51)
    sample = Sample(y_true=y_true, y_pred=y_true, y_score=score)
    other = Sample(y_true=y_true, y_pred=y_true, y_score=score[::-1].copy())

    assert measure(METRICS["roc-auc"], sample).interval is None
    found = compare(measure(METRICS["roc-auc"], sample), measure(METRICS["roc-auc"], other))
    assert not found.certain
    assert (found.interval.lower, found.interval.upper) == (-1, 1)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=4, max_size=30))
def test_average_precision__influences_sum_to_nothing(rows: list[tuple[int, int]]) -> None:
    """Influences are deviations: they cancel, ties or not."""
    y_true, score = (np.array(column) for column in zip(*rows, strict=True))
    if y_true.min() == y_true.max():
        return
    found = average_precision(Sample(y_true=y_true, y_pred=y_true, y_score=score / 5))

    assert found.influence is not None
    assert float(found.influence.sum()) == pytest.approx(0, abs=1e-12)


def test_rows_needed__settles_it() -> None:
    """With the rows named the same difference passes, with half of them it does not."""
    candidate, production = pair(400, seed=4)
    found = compare(measure(METRICS["roc-auc"], candidate), measure(METRICS["roc-auc"], production))
    margin = -found.gain + 0.8 * found.standard_error
    needed = found.rows_needed(margin)

    assert found.least_gain < -margin
    assert needed is not None and needed > found.n
    for share, passes in ((1.0, True), (0.3, False)):
        error = found.standard_error * math.sqrt(found.n / (share * needed))
        assert (found.gain - 1.6448536 * error > -margin) is passes
    assert found.rows_needed(-found.gain) is None
    assert found.detectable == pytest.approx((1.6448536 + 0.8416212) * found.standard_error, rel=1e-6)
