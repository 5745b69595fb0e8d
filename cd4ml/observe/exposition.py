"""Metrics as text: written in Prometheus' format, and read in that and in OpenMetrics', as `/metrics` answers.

Source:
    https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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


@dataclass(frozen=True, kw_only=True)
class Family:
    """A metric.

    Attributes:
        kind: `counter` or `gauge`.
    """

    name: str
    kind: str
    help: str


# The labels of one number of a metric, and the number.
Labelled = tuple[Mapping[str, str], float]


def written(metrics: Iterable[tuple[Family, Iterable[Labelled]]]) -> str:
    """Return metrics with their numbers as Prometheus reads them."""
    lines = []
    for family, numbers in metrics:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{_labels(labels)} {value!r}" for labels, value in numbers]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    """Return labels as the format writes them."""
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    """Return a label's value as the format writes it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _plain(escaped: re.Match[str]) -> str:
    """Return what an escaped character stands for."""
    return "\n" if escaped[1] == "n" else escaped[1]
