"""audit-fairness: rates and ratios of each group with their intervals, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, details, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import CANDIDATE, PRODUCTION, Mark, curves, forest
from cd4ml.render.html.tables import more, table
from cd4ml.render.html.values import Bounds, between, bounds, listed, mapping, numbers, numeric
from cd4ml.render.numbers import number, plural
from cd4ml.report import Published

_MOST_PLOTTED: Final = 25
_MOST_DRAWN: Final = 12
_MOST_POINTS: Final = 100
_MOST_PROXIES: Final = 12
_MOST_FEATURES: Final = 20
_MOST_GROUPS: Final = 40


def section(published: Published) -> Html:
    """Return each audited feature: those that decide, then those that are only reported."""
    features = {name: mapping(found) for name, found in mapping(published.report.metrics, "features").items()}
    intervals = mapping(published.report.details, "rate_intervals")
    shown = [
        (
            found.get("decides") is not False,
            _feature(name, found, mapping(intervals, name), drawn=place < _MOST_DRAWN),
        )
        for place, (name, found) in enumerate(list(features.items())[:_MOST_FEATURES])
    ]
    deciding = [part for decides, part in shown if decides]
    reported = [part for decides, part in shown if not decides]
    if not shown:
        return Html()
    away = [_proxies(name, mapping(found)) for name, found in mapping(published.report.metrics, "proxies").items()]
    swept = mapping(published.report.metrics, "threshold_sweep")
    away = [*(_sweep(name, mapping(found)) for name, found in list(swept.items())[:_MOST_DRAWN]), *away]
    folded = details(f"{plural(len(reported), 'combination')} of features, reported only", *reported)
    return joined(
        [
            element("h3", "Groups"),
            *deciding,
            folded,
            *away[: 2 * _MOST_DRAWN],
            more(len(features) - len(shown), "feature"),
        ]
    )


def _feature(name: str, found: Mapping[str, Any], intervals: Mapping[str, Any], *, drawn: bool) -> Html:
    """Return a feature's pictures and numbers."""
    pictures = _pictures(name, found, intervals) if drawn else []
    parts = [_rates(name, found, intervals), _errors(name, found), _differences(name, found), _calibration(name, found)]
    numbers_of_groups = [parts[0] or parts[1], _pairs(name, found), details("More numbers", *parts[2:])]
    return joined([element("h4", name), side_by_side(pictures), *numbers_of_groups])


def _pictures(name: str, found: Mapping[str, Any], intervals: Mapping[str, Any]) -> list[Html]:
    """Return the selection rates and the ratios of a feature's groups."""
    groups = list(mapping(found, "by_group"))[:_MOST_PLOTTED]
    rates, ratios = [], []
    for group in groups:
        for model, by_group in (
            (CANDIDATE, mapping(found, "by_group")),
            (PRODUCTION, mapping(found, "production", "by_group")),
        ):
            rate = numeric(mapping(by_group, group).get("selection_rate"))
            spread = _pair(mapping(intervals, group).get("selection_rate")) if model == CANDIDATE else None
            if rate is not None:
                rates.append(Mark(row=group, series=model, value=float(rate), interval=spread))
        compared = mapping(found, "ratios", group)
        ratio = numeric(compared.get("ratio"))
        if ratio is not None:
            ratios.append(Mark(row=group, series=CANDIDATE, value=float(ratio), interval=bounds(compared)))
        before = numeric(mapping(found, "changes", group).get("production"))
        if before is not None:
            ratios.append(Mark(row=group, series=PRODUCTION, value=float(before)))
    drawn = []
    if rates:
        note = "The share of each group that gets the favourable decision."
        drawn.append(picture(f"Selection rate by {name}", note, forest(rates, x="selection rate", shares=True)))
    if ratios:
        limit = numeric(found.get("minimum_ratio"))
        drawn.append(picture(f"Ratio by {name}", _ratio_note(found, limit), forest(ratios, x="ratio", line=limit)))
    return drawn


def _ratio_note(found: Mapping[str, Any], limit: float | None) -> str:
    """Say what the ratios are to, and what the line is."""
    reference = found.get("reference")
    to = f"Compared with: {reference}" if isinstance(reference, str) else "Compared with the reference group"
    return f"{to}. The dashed line is the minimum, {limit:g}." if limit is not None else f"{to}."


def _pair(found: object) -> Bounds | None:
    """Return the bounds that a list of two gives."""
    ends = numbers(found)
    return Bounds(lower=ends[0], upper=ends[1]) if ends and len(ends) == 2 else None


def _rates(name: str, found: Mapping[str, Any], intervals: Mapping[str, Any]) -> Html:
    """Return the rates and ratios of each group in numbers; nothing where groups have no rates."""
    by_group, before = mapping(found, "by_group"), mapping(found, "production", "by_group")
    if not all("selection_rate" in mapping(rates) for rates in by_group.values()):
        return Html()
    names = list(dict.fromkeys(key for rates in by_group.values() for key in mapping(rates) if key != "n"))
    rows: list[list[Content]] = []
    for group, rates in by_group.items():
        compared = mapping(found, "ratios", group)
        cells = [number(numeric(compared.get("ratio"))), between(bounds(compared))]
        cells.append(number(numeric(mapping(found, "changes", group).get("production"))))
        cells += [_rate(mapping(rates).get(key), mapping(intervals, group).get(key)) for key in names]
        cells.append(_rate(mapping(before, group).get("selection_rate"), None))
        rows.append([group, number(numeric(mapping(rates).get("n"))), *cells])
    titles = [key.replace("_", " ").capitalize() for key in names]
    first = ("Group", "n", "Ratio", "Interval of the ratio", "Production's ratio")
    heads = (*first, *titles, "Production's selection rate")
    return table(f"Groups of {name}", heads, rows, numeric=range(1, len(heads)), most=_MOST_GROUPS, of="group")


