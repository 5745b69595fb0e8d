"""The proof that a conversion is equal to its model: on which rows both are asked, and where their answers differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.table import CLASS_SCORE
from cd4ml.image.comparison import CONVERTED, EXACT, Tolerance, same
from cd4ml.image.pairing import largest
from cd4ml.model_files.signature import Input
from cd4ml.scoring.conversion.run import Answer
from cd4ml.scoring.scorer import ScoringError

if TYPE_CHECKING:
    import pandas as pd

TEST_ROWS: Final = "the test rows"
_EDGE_ROWS: Final = 3
_REVERSED_ROWS: Final = 20
# Sums in single precision are taken in another order in a batch of another size; through the layers of a network that
# grows. What a row takes from others is far more: of the largest value, and of the row's own.
_BATCHED: Final = Tolerance(relative=1e-3, absolute=1e-3)
_UNSEEN: Final = "cd4ml: a text that no row has"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The test rows, and rows derived from them: as the model takes them, and as JSON has them.

    Attributes:
        batches: which test rows, as they are, the tables hold that have some of them in another batch; by their name.
    """

    frames: Sequence[pd.DataFrame]
    names: Sequence[str]
    json: Sequence[dict[str, Any]]
    batches: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A row derived from another one, a table of its own: if it is refused, that says nothing of rows beside it.

    Attributes:
        column: whose value was changed; to a text that no row has (`unseen`), or it is missing.
    """

    name: str
    frame: pd.DataFrame
    column: str
    unseen: bool


def derived(test: pd.DataFrame, columns: Sequence[Input], *, empty: bool = False) -> list[Edge]:
    """Return a few of the rows with each column's value missing, where it may be, and with each text unseen.

    Args:
        empty: whether to return them with each text empty as well.
    """
    found = []
    for column in columns:
        name = column.name
        if name not in test.columns:
            continue
        changes: list[tuple[str, str | None]] = []
        if column.type in ("float", "double", "string") or not column.required:
            changes.append(("without", None))
        if column.type == "string":
            changes += [("with an unseen", _UNSEEN), *([("with an empty", "")] if empty else [])]
        for words, value in changes:
            for at in range(min(len(test), _EDGE_ROWS)):
                frame = _filled(test.iloc[[at]], name, value)
                words_of_row = f"test row {at} {words} `{name}`"
                found.append(Edge(name=words_of_row, frame=frame, column=name, unseen=value is not None))
    return found


def other_batches(rows: int, columns: Sequence[Input]) -> dict[str, Sequence[int]]:
    """Return tables of some of the rows, by name, for a model of tensors: single ones, and the first ones reversed.

    Networks may calculate with the whole batch (batch normalisation left in training mode, a mean over the first
    dimension): then one caller's rows change another's answers, and no test row is answered as it was evaluated.
    """
    if not any(column.type == "tensor" for column in columns):
        return {}
    single = {f"test row {at} by itself": [at] for at in range(min(rows, _EDGE_ROWS))}
    several = min(rows, _REVERSED_ROWS)
    return {**single, f"the first {several} test rows in reverse": range(several - 1, -1, -1)}


def dependence(tables: Tables, scored: Sequence[pd.DataFrame | ScoringError]) -> str | None:
    """Return where the model's answer to a row changes with the rows beside it, None if that is nowhere."""
    if not tables.batches or isinstance(scored[0], ScoringError):
        return None
    # A label is the likeliest class, and a tie falls either way.
    columns = [name for name in scored[0].columns if name != "y_pred"] or ["y_pred"]
    most = max(largest(scored[0][name].tolist()) for name in columns)
    tolerance = replace(_BATCHED, absolute=_BATCHED.absolute * most)
    for name, found in zip(tables.names, scored, strict=True):
        rows = tables.batches.get(name)
        if rows is None:
            continue
        if isinstance(found, ScoringError):
            if found.refused:
                return f"it answers all test rows, and refuses {name}"
            continue
        if not set(columns) <= set(found.columns):
            return f"it gives other scores for {name} than for all test rows"
        expected = scored[0].iloc[list(rows)]
        for column in columns:
            pairs = zip(expected[column].tolist(), found[column].tolist(), strict=True)
            for at, (whole, other) in enumerate(pairs):
                if not same(whole, other, tolerance):
                    shown = f"{column} of test row {rows[at]} is {other!s:.40} in {name}"
                    return f"{shown}, and {whole!s:.40} among all test rows"
    return None


def _filled(rows: pd.DataFrame, name: str, value: str | None) -> pd.DataFrame:
    """Return the rows with one value everywhere in a column."""
    changed = rows.copy()
    changed[name] = [value] * len(rows)
    return changed


def difference(
    tables: Tables, scored: Sequence[pd.DataFrame | ScoringError], answers: Sequence[Answer] | str
) -> str | None:
    """Return the first difference between the model's answers and its conversion's, None if there is none."""
    if isinstance(answers, str):
        return answers
    tolerances: dict[str, Tolerance] = {}
    if scored and not isinstance(scored[0], ScoringError):
        tolerances = _tolerances(scored[0])
    for name, expected, answer in zip(tables.names, scored, answers, strict=True):
        if isinstance(expected, ScoringError):
            # The test rows are compared, every one: that both refuse the table, for one row in it, shows nothing.
            if name == TEST_ROWS or (expected.row is None and not expected.refused):
                return f"the model has no predictions for {name}: {expected}"
            if answer.refused is None:
                return f"the model refuses {name}, and its conversion answers"
            continue
        if answer.refused is not None:
            return f"the model answers {name}, and its conversion refuses ({answer.refused})"
        found = _first(expected, answer, tolerances)
        if found:
            return f"{found} of {name}"
    return None


def _tolerances(test: pd.DataFrame) -> dict[str, Tolerance]:
    """Return how far the values of each column may lie apart, by what the model says of the test rows."""
    found = {str(name): CONVERTED.within(test[name].tolist()) for name in test.columns}
    if len(found) > 1:  # there are scores: what is predicted are labels
        found["y_pred"] = EXACT
    return found


def _first(expected: pd.DataFrame, answer: Answer, tolerances: Mapping[str, Tolerance]) -> str | None:
    """Return the first value that differs, None if there is none."""
    chances = [name for name in expected.columns if str(name).startswith(CLASS_SCORE)]
    served: dict[str, Sequence[Any] | None] = {"y_pred": answer.y_pred, "y_score": answer.y_score}
    for position, name in enumerate(chances):
        served[name] = None if answer.probabilities is None else [row[position] for row in answer.probabilities]
    for name, values in served.items():
        if (name in expected.columns) != (values is not None):
            return f"{name} is given by one of them alone"
        if values is None:
            continue
        wanted = expected[name].tolist()
        if len(wanted) != len(values):
            return f"{name} has {len(values)} values"
        tolerance = tolerances.get(name, EXACT)
        bad = [at for at, pair in enumerate(zip(wanted, values, strict=True)) if not same(*pair, tolerance)]
        if bad:
            at, many = bad[0], f"{name} of {len(bad):,} rows differs"
            return f"{many}; the first is {values[at]!s:.40}, not {wanted[at]!s:.40}, in row {at}"
    return None
