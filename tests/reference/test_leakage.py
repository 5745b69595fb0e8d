"""What columns tell of the target: against numpy, scikit-learn and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import matthews_corrcoef, r2_score, roc_auc_score

from cd4ml.metrics.split.columns import Column, Kind, Target
from cd4ml.metrics.split.one_label import one_label
from cd4ml.metrics.split.pairs import of_products, of_sums, of_weights
from cd4ml.metrics.split.power import Area, Floats, area, explained

GENERATOR = np.random.default_rng(7)


def scaled(values: Floats) -> Floats:
    """Return columns with mean 0 and standard deviation 1."""
    result: Floats = (values - values.mean(axis=0)) / values.std(axis=0)
    return result


def fitted(columns: Floats, answer: Floats) -> float:
    """Return R² of a regression with an intercept, by scikit-learn."""
    return float(LinearRegression().fit(columns, answer).score(columns, answer))


@pytest.fixture(name="values")
def _values() -> Floats:
    """Return four columns that correlate, far from 0."""
    own = GENERATOR.normal(size=(400, 4))
    result: Floats = own + 0.7 * own[:, :1] + np.array([3.0, -2.0, 50.0, 0.0])
    return result


def test_of_weights__scikit_learn(values: Floats) -> None:
    """R² of every pair in closed form is that of the regression on these two columns."""
    answer = scaled(values @ [1.0, 2.0, -1.0, 0.5] + GENERATOR.normal(size=400))

    found = of_weights(scaled(values), answer)

    for first, second in zip(*np.triu_indices(4, 1), strict=True):
        assert found[first, second] == pytest.approx(fitted(values[:, [first, second]], answer), abs=1e-10)


def test_of_weights__nearly_equal_columns() -> None:
    """The small difference of two columns that correlate by 0.99999999 is found to be the answer."""
    large = GENERATOR.normal(size=1_000)
    small = 1e-4 * GENERATOR.normal(size=1_000)

    found = of_weights(scaled(np.stack([large, large + small], axis=1)), scaled(small))

    assert found[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(found[0, 0])


@pytest.mark.parametrize("sign", [1, -1])
def test_of_sums__scikit_learn(values: Floats, sign: int) -> None:
    """R² of every sum and difference is that of the regression on it."""
    answer = scaled(values[:, 0] * values[:, 1])

    found = of_sums(values - values.mean(axis=0), answer, sign)

    for first, second in zip(*np.triu_indices(4, 1), strict=True):
        joined = values[:, [first]] + sign * values[:, [second]]
        assert found[first, second] == pytest.approx(fitted(joined, answer), abs=1e-10)


def test_of_products__scikit_learn(values: Floats) -> None:
    """R² of every product and ratio is that of the regression on it."""
    answer = scaled(values[:, 0] / values[:, 2] + GENERATOR.normal(size=400))

    products, ratios = of_products(values, values, answer), of_products(values, 1 / values, answer)

    for first, second in zip(*np.triu_indices(4, 1), strict=True):
        one, other = values[:, [first]], values[:, [second]]
        assert products[first, second] == pytest.approx(fitted(one * other, answer), abs=1e-8)
        assert ratios[first, second] == pytest.approx(fitted(one / other, answer), abs=1e-8)


def test_area__scikit_learn() -> None:
    """The area, ties counting half, is scikit-learn's, of several classes the mean of each against the others."""
    labels = GENERATOR.integers(0, 3, 500)
    scores = np.round(GENERATOR.random((500, 3)) + 0.3 * np.eye(3)[labels], 1)
    scores /= scores.sum(axis=1, keepdims=True)

    several, two = area(scores, np.eye(3)[labels] == 1), area(scores[:, :1], (labels == 0)[:, None])

    assert several is not None and two is not None
    assert several.value == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    assert two.value == pytest.approx(roc_auc_score(labels == 0, scores[:, 0]))


def test_area__published_error() -> None:
    """Hanley & McNeil (1982, Radiology 143:29, table II): an area of 0.893 of 51 and 58 rows has the error 0.032."""
    found = Area(value=0.893, n=109, classes=[(51, 58)])

    assert found.spread(0.893) == pytest.approx(0.032, abs=5e-4)


def test_area__coverage() -> None:
    """The interval of 95 % holds the true area in at least 93 % of samples, even where nearly no row is misplaced."""
    held = 0
    for _ in range(400):
        truth = np.arange(80) < 20
        scores = GENERATOR.normal(size=80) + 2.77 * truth  # P(X > Y) = Phi(2.77 / sqrt 2)
        found = area(scores[:, None], truth[:, None])
        assert found is not None
        bounds = found.interval(0.95)
        held += bounds.lower <= 0.97493 <= bounds.upper

    assert held >= 0.93 * 400


def test_explained__scikit_learn() -> None:
    """R² on rows that it was not fitted on is scikit-learn's, and its error that of a bootstrap of rows."""
    target = GENERATOR.normal(size=90)
    predicted = 0.8 * target + 0.3 * GENERATOR.normal(size=90)
    drawn = GENERATOR.integers(0, 90, (2_000, 90))

    found = explained(predicted, target)

    assert found is not None
    assert found.value == pytest.approx(r2_score(target, predicted))
    bootstrap = np.std([r2_score(target[rows], predicted[rows]) for rows in drawn])
    assert found.standard_error == pytest.approx(float(bootstrap), rel=0.2)


def test_explained__outliers() -> None:
    """Two rows far out that a column happens to follow do not make it explain the target."""
    target, predicted = GENERATOR.normal(size=(2, 1_000))
    target[:2] = predicted[:2] = [1_000.0, -1_000.0]

    found = explained(predicted, target)

    assert r2_score(target, predicted) > 0.99
    assert found is not None and found.value < 0.1


def test_one_label__phi() -> None:
    """What categories with one label explain is the squared phi coefficient (Matthews' correlation)."""
    labels = (GENERATOR.random(2_000) < 0.2).astype(float)
    codes = np.where((labels == 1) & (GENERATOR.random(2_000) < 0.4), 0.0, GENERATOR.integers(1, 4, 2_000))
    target = Target(labels=("no", "yes"), train=labels[:1_000, None], test=labels[1_000:, None])
    column = Column(name="code", kind=Kind.CATEGORY, train=codes[:1_000], test=codes[1_000:])

    (found,) = one_label(column, target)

    assert (found.label, found.categories, found.gap) == ("yes", 1, False)
    assert found.explained == pytest.approx(matthews_corrcoef(labels[1_000:], codes[1_000:] == 0) ** 2)