def _rate(value: object, interval: object) -> str:
    """Return a rate with its interval, if there is one."""
    rate, spread = numeric(value), between(_pair(interval))
    if rate is None:
        return "" if value is None else "undefined"
    return f"{number(rate)} ({spread})" if spread else number(rate)


def _errors(name: str, found: Mapping[str, Any]) -> Html:
    """Return the errors of each group of a regression with their intervals."""
    by_group = mapping(found, "by_group")
    names = list(dict.fromkeys(key for group in by_group.values() for key in mapping(group) if key != "n"))
    rows: list[list[Content]] = []
    for group, said in by_group.items():
        cells = [_mean(mapping(said, key)) for key in names]
        rows.append([group, number(numeric(mapping(said).get("n"))), *cells])
    heads = ("Group", "n", *(key.replace("_", " ") for key in names))
    return table(f"Groups of {name}", heads, rows, numeric=range(1, len(heads)), most=_MOST_GROUPS, of="group")


def _mean(found: Mapping[str, Any]) -> str:
    """Return a mean with its interval."""
    spread = between(bounds(found.get("interval")))
    value = number(numeric(found.get("value")))
    return f"{value} ({spread})" if spread else value


def _differences(name: str, found: Mapping[str, Any]) -> Html:
    """Return how far apart the groups lie."""
    rows: list[list[Content]] = [
        [
            rate.replace("_", " "),
            number(numeric(mapping(gap).get("value"))),
            between(bounds(mapping(gap).get("interval"))),
        ]
        for rate, gap in mapping(found, "differences").items()
    ]
    return table(
        f"Largest differences between groups of {name}", ("Rate", "Difference", "Interval"), rows, numeric=(1, 2)
    )


def _pairs(name: str, found: Mapping[str, Any]) -> Html:
    """Return the pairs of groups that lie further apart than under production."""
    rows: list[list[Content]] = [
        [
            f"{pair.get('lower')} to {pair.get('higher')}",
            number(numeric(pair.get("n"))),
            number(numeric(pair.get("production"))),
            number(numeric(pair.get("candidate"))),
            between(bounds(pair.get("interval"))),
        ]
        for pair in map(mapping, listed(mapping(found, "pairs").get("worse")))
    ]
    heads = ("Groups", "n of the smaller", "Production's ratio", "Candidate's ratio", "Interval of the change")
    title = f"Groups of {name} that are shown to lie further apart than under production"
    return table(title, heads, rows, numeric=range(1, 5), most=_MOST_GROUPS, of="pair")


def _sweep(name: str, found: Mapping[str, Any]) -> Html:
    """Return the lowest ratio of a feature's groups by threshold."""
    points = [mapping(point) for point in listed(found.get("points"))][:_MOST_POINTS]
    line = [
        (float(at), min(1.0, float(ratio)))
        for point in points
        if (at := numeric(point.get("threshold"))) is not None and 0 <= at <= 1
        if (ratio := numeric(point.get("ratio"))) is not None
    ]
    if len(line) < 2:
        return Html()
    limit = numeric(found.get("minimum_ratio"))
    series = {"lowest ratio": line} | ({"minimum": [(0.0, float(limit)), (1.0, float(limit))]} if limit else {})
    present, first, last = (number(numeric(found.get(key))) for key in ("present", "holds_from", "holds_to"))
    note = f"The verdict at the present threshold, {present}, holds from {first} to {last}."
    drawn = curves(series, x="threshold", y="lowest ratio")
    return side_by_side([picture(f"Lowest ratio of {name} by threshold", note, drawn)])


def _proxies(name: str, found: Mapping[str, Any]) -> Html:
    """Return how much features tell of a sensitive one."""
    features = [mapping(one) for one in listed(found.get("features"))]
    marks = [
        Mark(row=str(one.get("feature")), series=CANDIDATE, value=float(value), interval=bounds(one.get("interval")))
        for one in features[:_MOST_PROXIES]
        if (value := numeric(one.get("value"))) is not None
    ]
    if not marks:
        return Html()
    limit = numeric(found.get("limit"))
    line = "the limit" if found.get("gates") is True else "where a feature tells much"
    note = "0: nothing, 1: all. Cramér's V of categories, 2 AUC - 1 of numbers." + (
        f" The dashed line is {line}, {limit:g}." if limit is not None else ""
    )
    drawn = forest(marks, x="association", shares=True, line=limit)
    title = f"How much features tell of {name}"
    missing = len(mapping(found, "not_measured"))
    unmeasured = element("p", f"Not measured: {plural(missing, 'feature')}.") if missing else Html()
    return joined([side_by_side([picture(title, note, drawn)]), unmeasured])


def _calibration(name: str, found: Mapping[str, Any]) -> Html:
    """Return mean score and share of positives by group."""
    rows: list[list[Content]] = [
        [
            group,
            number(numeric(mapping(said).get("n"))),
            number(numeric(mapping(said).get("score"))),
            number(numeric(mapping(said).get("positives"))),
            number(numeric(mapping(said).get("gap"))),
            between(bounds(mapping(said).get("interval"))),
        ]
        for group, said in mapping(found, "calibration").items()
    ]
    heads = ("Group", "n", "Mean score", "Share of positives", "Gap", "Interval of the gap")
    return table(f"Calibration by {name}", heads, rows, numeric=range(1, 6), most=_MOST_GROUPS, of="group")
