"""What decisions cost: a metric from a declared cost of each kind of decision.

Source:
    The cost matrix of Elkan (2001), The Foundations of Cost-Sensitive Learning, IJCAI 17:973. The mean over rows is
    linear in the confusion matrix, so that its gradient is the costs themselves less their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.data.predictions.labels import matching
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.metric import CellEstimate, Metric, Task
from cd4ml.wording import nearest

Floats = npt.NDArray[np.float64]
NAME: Final = "decision-cost"
# Between the true class and the decision: `spam as ham`.
AS: Final = " as "
OTHER: Final = "other"
# Of a binary task, by (true class, decision).
_CELLS: Final = {"true-negative": (0, 0), "false-positive": (0, 1), "false-negative": (1, 0), "true-positive": (1, 1)}
_WRONG: Final = ("false-positive", "false-negative")


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Declared costs, in a unit of the user's; a gain is a cost below 0.

    Attributes:
        of_pairs: the cost by (true class, decision) of several classes, by their names.
        other: the cost of a wrong decision that is not among them, None if every one must be.
    """

    task: Task
    of_cells: Mapping[tuple[int, int], float]
    of_pairs: Mapping[tuple[str, str], float]
    other: float | None

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest cost of a row; right decisions cost 0 unless they are declared."""
        found = [0.0, *self.of_cells.values(), *self.of_pairs.values(), *([] if self.other is None else [self.other])]
        if len(self.of_cells) == len(_CELLS):
            found = found[1:]
        return min(found), max(found)

    def metric(self) -> Metric:
        """Return the metric; it has no computation until `priced` knows the classes of a table."""
        lowest, highest = self.ends
        tasks = frozenset({self.task})
        return Metric(name=NAME, tasks=tasks, greater_is_better=False, lowest=lowest, highest=highest)

    def matrix(self, labels: Sequence[str] | None) -> Floats:
        """Return the cost of each decision, rows true and columns decided.

        Args:
            labels: the classes of the table, None for a binary task.

        Raises:
            OptionsError: a cost names a class that the table does not have, or a wrong decision costs nothing.
        """
        if labels is None:
            found = np.zeros((2, 2))
            for cell, cost in self.of_cells.items():
                found[cell] = cost
            return found
        found = np.full((len(labels), len(labels)), math.nan if self.other is None else self.other)
        np.fill_diagonal(found, 0.0)
        problems: list[str] = []
        written: dict[tuple[int, ...], str] = {}
        for pair, cost in self.of_pairs.items():
            known = [matching(name, labels) for name in pair]
            unknown = [name for name, label in zip(pair, known, strict=True) if label is None]
            problems += [f"decision-costs: unknown class `{name}`{nearest(name, labels)}" for name in unknown]
            at = tuple(labels.index(label) for label in known if label is not None)
            if at in written and not unknown:
                problems.append(
                    f"decision-costs: `{written[at]}` and `{AS.join(pair)}` are the same decision; keep one"
                )
            elif not unknown:
                written[at], found[at] = AS.join(pair), cost
        problems = problems or _free(found, labels)
        if problems:
            raise OptionsError(problems, advice=f"`{OTHER}` is the cost of every wrong decision that is not listed.")
        return found


def priced(metric: Metric, costs: Costs, labels: Sequence[str] | None) -> Metric:
    """Return the metric of these costs for the classes of a table."""
    return replace(metric, of_counts=_mean(costs.matrix(labels)))


def _free(matrix: Floats, labels: Sequence[str]) -> list[str]:
    """Return what is wrong with the wrong decisions: without a cost, or not dearer than the right one."""
    wrong = ~np.eye(len(labels), dtype=bool)
    missing = np.argwhere(np.isnan(matrix)).tolist()
    cheap = np.argwhere(wrong & (matrix <= np.diag(matrix)[:, None])).tolist()
    problems = []
    for found, said in ((missing, "without a cost"), (cheap, "that cost no more than the right one")):
        if found:
            first = AS.join(labels[index] for index in found[0])
            problems.append(f"decision-costs: wrong decisions {said}: {len(found)}, the first `{first}`")
    return problems


def declared(costs: Mapping[str, float], task: Task) -> Costs:
    """Return the costs that options declare.

    Raises:
        OptionsError: they are of another task, incomplete, or cannot tell a good decision from a bad one.
    """
    if task not in (Task.BINARY, Task.MULTICLASS):
        raise OptionsError(f"decision-costs are of decisions for one of several classes; task {task} has none")
    problems = [
        f"decision-costs: {name} must be a finite number" for name, cost in costs.items() if not math.isfinite(cost)
    ]
    problems += _binary_problems(costs) if task is Task.BINARY else _class_problems(costs)
    if problems:
        raise OptionsError(problems)
    pairs = {} if task is Task.BINARY else {name: cost for name, cost in costs.items() if name != OTHER}
    found = Costs(
        task=task,
        of_cells={_CELLS[name]: cost for name, cost in costs.items()} if task is Task.BINARY else {},
        of_pairs={_pair(name): cost for name, cost in pairs.items()},
        other=costs.get(OTHER) if task is Task.MULTICLASS else None,
    )
    return found


def _binary_problems(costs: Mapping[str, float]) -> list[str]:
    """Return what is wrong with the costs of two classes."""
    problems = [
        f"decision-costs: unknown decision `{name}`{nearest(name, _CELLS)}" for name in costs if name not in _CELLS
    ]
    problems += [f"decision-costs: {name} is missing" for name in _WRONG if name not in costs]
    for wrong, right in (("false-positive", "true-negative"), ("false-negative", "true-positive")):
        if wrong in costs and not costs[wrong] > costs.get(right, 0.0):
            problems.append(f"decision-costs: {wrong} must cost more than {right} ({costs.get(right, 0.0):g})")
    return problems


def _class_problems(costs: Mapping[str, float]) -> list[str]:
    """Return what is wrong with how the costs of several classes are written."""
    pairs = [name for name in costs if name != OTHER]
    odd = [name for name in pairs if len(name.split(AS)) != 2]
    twice = {_pair(name) for name in pairs if sum(_pair(name) == _pair(other) for other in pairs) > 1}
    return [
        *(f"decision-costs: write `<true class>{AS}<decision>` or `{OTHER}`, got `{name}`" for name in odd),
        *(f"decision-costs: `{AS.join(pair)}` is given more than once; keep one" for pair in sorted(twice)),
    ]


def _pair(name: str) -> tuple[str, str]:
    """Return true class and decision."""
    true, _, decided = name.partition(AS)
    return true.strip(), decided.strip()


def _mean(costs: Floats) -> Callable[[Floats], CellEstimate]:
    """Return the mean cost of a row as a metric of confusion matrices of the same classes."""

    def compute(matrix: Floats) -> CellEstimate:
        total = matrix.sum((-1, -2))
        value = (matrix * costs).sum((-1, -2)) / total
        return CellEstimate(value=value, gradient=(costs - value[..., None, None]) / total[..., None, None])

    return compute
