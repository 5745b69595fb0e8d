"""evaluate-model: metrics against their limits and production, the curves, the errors by class, and slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.render.html import churn
from cd4ml.render.html.elements import Content, Html, details, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import CANDIDATE, PRODUCTION, Mark, curves, forest
from cd4ml.render.html.tables import more, table
from cd4ml.render.html.values import between, bounds, listed, mapping, numbers, numeric, slice_name
from cd4ml.render.numbers import number, plural
from cd4ml.report import Check, Published

_MOST_PLOTTED: Final = 25
_MOST_SLICE_PLOTS: Final = 4
_MOST_SLICE_TABLES: Final = 8
_MOST_SLICES: Final = 50
_MOST_LABELS: Final = 15
_MOST_CONFUSIONS: Final = 20
# Curves that the report may hold, by their titles; the first two lists of a curve are its axes.
_CURVES: Final = {"roc": "ROC", "pr": "Precision and recall", "calibration": "Calibration"}


def section(published: Published) -> Html:
    """Return the pictures and tables of the stage."""
    found, held = published.report.metrics, published.report.details
    parts = [
        _metrics(found, _allowed(published.report.checks)),
        _curves(held, found),
        _confusions(held),
        churn.part(mapping(found, "churn")),
        _slices(found),
        _searched(mapping(found, "slice_search")),
    ]
    return joined(parts)


def _allowed(checks: Sequence[Check]) -> dict[str, str]:
    """Return the loss against production that is allowed, by metric."""
    of_all = [check for check in checks if check.metric and not check.slice and check.interval]
    return {str(c.metric): number(c.limit) for c in of_all if c.interval and c.interval.of == "difference"}


def _metrics(found: Mapping[str, Any], allowed: Mapping[str, str]) -> Html:
    """Return every metric of both models, as a table and as a forest plot."""
    candidate = mapping(found, "candidate")
    if not candidate:
        return Html()
    rows = [[*_metric_row(name, found), allowed.get(name, "")] for name in candidate]
    shown = table("Metrics on all test rows", (*_HEADS, "Allowed loss"), rows, numeric=range(1, 7))
    marks, changes = _marks(found, candidate)
    pictures = []
    if marks:
        pictures.append(
            picture("Values", "Points are values, lines the candidate's intervals.", forest(marks, x="value"))
        )
    if changes:
        note = "Left of the dashed line the candidate's value is lower than production's."
        pictures.append(picture("Candidate less production", note, forest(changes, x="difference", line=0)))
    return joined([element("h3", "Metrics"), side_by_side(pictures), shown])


_HEADS: Final = ("Metric", "Candidate", "Interval", "Production", "Difference", "Interval of the difference")


def _metric_row(name: str, found: Mapping[str, Any]) -> list[Content]:
    """Return a metric's row."""
    own = numeric(mapping(found, "candidate").get(name))
    other = numeric(mapping(found, "production").get(name))
    change = mapping(found, "comparisons", name)
    return [
        name,
        "undefined" if own is None else number(own, other),
        between(bounds(mapping(found, "intervals").get(name))),
        number(other, own),
        number(numeric(change.get("difference"))),
        between(bounds(change.get("interval"))),
    ]


def _marks(found: Mapping[str, Any], names: Mapping[str, Any]) -> tuple[list[Mark], list[Mark]]:
    """Return the values and the differences that share one scale: shares, which lie between -1 and 1."""
    values, changes = [], []
    for name in list(names)[:_MOST_PLOTTED]:
        pair = {model: numeric(mapping(found, model).get(name)) for model in (CANDIDATE, PRODUCTION)}
        if any(value is not None and abs(value) > 1 for value in pair.values()):
            continue
        interval = bounds(mapping(found, "intervals").get(name))
        values += [
            Mark(row=name, series=model, value=value, interval=interval if model == CANDIDATE else None)
            for model, value in pair.items()
            if value is not None
        ]
        change = mapping(found, "comparisons", name)
        difference = numeric(change.get("difference"))
        if difference is not None:
            changes.append(
                Mark(row=name, series="difference", value=difference, interval=bounds(change.get("interval")))
            )
    return values, changes


def _curves(held: Mapping[str, Any], found: Mapping[str, Any]) -> Html:
    """Return the curves of both models' scores."""
    pictures = []
    for name, title in _CURVES.items():
        both = {model: mapping(held, "curves", model, name) for model in (CANDIDATE, PRODUCTION)}
        lines = {model: line for model, curve in both.items() if (line := _line(curve))}
        if lines:
            axes = [str(key).replace("_", " ") for key in list(both[next(iter(lines))])[:2]]
            if name == "roc":
                lines = {model: [(0.0, 0.0), *line, (1.0, 1.0)] for model, line in lines.items()}
            plot = curves(lines, x=axes[0], y=axes[1], diagonal=name != "pr", points=name == "calibration")
            pictures.append(picture(title, _note(name, lines, found), plot))
    return joined([element("h3", "Scores"), side_by_side(pictures)]) if pictures else Html()


