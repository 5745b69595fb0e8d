"""The most telling picture of a stage, drawn with characters: the platform shows neither SVG nor data in a summary.

Each line of a chart ends with its numbers, so that it can be read without being seen. Labels come from data: they are
made harmless, and cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cd4ml.render.columns import columns, padded
from cd4ml.render.html.values import Bounds, between, bounds, mapping, numbers, numeric
from cd4ml.render.inert import inert
from cd4ml.render.numbers import number, plural
from cd4ml.report import Bound, Check, Report, Status, percent
from cd4ml.report.ids import parts_of
from cd4ml.report.v1 import plain
from cd4ml.wording import safe

_WIDTH: Final = 40
_LONGEST_LABEL: Final = 28
_MOST_LINES: Final = 12
_LEAST: Final = 2
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_OF_ROWS: Final = ("failing-rows", "rows-with-value")
# Parts of the details that are drawn.
_DETAILS: Final = ("rate_intervals", "scan")
_SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A value in a chart.

    Attributes:
        told: its numbers, in words.
        mark: what stands for the value, where it is drawn as a point with its interval.
    """

    label: str
    value: float
    told: str
    interval: Bounds | None = None
    mark: str = "●"


def chart(report: Report) -> str:
    """Return a stage's chart as Markdown, "" where there is nothing to see."""
    draw = _CHARTS.get(report.stage)
    if draw is None:
        return ""
    held = {name: plain(report.details[name]) for name in _DETAILS if name in report.details}
    title, lines, high = draw(replace(report, metrics=plain(report.metrics), details=held))
    if not lines:
        return ""
    shown = lines[:_MOST_LINES]
    width = min(max(columns(_plain(line.label)) for line in shown), _LONGEST_LABEL)
    drawn = _points(shown, width) if high is None else _bars(shown, width, high)
    more = [f"… and {len(lines) - len(shown):,} more"] if len(lines) > len(shown) else []
    return "\n".join([inert(title), "```text", *drawn, *more, "```"]) + "\n\n"


def _plain(text: str) -> str:
    """Return text from data as a code block may hold it: in a line, and without the characters that end the block."""
    return safe(text).replace("`", "'").replace("~", "-")


def _bars(lines: Sequence[Line], width: int, high: float) -> Iterator[str]:
    """Yield a bar for each value, from 0 to `high`; a longer one ends in an arrow."""
    for line in lines:
        eighths = round(8 * _WIDTH * min(max(line.value / high, 0.0), 1.0)) if high > 0 else 0
        bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        bar = f"{bar[:-1]}▶" if line.value > high else bar
        yield f"{padded(_plain(line.label), width)} {bar:<{_WIDTH}} {_plain(line.told)}".rstrip()


def _points(lines: Sequence[Line], width: int) -> Iterator[str]:
    """Yield a point for each value, in the middle of its interval, on one scale that is written above."""
    ends = [end for line in lines for end in (line.value, *_ends(line.interval))]
    low, high = min(ends), max(ends)
    span = high - low or 1.0
    scale = f"{number(low, high):<{_WIDTH // 2}}{number(high, low):>{_WIDTH - _WIDTH // 2}}"
    yield f"{' ' * width} {scale}".rstrip()
    for line in lines:
        cells = [" "] * _WIDTH
        at = [round((_WIDTH - 1) * (end - low) / span) for end in (line.value, *_ends(line.interval))]
        if len(at) > 1:
            cells[at[1] : at[2] + 1] = "─" * (at[2] + 1 - at[1])
            cells[at[1]], cells[at[2]] = "├", "┤"
        cells[at[0]] = line.mark
        yield f"{padded(_plain(line.label), width)} {''.join(cells)} {_plain(line.told)}".rstrip()


def _ends(interval: Bounds | None) -> tuple[float, ...]:
    """Return the ends of an interval."""
    return (interval.lower, interval.upper) if interval else ()


