"""What the values of the target say: what the model predicts, and which label is the positive one."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables import by_name
from cd4ml.data.tables.source import Source
from cd4ml.metrics.performance.metric import Task
from cd4ml.project.findings import Finding
from cd4ml.project.python import Module

if TYPE_CHECKING:
    import polars as pl

_MOST_CLASSES: Final = 50
_CLASSIFIES: Final = re.compile(r"\w*(?:Classifier|LogisticRegression|SVC|NB)")
_REGRESSES: Final = re.compile(r"\w*(?:Regressor|LinearRegression|Ridge|Lasso|ElasticNet|SVR)")
_POSITIVE: Final = frozenset(
    "yes true y t approved approve approval positive churned churn fraud 1 good accepted".split()
)


def column(source: Source, name: str) -> pl.Series:
    """Return the values of one column."""
    frame = source.lazy().select(by_name.columns([name])).collect(engine="streaming")
    return by_name.values(frame, name)


def task(values: pl.Series, modules: Sequence[Module]) -> Finding[Task] | None:
    """Return what the model predicts; None where neither the values nor the code tell."""
    found = values.drop_nulls()
    distinct = found.n_unique()
    whole = found.dtype.is_integer() or (found.dtype.is_float() and bool((found == found.round()).all()))
    shown = f"the target has {distinct:,} different values"
    if distinct == 2:
        return Finding(value=Task.BINARY, why=shown)
    if found.dtype.is_float() and not whole:
        return Finding(value=Task.REGRESSION, why="the target holds numbers with decimals")
    if not found.dtype.is_numeric():
        return Finding(value=Task.MULTICLASS, why=shown) if 2 < distinct <= _MOST_CLASSES else None
    classifies, regresses = (_model(modules, names) for names in (_CLASSIFIES, _REGRESSES))
    if classifies and not regresses and 2 < distinct <= _MOST_CLASSES:
        return Finding(value=Task.MULTICLASS, why=f"{shown}, and {classifies} is a classifier")
    if regresses and not classifies:
        return Finding(value=Task.REGRESSION, why=f"{regresses} is a regressor")
    return Finding(value=Task.REGRESSION, why=shown) if distinct > _MOST_CLASSES else None


def positive(values: pl.Series, name: str, modules: Sequence[Module]) -> Finding[str] | None:
    """Return the positive label of a binary target; None where labels are 0 and 1, or False and True."""
    counts = {value: int((values == value).sum()) for value in values.drop_nulls().unique().to_list()}
    if {*counts} <= {0, 1, False, True}:
        return None
    compared = _compared(modules, name, {str(value) for value in counts})
    if compared:
        return compared
    for value in counts:
        if str(value).strip().lower() in _POSITIVE:
            return Finding(value=str(value), why="of the two labels it is the affirmative one")
    rarer = min(counts, key=lambda value: (counts[value], str(value)))
    share = 100 * counts[rarer] / max(1, sum(counts.values()))
    return Finding(value=str(rarer), why=f"it is the rarer of the two labels ({share:.0f} % of the rows)")


def counted(values: pl.Series) -> Mapping[Any, int]:
    """Return how many rows hold each value."""
    kept = values.drop_nulls()
    return {row[0]: row[1] for row in kept.value_counts(sort=True).iter_rows()}


def _model(modules: Sequence[Module], names: re.Pattern[str]) -> str | None:
    """Return a class of models that the code uses."""
    for module in modules:
        for name, _ in module.calls():
            if names.fullmatch(name.rpartition(".")[2]):
                return name.rpartition(".")[2]
    return None


def _compared(modules: Sequence[Module], target: str, labels: set[str]) -> Finding[str] | None:
    """Return the label that the code makes 1: `frame["churn"] == "Yes"`, `.map({"No": 0, "Yes": 1})`."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
                text = module.text(node.comparators[0])
                if text in labels and target in _named(node.left, module):
                    return Finding(value=text, why=f"{module.place(node)} compares the target with it")
            elif isinstance(node, ast.Dict):
                ones = [key for key, value in zip(node.keys, node.values, strict=True) if _is_one(value)]
                texts = {module.text(key) for key in node.keys}
                text = module.text(ones[0]) if len(ones) == 1 else None
                if text in labels and texts == labels:
                    return Finding(value=text, why=f"{module.place(node)} makes it 1")
    return None


def _named(node: ast.expr, module: Module) -> set[str | None]:
    """Return the columns that an expression takes."""
    found: set[str | None] = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return found | {module.text(part.slice) for part in ast.walk(node) if isinstance(part, ast.Subscript)}


def _is_one(node: ast.expr) -> bool:
    """Whether an expression is the number 1."""
    return isinstance(node, ast.Constant) and node.value == 1
