"""The columns that a model takes: what both roads and every reader know. It imports the standard library alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

INTEGERS: Final[dict[str, Any]] = {"integer": "int32", "long": "int64"}
FLOATS: Final[dict[str, Any]] = {"float": "float32", "double": "float64"}
TYPES: Final = (*INTEGERS, *FLOATS, "boolean", "string", "datetime")


class ModelError(Exception):
    """The folder holds no model that can be loaded or asked for a column of predictions."""


class RowsError(ValueError):
    """The rows are not what the model takes.

    Attributes:
        problems: maps a column (or "" for all) to what is wrong with it.
        rows: maps a column to the first positions where it is wrong, if the fault is in single values.
    """

    def __init__(self, problems: Mapping[str, str], rows: Mapping[str, Sequence[int]] | None = None) -> None:
        super().__init__("; ".join(f"{name}: {text}" if name else text for name, text in problems.items()))
        self.problems = dict(problems)
        self.rows = dict(rows or {})


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that the model takes.

    Attributes:
        name: its name as text, as JSON and files write it.
        label: its name as the model knows it, where that is not a text (pandas numbers columns without names).
        type: MLflow's name of the type, None if the model does not say.
    """

    name: str
    label: Any = None
    type: str | None = None
    required: bool = True

    @property
    def nullable(self) -> bool:
        """Whether values may be missing though the type itself has no value for that."""
        return not self.required and (self.type in INTEGERS or self.type == "boolean")