Drawn = tuple[str, list[Line], float | None]
_NOTHING: Final[Drawn] = ("", [], None)


def _evaluate_model(report: Report) -> Drawn:
    """Candidate beside production, metric by metric: those between 0 and 1, which share a scale."""
    named = dict.fromkeys(check.metric for check in report.checks if check.metric)
    ours, theirs = mapping(report.metrics, "candidate"), mapping(report.metrics, "production")
    lines: list[Line] = []
    for name in [*(one for one in named if one in ours), *(one for one in ours if one not in named)]:
        value, before = numeric(ours[name]), numeric(theirs.get(name))
        if value is None or before is None or not (0 <= value <= 1 and 0 <= before <= 1):
            continue
        found = bounds(mapping(report.metrics, "intervals").get(name))
        told = number(value, before) + (f" ({between(found)})" if found else "")
        lines.append(Line(label=name, value=value, told=told, interval=found))
        lines.append(Line(label="  production", value=before, told=number(before, value), mark="◆"))
    return ("Candidate ● with its interval, and production ◆.", lines, None) if lines else _NOTHING


def _audit_fairness(report: Report) -> Drawn:
    """Selection rates of the feature whose groups lie furthest apart."""
    features = {
        name: found
        for name, found in mapping(report.metrics, "features").items()
        if mapping(found, "by_group") and mapping(found).get("decides")
    }
    apart = {name: numeric(mapping(found).get("demographic_parity_ratio")) for name, found in features.items()}
    known = {name: ratio for name, ratio in apart.items() if ratio is not None}
    if not known:
        return _NOTHING
    feature = min(known, key=lambda name: known[name])
    lines = []
    for group, found in mapping(features[feature], "by_group").items():
        rate, n = numeric(mapping(found).get("selection_rate")), numeric(mapping(found).get("n"))
        ends = numbers(mapping(report.details, "rate_intervals", feature, group).get("selection_rate"))
        spread = Bounds(lower=ends[0], upper=ends[1]) if ends and len(ends) == _LEAST else None
        if rate is not None:
            told = f"{percent(rate)} of {number(n)}" + (
                f" ({100 * spread.lower:.1f} to {100 * spread.upper:.1f} %)" if spread else ""
            )
            lines.append(Line(label=group, value=rate, told=told, interval=spread))
    lines.sort(key=lambda line: line.value)
    limit = numeric(mapping(features[feature]).get("minimum_ratio"))
    least = f" (at least {number(limit)} of the highest)" if limit is not None else ""
    return (
        (f"Selection rate by {feature}{least}, with its interval.", lines, None) if len(lines) >= _LEAST else _NOTHING
    )


def _detect_drift(report: Report) -> Drawn:
    """How far each feature drifted, as a share of its limit."""
    lines = []
    for check in report.checks:
        value, limit = numeric(check.value), numeric(check.limit)
        if check.kind == "drift" and value is not None and limit:
            told = f"{number(value, limit)} (limit {number(limit, value)})"
            lines.append(Line(label=", ".join(parts_of(check.id)), value=value / limit, told=told))
    lines.sort(key=lambda line: -line.value)
    return ("Drift by feature; a full bar is the limit.", lines, 1.0) if len(lines) >= _LEAST else _NOTHING


def _analyze_experiment(report: Report) -> Drawn:
    """Each effect with its interval, as a share of the control: one scale for metrics of all units."""
    lines = []
    for metric, variants in mapping(report.metrics, "effects").items():
        for variant, found in mapping(variants).items():
            control, spread, value = numeric(found.get("control")), bounds(found), numeric(found.get("difference"))
            if not control or spread is None or value is None:
                continue
            size = abs(control)
            shares = Bounds(lower=spread.lower / size, upper=spread.upper / size)
            told = f"{100 * value / size:+.1f} % ({100 * shares.lower:+.1f} to {100 * shares.upper:+.1f})"
            lines.append(Line(label=f"{metric} {variant}", value=value / size, told=told, interval=shares))
    return ("Effects with their intervals, as a share of the control.", lines, None) if lines else _NOTHING


