"""Decisions as 0 and 1, and sensitive features as groups: every value lands in a group that has a name.

fairlearn takes any two labels and any numbers: text labels give a difference of 0.0, scores give groups of their own,
and rows without a value vanish. Here each of these is refused or named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.labels import FALSE, TRUE, are_booleans, as_labels, common_names, label_text, matching, some
from cd4ml.errors import OptionsError
from cd4ml.inputs.values import number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MISSING: Final = "(missing)"
# More distinct numbers than this are a quantity, not groups.
MOST_NUMERIC_GROUPS: Final = 20
MOST_GROUPS: Final = 99


@dataclass(frozen=True, kw_only=True)
class Binary:
    """Labels and decisions as 1 (favourable) and 0; the columns have the shape of those that they were made from.

    Attributes:
        names: what the data call 0 and 1.
    """

    columns: Mapping[str, pd.Series[int]]
    names: tuple[str, str]


def as_binary(columns: Mapping[str, pd.Series[Any]], positive_label: str | None) -> Binary:
    """Return columns of labels and decisions as 1 and 0; all without nulls, and coded alike.

    Raises:
        OptionsError: they hold scores, or labels for which nobody said which one is favourable.
    """
    texts = {name: as_labels(values) for name, values in columns.items()}
    names = common_names([set(values.unique().tolist()) for values in texts.values()])
    labels = set(names.values())
    if positive_label is None and not (labels <= {"0", "1"} or are_booleans(labels)):
        raise OptionsError(
            f"the labels are {some(labels)}, not 0 and 1", advice="Set positive-label to the favourable one."
        )
    scores = sorted(label for label in labels if _is_fraction(label))
    if scores:
        raise OptionsError(
            f"{' or '.join(columns)} holds numbers such as {scores[0]}: these look like scores, not decisions",
            advice="Apply the model's cut-off first, so that y_pred holds the decision.",
        )
    positive = matching(positive_label or "1", labels)
    if positive is None:
        if positive_label is not None:
            raise OptionsError(f"positive-label {positive_label!r} does not occur; the labels are {some(labels)}")
        positive = "1" if labels == {"0"} else TRUE
    others = sorted(labels - {positive})
    return Binary(
        columns={name: (values.map(names) == positive).astype(int) for name, values in texts.items()},
        names=(others[0] if others else _other(positive), positive),
    )


def _other(positive: str) -> str:
    """Return a name for the label that does not occur."""
    return {"1": "0", "0": "1", TRUE: FALSE, FALSE: TRUE}.get(positive, f"not {positive}")


def distinct_values(values: pd.Series[Any]) -> tuple[npt.NDArray[np.intp], pd.Series[Any]]:
    """Return each row's index into the different values (-1 where it has none), and these; categories as their values.

    Looking at each different value once takes no time, whatever the number of rows.
    """
    import numpy as np
    import pandas as pd

    codes, found = pd.factorize(values)
    return codes, pd.Series(np.asarray(found) if isinstance(found.dtype, pd.CategoricalDtype) else found)


def _is_fraction(label: str) -> bool:
    """Whether the label is a number with decimals."""
    try:
        return not float(label).is_integer()
    except (ValueError, OverflowError):
        return False


def as_groups(values: pd.Series[Any], name: str, edges: str | None) -> pd.Series[str]:
    """Return the group of each row as text; missing values are a group of their own.

    Args:
        values: shape (n,).
        edges: `25:40:62` cuts numbers into `<25`, `25 to <40`, `40 to <62` and `>=62`.

    Raises:
        OptionsError: a quantity without edges, edges for texts, or too many groups to compare.
    """
    import pandas as pd

    if edges is not None:
        return _binned(values, name, edges)
    distinct = values.nunique(dropna=True)
    if pd.api.types.is_numeric_dtype(values) or _all_numbers(values):
        if distinct > MOST_NUMERIC_GROUPS:
            raise OptionsError(
                f"sensitive feature `{name}` has {distinct} different numbers: a quantity, not groups",
                advice=f"Declare where it is cut, e.g. bins: {name}=25:40:62.",
            )
    if distinct > MOST_GROUPS:
        raise OptionsError(
            f"sensitive feature `{name}` has {distinct} different values; at most {MOST_GROUPS} groups can be compared",
            advice="If it is not an identifier, put the values into fewer categories.",
        )
    return values.map(lambda value: MISSING if pd.isna(value) else _group(value)).astype(str)


def _group(value: object) -> str:
    """Return the name of a value's group: `007` and `7` are two texts, and a text `(missing)` is not a gap."""
    name = value.strip() if isinstance(value, str) else label_text(value)
    return repr(name) if name == MISSING else name


def named_group(wanted: str, groups: Collection[str]) -> str:
    """Return the group that a user means, by the name that the data give it; an unknown name as it is."""
    if wanted in groups:
        return wanted
    return matching(wanted, [group for group in groups if group != MISSING]) or wanted


def _all_numbers(values: pd.Series[Any]) -> bool:
    """Whether every value is a number, be it stored as a text or as a decimal."""
    import pandas as pd

    known = pd.Series(values.dropna().unique()).astype(str)
    return bool(len(known)) and bool(pd.to_numeric(known, errors="coerce").notna().all())


def _binned(values: pd.Series[Any], name: str, edges: str) -> pd.Series[str]:
    """Return the bin of each number, lower edge included."""
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    unreadable = int((numbers.isna() & values.notna()).sum())
    if unreadable:
        raise OptionsError(f"bins: {name}: {unreadable} values are not numbers")
    names = bin_names(name, edges)
    return pd.Series([names[position] for position in bin_positions(numbers, name, edges)], index=values.index)


def _cuts(name: str, edges: str) -> list[float]:
    """Return the edges as numbers."""
    try:
        cuts = [number(edge) for edge in edges.split(":")]
    except ValueError as error:
        raise OptionsError(f"bins: {name}: {error}") from error
    if any(left >= right for left, right in pairwise(cuts)):
        raise OptionsError(f"bins: {name}: the edges {edges} do not increase")
    return cuts


def bin_names(name: str, edges: str) -> list[str]:
    """Return the names of the bins, and last the name for values that are missing.

    Raises:
        OptionsError: the edges are not numbers, or do not increase.
    """
    shown = [f"{cut:g}" for cut in _cuts(name, edges)]
    return [f"<{shown[0]}", *(f"{low} to <{high}" for low, high in pairwise(shown)), f">={shown[-1]}", MISSING]


def bin_positions(numbers: Any, name: str, edges: str) -> npt.NDArray[np.int8]:
    """Return the position of each number among the names of the bins; shape (n,), like that of the numbers."""
    import numpy as np

    cuts = _cuts(name, edges)
    known = np.asarray(numbers, dtype=float)
    positions = np.searchsorted(cuts, known, side="right").astype(np.int8)
    positions[np.isnan(known)] = len(cuts) + 1
    return positions
