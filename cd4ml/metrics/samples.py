"""A predictions table -> the arrays that metrics are computed from, refusing what metrics would take in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.errors import OptionsError
from cd4ml.metrics.performance import Sample, Task

if TYPE_CHECKING:
    import pandas as pd

PRODUCTION: Final = "production_"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How the columns of one table are read.

    Attributes:
        source: what messages call the table.
        positive_label: the positive class of a binary task; not needed where labels are 0 and 1.
    """

    source: str
    task: Task
    positive_label: str | None

    def sample(self, frame: pd.DataFrame, prefix: str = "") -> Sample:
        """Return the arrays of the candidate (prefix "") or of production, all of shape (n,).

        Raises:
            OptionsError: the columns hold another kind of values than the task predicts.
        """
        import pandas as pd

        y_true, y_pred = self._decisions(frame["y_true"], frame[f"{prefix}y_pred"], prefix)
        score, weight = f"{prefix}y_score", "sample_weight"
        if score in frame.columns and not pd.api.types.is_numeric_dtype(frame[score]):
            raise OptionsError(f"{self.source}: {score} must be numbers")
        return Sample(
            y_true=y_true.to_numpy(),
            y_pred=y_pred.to_numpy(),
            y_score=frame[score].to_numpy() if score in frame.columns else None,
            weight=frame[weight].to_numpy() if weight in frame.columns else None,
        )

    def _decisions(
        self, y_true: pd.Series[Any], y_pred: pd.Series[Any], prefix: str
    ) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """Return labels or numbers, as the task has them."""
        if self.task is Task.REGRESSION:
            return self._numbers(y_true, "y_true"), self._numbers(y_pred, f"{prefix}y_pred")
        labels = self._labels(y_true, "y_true"), self._labels(y_pred, f"{prefix}y_pred")
        return labels if self.task is Task.MULTICLASS else self._binary(*labels, prefix)

    def _numbers(self, values: pd.Series[Any], name: str) -> pd.Series[Any]:
        """Return numbers as they are."""
        import pandas as pd

        if not pd.api.types.is_numeric_dtype(values):
            raise OptionsError(f"{self.source}: {name} must be numbers for a regression task")
        return values

    def _labels(self, values: pd.Series[Any], name: str) -> pd.Series[Any]:
        """Return class labels as text; numbers with decimals are no labels."""
        import pandas as pd

        from cd4ml.data.groups import as_labels

        if pd.api.types.is_float_dtype(values) and not (values == values.round()).all():
            raise OptionsError(
                f"{self.source}: {name} holds scores, not classes",
                advice="Apply the model's cut-off first, so that y_pred holds the decision.",
            )
        return as_labels(values)

    def _binary(
        self, y_true: pd.Series[Any], y_pred: pd.Series[Any], prefix: str
    ) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """Return 1 for the positive class and 0 for the other."""
        from cd4ml.data.groups import as_binary

        labels = sorted({*y_true.unique().tolist(), *y_pred.unique().tolist()})
        if len(labels) > 2:
            shown = ", ".join(labels[:5])
            raise OptionsError(
                f"{self.source}: y_true and {prefix}y_pred hold {len(labels)} labels ({shown}), a binary task has two",
                advice="Write the labels the same way in both, or set task: multiclass.",
            )
        return as_binary(y_true, y_pred, self.positive_label)
