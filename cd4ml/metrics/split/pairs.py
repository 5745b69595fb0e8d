"""Two columns that together give the target away: a weighted sum, a product or a ratio that is the answer.

R² of every pair follows in closed form from a few products of matrices, O(n d²) with no second look at the rows. The
few best pairs are then fitted on training rows and measured on test rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import numpy as np

from cd4ml.metrics.split.columns import Column, Kind, Target, directed
from cd4ml.metrics.split.power import Floats, Power
from cd4ml.metrics.split.single import filled

# Candidates of each form, and rows on which they must show themselves before the test rows are asked.
_CANDIDATES: Final = 5
_ROWS_TO_QUALIFY: Final = 20_000
# A pair must leave at most this part of the error that the better of its columns leaves: else it is two good features.
MOST_LEFT: Final = 0.1
# Columns of which one is a linear function of the other have no weights of their own.
_COLLINEAR: Final = 1e-10
# Of the rows, how many must have both values.
_COMPLETE: Final = 0.5


# The mean and scale of columns, and their weights.
Weights = tuple[Floats, Floats, Floats]


class Form(StrEnum):
    """How two columns are joined."""

    LINEAR = "a*{}+b*{}"
    SUM = "{}+{}"
    DIFFERENCE = "{}-{}"
    PRODUCT = "{}*{}"
    RATIO = "{}/{}"
    POWERS = "{}^a*{}^b"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two columns that qualified on training rows, and their power on the test rows."""

    names: tuple[str, str]
    form: Form
    power: Power

    @property
    def formula(self) -> str:
        """The form with its columns."""
        return self.form.value.format(*self.names)


def pairs(columns: Sequence[Column], target: Target) -> list[Pair]:
    """Return the pairs that do what neither of their columns does, the strongest form of each.

    Args:
        columns: categories and infinite values are left out, and what gives the target away alone should be.
    """
    numbers = [column.finite() for column in columns if column.kind is Kind.NUMBER]
    numbers = [column for column in numbers if _varies(column)]
    if len(numbers) < 2:
        return []
    best: dict[tuple[str, str], Pair] = {}
    for form, first, second in sorted(set(_candidates(numbers, target))):
        found = _measured(form, numbers[first], numbers[second], target)
        names = (min(first, second), max(first, second))
        key = (numbers[names[0]].name, numbers[names[1]].name)
        if found is not None and (key not in best or found.power.value > best[key].power.value):
            best[key] = found
    return list(best.values())


def _varies(column: Column) -> bool:
    """Whether a column has different values in enough of the training rows."""
    known = column.train[~np.isnan(column.train)]
    return len(known) > _COMPLETE * len(column.train) and bool(np.ptp(known) > 0)


def _candidates(numbers: Sequence[Column], target: Target) -> Iterator[tuple[Form, int, int]]:
    """Yield pairs of columns that explain much of what neither explains alone, by every form."""
    values = np.stack([filled(column)[0] for column in numbers], axis=1)
    scaled, answers = _scaled(values), _scaled(target.train)
    alone = ((scaled.T @ answers / len(answers)) ** 2).mean(axis=1)
    for form, screen in _screens(values, scaled, target).items():
        explained = np.mean([screen(answer) for answer in answers.T], axis=0)
        yield from _best(form, explained, alone)


def _best(form: Form, explained: Floats, alone: Floats) -> Iterator[tuple[Form, int, int]]:
    """Yield the pairs that leave the smallest part of what their better column leaves unexplained."""
    left = (1 - explained) / np.maximum(1 - np.maximum.outer(alone, alone), _COLLINEAR)
    first, second = np.nonzero(np.isfinite(left) & ~np.eye(len(alone), dtype=bool))
    if form is not Form.RATIO:
        first, second = first[first < second], second[first < second]
    for place in np.argsort(left[first, second], kind="stable")[:_CANDIDATES]:
        yield form, int(first[place]), int(second[place])


def _screens(values: Floats, scaled: Floats, target: Target) -> dict[Form, Callable[[Floats], Floats]]:
    """Return, for each form, what gives the share of an answer (scaled, shape (n,)) that every pair explains."""
    screens: dict[Form, Callable[[Floats], Floats]] = {
        Form.LINEAR: partial(of_weights, scaled),
        Form.PRODUCT: partial(of_products, values, values),
    }
    if not target.numeric:
        centred = values - values.mean(axis=0)
        screens |= {Form.SUM: partial(of_sums, centred, sign=1), Form.DIFFERENCE: partial(of_sums, centred, sign=-1)}
    whole = (values != 0).all(axis=0)
    if whole.any():
        inverse = np.divide(1.0, values, out=np.full_like(values, np.nan), where=whole & (values != 0))
        screens[Form.RATIO] = partial(of_products, values, inverse)
    positive = (values > 0).all(axis=0)
    if positive.sum() >= 2 and (not target.numeric or (target.train > 0).all()):
        logs = np.full_like(values, np.nan)
        logs[:, positive] = _scaled(np.log(values[:, positive]))
        of_logs = _scaled(np.log(target.train))[:, 0] if target.numeric else None
        screens[Form.POWERS] = lambda answer: of_weights(logs, answer if of_logs is None else of_logs)
    return screens


