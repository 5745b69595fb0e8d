"""Whether the features of events, which are JSON, can be read: objects of finite numbers, of some depth at most."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

# What Polars and Python read differently, or one of them not at all; and what is nested deeply, or long.
_ODD: Final = r"^\s*[^\s{]|^\s*$|NaN|Infinity|[0-9]{300}|[eE]\+?[0-9]{3}"
_MOST_BRACKETS: Final = 64
_DEEPEST: Final = 32
_KIND: Final = pl.Struct({"": pl.String})


def sound(texts: pl.Series) -> pl.Series:
    """Return which texts are features; none at all are so, too."""
    odd = (texts.str.contains(_ODD) | (texts.str.count_matches(r"[\[{]") > _MOST_BRACKETS)).fill_null(False)
    good = ~odd
    if odd.any():
        checks = (not is_odd or _sound(text) for text, is_odd in zip(texts, odd, strict=True))
        good = pl.Series(list(checks), dtype=pl.Boolean)
    if _decodes(texts.filter(good)):
        return good
    each = (text is None or (_sound(text) and _decodes(pl.Series([text]))) for text in texts)
    return good & pl.Series(list(each), dtype=pl.Boolean)


def _decodes(texts: pl.Series) -> bool:
    """Whether Polars reads texts."""
    try:
        texts.str.json_decode(_KIND)
    except PolarsError:
        return False
    return True


def _sound(text: str) -> bool:
    """Whether a text is an object of finite numbers."""
    try:
        found = json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_finite)
    except (ValueError, OverflowError, RecursionError):
        return False
    return isinstance(found, dict) and _depth_within(found, _DEEPEST)


def _finite(written: str) -> float:
    """Return a number that is finite."""
    if not math.isfinite(value := float(written)):
        raise ValueError(written)
    return value


def _depth_within(value: Any, most: int) -> bool:
    """Whether lists and objects are nested at most so deeply."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most > 0 and all(_depth_within(one, most - 1) for one in inner)
