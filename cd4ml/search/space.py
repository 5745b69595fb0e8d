"""The search space: what each hyper-parameter may be, as `cd4ml.yaml` writes it.

`2..8` is a range of whole numbers, `0.01..1` one of numbers; `log` or `step 0.1` may follow. `gini | entropy` lists
values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from cd4ml.errors import OptionsError

Value = bool | int | float | str

_NUMBER: Final = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_WHOLE: Final = re.compile(r"[+-]?\d+")
_RANGE: Final = re.compile(
    rf"(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})(?:\s+(?:step\s+(?P<step>{_NUMBER})|(?P<log>log)))?"
)
_WORDS: Final = {"true": True, "false": False}
_FORMS: Final = "Write a range (`2..8`, `0.01..1 log`, `0..1 step 0.1`) or values (`gini | entropy`)."


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A hyper-parameter: a range from `low` to `high`, or `choices`.

    Attributes:
        low, high: whole numbers for a range of such; both are in the range.
        step: between two values, None for any number (or every whole one).
        log: whether orders of magnitude are equally likely, rather than numbers.
    """

    name: str
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The parameter as a plan has it."""
        return asdict(self) | {"choices": list(self.choices)}

    def has(self, value: object) -> bool:
        """Whether a value is one of this parameter's."""
        if self.choices:
            return any(type(value) is type(one) and value == one for one in self.choices)
        assert self.low is not None and self.high is not None
        if isinstance(value, bool) or not isinstance(value, int if isinstance(self.low, int) else (int, float)):
            return False
        return self.low <= value <= self.high


def parameters(space: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Read a search space.

    Raises:
        OptionsError: there is nothing to search, or a parameter is not written so.
    """
    if not space:
        raise OptionsError("space names no hyper-parameter", advice=_FORMS)
    found, problems = [], []
    for name, text in space.items():
        try:
            found.append(_parameter(name, text.strip()))
        except ValueError as error:
            problems.append(f"space: {name}: {error}")
    if problems:
        raise OptionsError(problems, advice=_FORMS)
    return tuple(found)


def from_documents(documents: Sequence[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    """Return the parameters of a plan."""
    return tuple(Parameter(**{**one, "choices": tuple(one["choices"])}) for one in documents)


def _parameter(name: str, text: str) -> Parameter:
    """Read one parameter; a ValueError says what is wrong."""
    if match := _RANGE.fullmatch(text):
        return _range(name, match)
    values = tuple(_value(part.strip()) for part in text.split("|"))
    if len(values) < 2 or "" in values:
        raise ValueError(f"{text!r} is neither a range nor a list of values")
    if len({(type(value), value) for value in values}) < len(values):
        raise ValueError("a value stands there twice")
    return Parameter(name=name, choices=values)


def _range(name: str, match: re.Match[str]) -> Parameter:
    """Read a range."""
    written = [match["low"], match["high"], *([match["step"]] if match["step"] else [])]
    kind = int if all(_WHOLE.fullmatch(one) for one in written) else float
    low, high, *steps = (kind(one) for one in written)
    if not all(math.isfinite(one) for one in (low, high, *steps)):
        raise ValueError("a number is too large")
    if low >= high:
        raise ValueError(f"{low} is not below {high}")
    if match["log"] and low <= 0:
        raise ValueError("a range on the logarithmic scale begins above 0")
    if steps and not 0 < steps[0] <= high - low:
        raise ValueError("a step is above 0 and no wider than the range")
    return Parameter(name=name, low=low, high=high, step=steps[0] if steps else None, log=bool(match["log"]))


def _value(text: str) -> Value:
    """Read one of several values: a truth, a number, else a text."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if re.fullmatch(_NUMBER, text) else text
