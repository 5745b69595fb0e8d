"""What values of each feature the model was tested on, written into the image: what lies outside is counted there.

The image is handed on, so it says little of the data: bounds are rounded outward to two digits, categories are few, and
of columns with personal data, or that the options name, it says nothing.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from cd4ml.model_files.signature import Input, inputs as inputs_of
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate
from cd4ml.stages.build_image.report import Part

if TYPE_CHECKING:
    import pandas as pd

FILE: Final = "ranges.json"
MOST_CATEGORIES: Final = 50
# A category of fewer test rows may point at somebody.
LEAST_ROWS: Final = 5
_NUMBERS: Final = ("integer", "long", "float", "double")
_DIGITS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """The ranges by feature, as the gateway reads them, and why those of others are left out."""

    found: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]

    @property
    def part(self) -> Part:
        """See Found."""
        return Part(details={"ranges": {"features": sorted(self.found), "left_out": dict(self.left_out)}})

    @property
    def text(self) -> str:
        """The file in the image."""
        return json.dumps({"ranges": self.found}, indent=2, sort_keys=True) + "\n"


def feature_ranges(inputs: Inputs, candidate: Candidate) -> Ranges | None:
    """Return the ranges of the test data's features, None if the options do not ask for them.

    Raises:
        OptionsError: there is no test data, or the model's signature does not name its columns.
    """
    options = inputs.options
    if not options.feature_ranges:
        return None
    columns = inputs_of(candidate.folder)
    if columns is None or not options.test_data:
        raise OptionsError("feature-ranges needs test-data, and a model whose signature names its columns")
    frame = open_table(options.test_data, reading=options.reading).frame()
    return ranges_of(columns, frame, options.private_features)


def ranges_of(columns: Sequence[Input], frame: pd.DataFrame, private: Collection[str] = ()) -> Ranges:
    """Return the ranges of a table's values.

    Args:
        columns: those of the model's signature.
        private: features of which nothing is said.

    Raises:
        OptionsError: the model does not take one that is private; it may be misspelt.
    """
    if unknown := sorted(set(private) - {column.name for column in columns}):
        raise OptionsError(f"private-features: the model does not take {unknown[0][:100]!r}")
    found: dict[str, Mapping[str, Any]] = {}
    left_out: dict[str, str] = {}
    for column in columns:
        if column.name in private:
            said: dict[str, Any] | str = "private-features names it"
        elif column.name not in frame.columns:
            said = "test-data does not have it"
        else:
            said = _range(column.type, frame[column.name].tolist())
        if isinstance(said, str):
            left_out[column.name] = said
        else:
            found[column.name] = said
    return Ranges(found=found, left_out=left_out)


def _range(kind: str, values: Iterable[Any]) -> dict[str, Any] | str:
    """Return the range of a feature's values, or why there is none.

    Args:
        kind: the column's type in the signature.
    """
    if kind in _NUMBERS:
        numbers = [
            float(value) for value in values if isinstance(value, int | float | Decimal) and math.isfinite(value)
        ]
        if not numbers:
            return "it has no numbers"
        return {
            "minimum": _rounded(min(numbers), ROUND_FLOOR),
            "maximum": _rounded(max(numbers), ROUND_CEILING),
        }
    if kind != "string":
        return f"its type is {kind}"
    counts = Counter(value for value in values if isinstance(value, str))
    if len(counts) > MOST_CATEGORIES:
        return f"it has more than {MOST_CATEGORIES} categories"
    if not counts or min(counts.values()) < LEAST_ROWS:
        return f"a category has fewer than {LEAST_ROWS} rows"
    return {"categories": sorted(counts)}


def _rounded(value: float, rounding: str) -> float:
    """Return a bound with few digits, farther out: nobody's own value, unless it has so few itself."""
    return float(Context(prec=_DIGITS, rounding=rounding).create_decimal(Decimal(value)))
