"""analyze-experiment: how units were assigned, and every effect with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import CANDIDATE, Mark, forest
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import Bounds, between, bounds, mapping, numeric
from cd4ml.render.numbers import number
from cd4ml.report import Published, chance, percent

_MOST_PLOTTED: Final = 25
_HEADS: Final = (
    "Metric",
    "Variant",
    "Value",
    "Control",
    "Difference",
    "Interval",
    "p-value",
    "Guardrail",
    "CUPED",
    "Units",
)


def section(published: Published) -> Html:
    """Return the units of each variant, and the effects as a picture and in numbers."""
    metrics = published.report.metrics
    units = [[name, number(numeric(count))] for name, count in mapping(metrics, "units").items()]
    if not units:
        return Html()
    found = [
        (name, variant, mapping(one))
        for name, variants in mapping(metrics, "effects").items()
        for variant, one in mapping(variants).items()
    ]
    marks = [mark for name, variant, one in found if (mark := _mark(f"{name} {variant}", one))][:_MOST_PLOTTED]
    note = "As a share of the control's value, so that all metrics share a scale. The dashed line is no difference."
    drawn = [picture("Effects", note, forest(marks, x="difference, share of the control", line=0.0))] if marks else []
    parts = [element("h3", "Units"), table("Units by variant", ("Variant", "Units"), units, numeric=range(1, 2))]
    if found:
        rows = [_row(name, variant, one) for name, variant, one in found]
        parts += [element("h3", "Effects"), side_by_side(drawn), table("Effects", _HEADS, rows, numeric=range(2, 10))]
    return joined(parts)


def _mark(row: str, found: Mapping[str, Any]) -> Mark | None:
    """Return an effect as a share of the control, None where the control has none."""
    control, value, spread = numeric(found.get("control")), numeric(found.get("difference")), bounds(found)
    if not control or value is None or spread is None:
        return None
    size = abs(control)
    ends = Bounds(lower=spread.lower / size, upper=spread.upper / size)
    return Mark(row=row, series=CANDIDATE, value=value / size, interval=ends)


def _row(name: str, variant: str, found: Mapping[str, Any]) -> list[Content]:
    """Return an effect's numbers."""
    value, control = numeric(found.get("value")), numeric(found.get("control"))
    p_value, reduction = numeric(found.get("p_value")), numeric(found.get("variance_reduction"))
    guardrail = numeric(found.get("guardrail"))
    return [
        name,
        variant,
        number(value, control),
        number(control, value),
        number(numeric(found.get("difference"))),
        between(bounds(found)),
        "" if p_value is None or guardrail is not None else chance(p_value),
        "" if guardrail is None else number(guardrail),
        "" if reduction is None else percent(reduction),
        number(numeric(found.get("n"))),
    ]
