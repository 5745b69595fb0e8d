"""A predictions table -> the arrays that metrics are computed from, refusing what metrics would take in silence.

Labels are looked at once for each different value, not for each row: ten million rows cost as much as their columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cd4ml.data.predictions.groups import as_binary, distinct_values
from cd4ml.data.predictions.labels import SEPARATOR, as_labels, common_names, labels_of
from cd4ml.data.predictions.table import PRODUCTION, class_columns
from cd4ml.data.tables.numbers import as_numbers, is_decimal, is_number
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.metric import Sample, Task


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of labels: `labels[codes]` are its values as people write them; codes of shape (n,)."""

    codes: npt.NDArray[np.int64]
    labels: pd.Series[str]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How the columns of one table are read.

    Attributes:
        source: what messages call the table.
        positive_label: the positive class of a binary task; not needed where labels are 0 and 1.
        quantile: which quantile of the target `y_pred` predicts.
        design_effect: of the samples: how many times less their rows count than independent ones.
    """

    source: str
    task: Task
    positive_label: str | None
    quantile: float = 0.5
    design_effect: float = 1.0

    def sample(self, frame: pd.DataFrame, prefix: str = "") -> Sample:
        """Return the arrays of the candidate (prefix "") or of production, all of shape (n,).

        Samples of one table share the numbering of their classes.

        Raises:
            OptionsError: the columns hold another kind of values than the task predicts.
        """
        score, weight = f"{prefix}y_score", "sample_weight"
        several = class_columns(list(map(str, frame.columns)), prefix) if self.task is Task.MULTICLASS else {}
        for name in (score, *several.values()):
            if name in frame.columns and not is_number(frame[name]):
                raise OptionsError(f"{self.source}: {name} must be numbers")
        y_true, y_pred, labels, names = self._decisions(frame, prefix)
        return Sample(
            y_true=y_true,
            y_pred=y_pred,
            y_score=as_numbers(frame[score]) if score in frame.columns else None,
            weight=as_numbers(frame[weight]) if weight in frame.columns else None,
            labels=labels,
            names=names,
            quantile=self.quantile,
            design_effect=self.design_effect,
            scores=_scores(frame, several, labels),
            sets=self.task is Task.MULTILABEL,
        )

    def _decisions(
        self, frame: pd.DataFrame, prefix: str
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], tuple[str, ...] | None, tuple[str, str] | None]:
        """Return truth and decisions: numbers, 0 and 1 with what the data call them, or indices into the labels."""
        names = ["y_true", f"{prefix}y_pred"]
        if self.task is Task.REGRESSION:
            true, predicted = (self._numbers(frame[name], name) for name in names)
            return true, predicted, None, None
        columns = {name: self._labels(frame[name], name) for name in names}
        if self.task is Task.BINARY:
            return (*self._binary(columns["y_true"], columns[names[1]], prefix),)
        # The other model's classes count as well, so that both are numbered alike.
        for other in ("y_pred", f"{PRODUCTION}y_pred"):
            if other in frame.columns and other not in columns:
                columns[other] = self._labels(frame[other], other)
        common = common_names([column.labels.tolist() for column in columns.values()])
        found = set(common.values())
        if self.task is Task.MULTICLASS:
            found |= {label for model in ("", PRODUCTION) for label in class_columns(map(str, frame.columns), model)}
        labels = tuple(sorted(found))
        number = {label: labels.index(called) for label, called in common.items()}
        true, predicted = (_taken(columns[name], columns[name].labels.map(number)) for name in names)
        return true, predicted, labels, None

    def _numbers(self, values: pd.Series[Any], name: str) -> npt.NDArray[Any]:
        """Return numbers."""
        if not is_number(values):
            raise OptionsError(f"{self.source}: {name} must be numbers for a regression task")
        return as_numbers(values)

    def _labels(self, values: pd.Series[Any], name: str) -> Column:
        """Return class labels; numbers with decimals are not labels."""
        codes, distinct = distinct_values(values)
        if pd.api.types.is_float_dtype(distinct) or is_decimal(distinct):
            numbers = as_numbers(distinct)
            if not (numbers == numbers.round()).all():
                raise self._no_classes(name)
        found_labels = as_labels(distinct)
        if self.task is Task.MULTILABEL:
            found_labels = found_labels.map(lambda text: SEPARATOR.join(labels_of(str(text))))
        return Column(codes=codes, labels=found_labels)

    def _no_classes(self, name: str) -> OptionsError:
        """Say that a column holds numbers with decimals: true values are a quantity, predictions may be scores."""
        if name == "y_true":
            return OptionsError(
                f"{self.source}: y_true holds numbers with decimals, which are not classes of a {self.task} task",
                advice="Set task: regression if the model predicts a number.",
            )
        return OptionsError(
            f"{self.source}: {name} holds scores, not classes",
            advice="Apply the model's cut-off first, so that y_pred holds the decision; or set task: regression.",
        )

    def _binary(
        self, y_true: Column, y_pred: Column, prefix: str
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], None, tuple[str, str]]:
        """Return 1 for the positive class and 0 for the other, and their names."""
        labels = sorted(set(common_names([y_true.labels.tolist(), y_pred.labels.tolist()]).values()))
        if len(labels) > 2:
            shown = ", ".join(labels[:5])
            raise OptionsError(
                f"{self.source}: y_true and {prefix}y_pred hold {len(labels)} labels ({shown}), a binary task has two",
                advice="Write the labels the same way in both, or set task: multiclass (regression, of quantities).",
            )
        found = as_binary({"y_true": y_true.labels, "y_pred": y_pred.labels}, self.positive_label)
        return _taken(y_true, found.columns["y_true"]), _taken(y_pred, found.columns["y_pred"]), None, found.names


def _scores(
    frame: pd.DataFrame, columns: Mapping[str, str], labels: tuple[str, ...] | None
) -> npt.NDArray[np.float64] | None:
    """Return the scores of all classes, None if one has none."""
    if labels is None or not columns or not set(labels) <= set(columns):
        return None
    return np.column_stack([as_numbers(frame[columns[label]]).astype(float) for label in labels])


def _taken(column: Column, numbers: pd.Series[int]) -> npt.NDArray[Any]:
    """Return each row's number, given that of each label; as small as it can be."""
    smallest = np.int8 if int(numbers.max()) < 128 else np.int32
    return numbers.to_numpy().astype(smallest)[column.codes]