def _check_split(report: Report) -> Drawn:
    """How near each finding comes to its limit."""
    lines = []
    for check in report.checks:
        value, limit = numeric(check.value), numeric(check.limit)
        if value and limit and check.bound is Bound.AT_MOST:
            name = ":".join([check.rule, *parts_of(check.id)])
            told = f"{number(value, limit)} (limit {number(limit, value)})"
            lines.append(Line(label=name, value=value / limit, told=told))
    lines.sort(key=lambda line: -line.value)
    return ("Findings; a full bar is the limit.", lines, 1.0) if len(lines) >= _LEAST else _NOTHING


def _score_model(report: Report) -> Drawn:
    """How many answers each behaviour test found that its change should have left alone."""
    lines = []
    for id, one in mapping(report.metrics, "behaviour", "tests").items():
        share, count, n = (numeric(mapping(one).get(name)) for name in ("rate", "count", "n"))
        if share:
            told = f"{number(count)} of {number(n)} ({percent(share, 2)})"
            lines.append(Line(label=id, value=share, told=told, interval=bounds(mapping(one).get("interval"))))
    lines.sort(key=lambda line: -line.value)
    return ("Answers that changed or moved the wrong way.", lines, None) if lines else _NOTHING


def _validate_data(report: Report) -> Drawn:
    """The share of rows that break each rule."""
    lines = []
    for check in report.checks:
        failing = numeric(check.value)
        if check.status is not Status.PASSED and check.metric in _OF_ROWS and failing is not None and check.n:
            broken = failing if check.metric == _OF_ROWS[0] else check.n - failing
            share, told = broken / check.n, f"{number(int(broken))} of {plural(check.n, 'row')}"
            lines.append(Line(label=_rule(check), value=share, told=f"{told} ({percent(share, 2)})"))
    lines.sort(key=lambda line: -line.value)
    return ("Rows that break a rule.", lines, lines[0].value) if len(lines) >= _LEAST else _NOTHING


def _rule(check: Check) -> str:
    """Return a rule and what it is about, as they are called."""
    return ":".join([check.rule, *parts_of(check.id)])


def _check_code(report: Report) -> Drawn:
    """How much each tool found."""
    own = [check for check in report.checks if ":" not in check.id and check.metric in ("findings", "failed-tests")]
    counts = [(check, numeric(check.value)) for check in own]
    lines = [Line(label=check.id, value=float(n), told=number(n)) for check, n in counts if n]
    return ("Findings by tool.", lines, max(line.value for line in lines)) if len(lines) >= _LEAST else _NOTHING


def _build_image(report: Report) -> Drawn:
    """How many vulnerabilities there are of each severity."""
    found = mapping(report.details, "scan", "by_severity")
    named = dict.fromkeys((*_SEVERITIES, *found))
    counts = [(name, numeric(found.get(name))) for name in named]
    lines = [Line(label=name, value=float(n), told=number(n)) for name, n in counts if n]
    return ("Vulnerabilities by severity.", lines, max(line.value for line in lines)) if lines else _NOTHING


# By stage, after which each is called.
_CHARTS: Final[Mapping[str, Callable[[Report], Drawn]]] = {
    draw.__name__.removeprefix("_").replace("_", "-"): draw
    for draw in (
        _check_code,
        _validate_data,
        _check_split,
        _score_model,
        _evaluate_model,
        _audit_fairness,
        _build_image,
        _detect_drift,
        _analyze_experiment,
    )
}


def chart_for_comment(report: Report) -> str:
    """Return a stage's chart where the findings that a comment lists do not say it all, "" for all other stages."""
    return chart(report) if _CHARTS.get(report.stage) is _check_split else ""
