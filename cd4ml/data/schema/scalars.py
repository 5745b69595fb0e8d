"""Values of the data as YAML."""

from __future__ import annotations

import re
from typing import Any, Final

from cd4ml.yaml_text import in_quotes

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*[A-Za-z0-9_]|[A-Za-z_]")
_WORDS: Final = frozenset("true false null yes no on off y n nan inf".split())


def scalar(value: Any) -> str:
    """Return a value as YAML, its type kept."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")  # YAML 1.1 wants the point
    return str(value)


def quoted(text: str) -> str:
    """Return a text as YAML, quoted where it needs to be; nothing unprintable is written as it is."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return in_quotes(text)