def of_weights(scaled: Floats, answer: Floats) -> Floats:
    """Return R² of a*x + b*y for every pair of columns; nan where one is a linear function of the other.

    Args:
        scaled: shape (n, d), and
        answer: shape (n,): mean 0 and standard deviation 1.

    Source:
        R² of two regressors from three correlations, e.g. Cohen, Cohen, West & Aiken (2003), Applied Multiple
        Regression/Correlation Analysis, 3rd edition, equation 3.3.1.
    """
    n = len(answer)
    of_answer, between = scaled.T @ answer / n, scaled.T @ scaled / n
    rest = 1 - between**2
    joint = np.add.outer(of_answer**2, of_answer**2) - 2 * np.outer(of_answer, of_answer) * between
    found: Floats = np.divide(joint, rest, out=np.full_like(rest, np.nan), where=rest > _COLLINEAR)
    return found


def of_sums(centred: Floats, answer: Floats, sign: int) -> Floats:
    """Return R² of x + y or x - y for every pair of columns, shape (d, d)."""
    n = len(answer)
    of_answer, between = centred.T @ answer / n, centred.T @ centred / n
    variance = np.diag(between)
    spread = np.add.outer(variance, variance) + 2 * sign * between
    covariance = np.add.outer(of_answer, sign * of_answer)
    enough = spread > _COLLINEAR * np.add.outer(variance, variance)
    found: Floats = np.divide(covariance**2, spread, out=np.full_like(spread, np.nan), where=enough)
    return found


def of_products(left: Floats, right: Floats, answer: Floats) -> Floats:
    """Return R² of x * y for every column x of one matrix and y of another, shape (d, d)."""
    n = len(answer)
    left, right = (side / np.sqrt((side**2).mean(axis=0)) for side in (left, right))
    mean = left.T @ right / n
    square = (left**2).T @ right**2 / n
    covariance = (left * answer[:, None]).T @ right / n
    variance = square - mean**2
    enough = variance > _COLLINEAR * square
    found: Floats = np.divide(covariance**2, variance, out=np.full_like(mean, np.nan), where=enough)
    return found


def _scaled(values: Floats) -> Floats:
    """Return columns with mean 0 and standard deviation 1; one without any spread stays 0."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    result: Floats = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    return result


def _measured(form: Form, first: Column, second: Column, target: Target) -> Pair | None:
    """Return a pair with its power on the test rows that have both values, None if it does not qualify."""
    train, test = (_joined(form, *sides) for sides in ((first.train, second.train), (first.test, second.test)))
    answers = _in_logs(target) if form is Form.POWERS and target.numeric else target
    of_train = np.isfinite(train).all(axis=1) & np.isfinite(answers.train).all(axis=1)
    of_test = np.isfinite(test).all(axis=1) & np.isfinite(answers.test).all(axis=1)
    if of_train.mean() < _COMPLETE or of_test.mean() < _COMPLETE:
        return None
    answers = Target(labels=target.labels, train=answers.train[of_train], test=answers.test[of_test])
    train, test = train[of_train], test[of_test]
    weights = _fit(train, answers)
    singles = train if train.shape[1] == 2 else np.stack([first.train[of_train], second.train[of_train]], axis=1)
    if not _qualifies(train, singles, weights, answers):
        return None
    power = answers.power(_scores(test, weights))
    return None if power is None else Pair(names=(first.name, second.name), form=form, power=power)


def _qualifies(joined: Floats, singles: Floats, weights: Weights, answers: Target) -> bool:
    """Whether two columns leave a small part of the error that the better one leaves, on the training rows."""
    step = -(-len(joined) // _ROWS_TO_QUALIFY)
    asked = Target(labels=answers.labels, train=answers.train, test=answers.train[::step])
    joint = asked.power(_scores(joined[::step], weights))
    alone = [asked.power(directed((side, side[::step]), asked)) for side in singles.T]
    found = [one.value for one in alone if one is not None]
    return joint is not None and len(found) == 2 and 1 - joint.value <= MOST_LEFT * (1 - max(found))


def _in_logs(target: Target) -> Target:
    """Return the logarithms of a target of numbers; not finite where it is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Target(labels=(), train=np.log(target.train), test=np.log(target.test))


def _joined(form: Form, first: Floats, second: Floats) -> Floats:
    """Return what a form makes of two columns, shape (n, 1) or, where it has weights, (n, 2)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if form is Form.LINEAR:
            return np.stack([first, second], axis=1)
        if form is Form.POWERS:
            return np.log(np.stack([first, second], axis=1))
        joined = {
            Form.SUM: np.add,
            Form.DIFFERENCE: np.subtract,
            Form.PRODUCT: np.multiply,
            Form.RATIO: np.divide,
        }[
            form
        ](first, second)
    return np.asarray(joined)[:, None]


def _fit(joined: Floats, answers: Target) -> Weights:
    """Return the mean and scale of each column, and the weights by least squares, shape (1 + columns, K)."""
    middle, spread = joined.mean(axis=0), joined.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(joined)), (joined - middle) / spread])
    weights, *_ = np.linalg.lstsq(design, answers.train, rcond=None)
    return middle, spread, weights


def _scores(joined: Floats, fitted: Weights) -> Floats:
    """Return the fitted scores of rows, shape (n, K)."""
    middle, spread, weights = fitted
    scores: Floats = np.column_stack([np.ones(len(joined)), (joined - middle) / spread]) @ weights
    return scores
