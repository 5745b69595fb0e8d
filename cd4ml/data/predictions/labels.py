"""Labels and groups by the names that people write: 1 of one column is the 1.0 of another, and True is True.

Booleans keep their own names. Where one column holds True and False and another 1 and 0, they are the same labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

# Between the labels of a set.
SEPARATOR: Final = ";"
TRUE, FALSE = "True", "False"
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
# Whole numbers of more digits are texts.
_MOST_DIGITS: Final = 40


def label_text(value: object) -> str:
    """Return a label as people write it: 1 and 1.0 are the same label, and so are their texts and decimals."""
    if is_boolean(value):
        return TRUE if value else FALSE
    text = str(value).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    whole = number.is_finite() and number.adjusted() < _MOST_DIGITS and number == number.to_integral_value()
    return str(int(number)) if whole else text


def is_boolean(value: object) -> bool:
    """Whether a value is a boolean, be it Python's or NumPy's."""
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def as_labels(values: pd.Series[Any]) -> pd.Series[str]:
    """Return class labels as people write them."""
    return values.map(label_text).astype(object)


def labels_of(text: str) -> list[str]:
    """Return the labels of a set of labels, ascending and once each; none for an empty text or a separator alone."""
    return sorted({part.strip() for part in text.split(SEPARATOR)} - {""})


def truth(label: str) -> bool | None:
    """Return the truth that a label of a boolean column stands for, None for any other text."""
    return _TRUTH.get(label.strip().lower())


def are_booleans(labels: Collection[str]) -> bool:
    """Whether labels are booleans in words, or words beside 0 and 1."""
    known = [truth(label) for label in labels]
    return bool(known) and None not in known and any(not label.isdigit() for label in labels)


def common_names(columns: Iterable[Collection[str]]) -> dict[str, str]:
    """Return the one name of each label of several columns: True and False where they write booleans differently.

    Labels that stand in all columns as they do in one keep their names.
    """
    found = {label for labels in columns for label in labels}
    if not are_booleans(found) or not _written_differently(found):
        return {label: label for label in found}
    return {label: TRUE if truth(label) else FALSE for label in found}


def _written_differently(labels: Collection[str]) -> bool:
    """Whether booleans are written as words and as numbers, or one of them in two ways."""
    return len({truth(label) for label in labels}) < len(labels) or any(label.isdigit() for label in labels)


def matching(wanted: str, labels: Collection[str]) -> str | None:
    """Return the label that a user means, None if there is none: `true` and `1` mean the True of a boolean column."""
    text = label_text(wanted)
    if text in labels:
        return text
    if are_booleans(labels) and truth(text) is not None:
        return next((label for label in labels if truth(label) == truth(text)), None)
    return None


def some(labels: Collection[str] | Mapping[str, Any]) -> str:
    """Return a few labels for a message."""
    shown = sorted(labels)[:5]
    return ", ".join(shown) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
