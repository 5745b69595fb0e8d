"""The columns or tensors that a model takes, as both roads and every reader know them. Only the standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

INTEGERS: Final[dict[str, Any]] = {"integer": "int32", "long": "int64"}
FLOATS: Final[dict[str, Any]] = {"float": "float32", "double": "float64"}
TYPES: Final = (*INTEGERS, *FLOATS, "boolean", "string", "datetime")
# Of tensors, as numpy calls them.
TENSOR_TYPES: Final = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
# How long a dimension may be that the signature leaves open, where the model does not say.
LONGEST: Final = 4096


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


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that the model takes: a row of it for each row of a request.

    Attributes:
        type: numpy's name, one of `TENSOR_TYPES`.
        shape: lengths of its dimensions, that of the rows first; -1 is any length, up to `longest`.
    """

    name: str
    type: str
    shape: Sequence[int]
    longest: int = LONGEST

    def problem(self) -> str | None:
        """Return what is wrong with it, None if it can be served."""
        if self.type not in TENSOR_TYPES:
            return f"tensor {self.name!r} has the type {self.type}, which is not supported"
        if not self.shape or self.shape[0] != -1 or not all(length == -1 or length > 0 for length in self.shape[1:]):
            shown = list(self.shape)
            return f"tensor {self.name!r} has the shape {shown}; the first dimension must be -1, that of the rows"
        return None
