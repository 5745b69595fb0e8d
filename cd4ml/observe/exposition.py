"""Metrics as text, as an answer of `/metrics` that was saved: Prometheus' format, and OpenMetrics'.

Source:
    https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import OptionsError

_LABEL: Final = r'[a-zA-Z_][a-zA-Z0-9_]*\s*=\s*"(?:[^"\\\n]|\\.)*"'
_SAMPLE: Final = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{{\s*((?:{_LABEL}\s*,?\s*)*)\}})?\s+(\S+)(?:\s+[-+0-9.eE]+)?(?:\s+#.*)?\s*"
)
_NAMED: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A number with its name and labels."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str, name: str) -> Iterator[Sample]:
    """Yield the numbers of a text.

    Args:
        name: of the file, for messages.

    Raises:
        OptionsError: a line is neither a comment nor a number.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        matched = _SAMPLE.fullmatch(line.strip())
        try:
            value = float(matched[3]) if matched else None
        except ValueError:
            value = None
        if matched is None or value is None:
            raise OptionsError(f"{name}:{number} is not a line of metrics", advice="Save what /metrics answers.")
        labels = {one[1]: _ESCAPED.sub(_plain, one[2]) for one in _NAMED.finditer(matched[2] or "")}
        yield Sample(name=matched[1], labels=labels, value=value)


def _plain(escaped: re.Match[str]) -> str:
    """Return what an escaped character stands for."""
    return "\n" if escaped[1] == "n" else escaped[1]
