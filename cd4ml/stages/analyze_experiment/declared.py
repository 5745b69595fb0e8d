"""How metrics are declared: `mean`, `proportion`, `ratio:numerator/denominator`, `quantile:0.95`, each `@column`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cd4ml.wording import nearest

MEAN, PROPORTION, RATIO, QUANTILE = "mean", "proportion", "ratio", "quantile"
KINDS: Final = (MEAN, PROPORTION, RATIO, QUANTILE)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric.

    Attributes:
        columns: the one that it is of; of a ratio, numerator and denominator.
        share: of a quantile, else None.
    """

    kind: str
    columns: tuple[str, ...]
    share: float | None = None


def parsed(declared: Mapping[str, str]) -> tuple[dict[str, Metric], list[str]]:
    """Return the metrics that can be read, and what is wrong with the others."""
    metrics, problems = {}, []
    for name, text in declared.items():
        found = _metric(name, text.strip())
        if isinstance(found, Metric):
            metrics[name] = found
        else:
            problems.append(f"metrics: {name}={text}: {found}")
    return metrics, problems


def _metric(name: str, text: str) -> Metric | str:
    """Return a metric, or what is wrong with it."""
    kind, _, rest = text.partition(":")
    if kind.partition("@")[0] in (MEAN, PROPORTION) and not rest:
        kind, _, column = kind.partition("@")
        return Metric(kind=kind, columns=(column or name,))
    if kind == RATIO:
        columns = tuple(one.strip() for one in rest.split("/"))
        if len(columns) != 2 or not all(columns):
            return "a ratio is written ratio:numerator/denominator"
        return Metric(kind=kind, columns=columns)
    if kind == QUANTILE:
        return _quantile(name, rest)
    return f"unknown kind{nearest(kind, KINDS)}; kinds are mean, proportion, ratio:numerator/denominator, quantile:0.95"


def _quantile(name: str, rest: str) -> Metric | str:
    """Return a quantile, or what is wrong with it."""
    number, _, column = rest.partition("@")
    try:
        share = float(number)
    except ValueError:
        return "a quantile is written quantile:0.95"
    if not 0 < share < 1:
        return "the share of a quantile must be above 0 and below 1"
    return Metric(kind=QUANTILE, columns=(column or name,), share=share)