def _line(curve: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return the points of a curve, none if it is damaged."""
    axes = [numbers(values) for values in curve.values()][:2]
    if len(axes) < 2 or not axes[0] or not axes[1] or len(axes[0]) != len(axes[1]):
        return []
    return list(zip(axes[0], axes[1], strict=True))


def _note(name: str, lines: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the number that sums a curve up, or how it is read."""
    if name == "calibration":
        return "On the dotted line, scores are what they say: of 100 rows with a score of 0.7, 70 are positive."
    metric = f"{name}-auc"
    areas = {model: numeric(mapping(found, model).get(metric)) for model in lines}
    said = ", ".join(f"{model} {number(area)}" for model, area in areas.items() if area is not None)
    return f"{metric}: {said}." if said else {"roc": "The dotted line is chance.", "pr": ""}[name]


def _confusions(held: Mapping[str, Any]) -> Html:
    """Return the confusion matrices."""
    named = (("confusion_matrix", CANDIDATE), ("production_confusion_matrix", PRODUCTION))
    shown = [_matrix(mapping(held, key), model) for key, model in named]
    if not any(shown):
        return Html()
    return joined([element("h3", "Confusion matrices"), element("div", *shown, class_="plots")])


def _matrix(matrix: Mapping[str, Any], model: str) -> Html:
    """Return a confusion matrix; of one with many labels, the most frequent confusions."""
    labels = [str(label) for label in listed(matrix.get("labels"))]
    counts = [numbers(row) or [] for row in listed(matrix.get("counts"))]
    if not labels or any(len(row) != len(labels) for row in counts) or len(counts) != len(labels):
        return Html()
    if len(labels) > _MOST_LABELS:
        return _frequent(labels, counts, model)
    heads = ("True \\ predicted", *labels)
    rows: list[list[Content]] = [
        [label, *(_cell(count, sum(row)) for count in row)] for label, row in zip(labels, counts, strict=True)
    ]
    return element(
        "div",
        table(f"{model.capitalize()}: rows by true and predicted class", heads, rows, numeric=range(1, len(heads))),
    )


def _cell(count: float, total: float) -> str:
    """Return a count and its share of the row."""
    shown = number(int(count) if count == int(count) else count)
    return f"{shown} ({100 * count / total:.0f} %)" if total else shown


def _frequent(labels: Sequence[str], counts: Sequence[Sequence[float]], model: str) -> Html:
    """Return the most frequent confusions."""
    pairs = [(count, i, j) for i, row in enumerate(counts) for j, count in enumerate(row) if i != j and count]
    rows: list[list[Content]] = [
        [labels[i], labels[j], _cell(count, sum(counts[i]))] for count, i, j in sorted(pairs, reverse=True)
    ]
    caption = f"{model.capitalize()}: the most frequent confusions among {len(labels)} classes"
    return table(caption, ("True", "Predicted", "Rows"), rows, most=_MOST_CONFUSIONS, numeric=(2,), of="confusion")


def _slices(found: Mapping[str, Any]) -> Html:
    """Return each metric by slice."""
    parts = [mapping(part) for part in listed(found.get("slices"))]
    if not parts:
        return Html()
    names = list(dict.fromkeys(name for part in parts for name in mapping(part, "candidate")))
    pictures = [
        picture(
            f"{name} by slice", "Lines are the candidate's intervals.", forest(marks, x=name, line=_of_all(found, name))
        )
        for name in names[:_MOST_SLICE_PLOTS]
        if (marks := _slice_marks(parts, name))
    ]
    tables = [_slice_table(parts, name) for name in names[:_MOST_SLICE_TABLES]]
    left = more(len(names) - len(tables), "metric")
    folded = details(f"Slices in numbers ({plural(len(names), 'metric')})", *tables, left)
    note = element("p", "The dashed line is the candidate's value on all rows.", class_="note")
    return joined([element("h3", "Slices"), note, side_by_side(pictures), folded])


def _of_all(found: Mapping[str, Any], name: str) -> float | None:
    """Return the candidate's value on all rows."""
    value = numeric(mapping(found, "candidate").get(name))
    return None if value is None else float(value)


def _slice_marks(parts: Sequence[Mapping[str, Any]], name: str) -> list[Mark]:
    """Return a metric of both models by slice."""
    found = []
    for part in parts[:_MOST_PLOTTED]:
        for model in (CANDIDATE, PRODUCTION):
            value = numeric(mapping(part, model).get(name))
            interval = bounds(mapping(part, "intervals").get(name)) if model == CANDIDATE else None
            if value is not None:
                found.append(Mark(row=slice_name(part), series=model, value=float(value), interval=interval))
    return found


def _slice_table(parts: Sequence[Mapping[str, Any]], name: str) -> Html:
    """Return a metric by slice in numbers."""
    rows: list[list[Content]] = [
        [slice_name(part), number(numeric(part.get("rows"))), *_metric_row(name, part)[1:]] for part in parts
    ]
    return table(
        f"{name} by slice", ("Slice", "Rows", *_HEADS[1:]), rows, numeric=range(1, 7), most=_MOST_SLICES, of="slice"
    )


def _searched(search: Mapping[str, Any]) -> Html:
    """Return the slices that a search found worse than the other rows."""
    if not search:
        return Html()
    worst = [mapping(one) for one in listed(search.get("worst"))]
    rows: list[list[Content]] = [
        [
            slice_name(one),
            number(numeric(one.get("rows"))),
            number(numeric(one.get("candidate"))),
            number(numeric(one.get("other_rows"))),
            number(numeric(one.get("production"))),
            number(numeric(one.get("difference"))),
            between(bounds(one.get("interval"))),
        ]
        for one in worst
    ]
    heads = ("Slice", "Rows", "Candidate", "Other rows", "Production", "Difference", "Interval")
    tested = f"{number(numeric(search.get('slices_tested')))} slices were tested on {search.get('metric')}; "
    said = element(
        "p", f"{tested}{number(numeric(search.get('slices_worse')))} are shown to be worse than the other rows."
    )
    found = table("Slices that are worse than the other rows", heads, rows, most=25, numeric=range(1, 7), of="slice")
    return joined([element("h3", "Slice search"), said, found])
