"""The sources of a diagnosis: each is read if it was named, and what cannot be read is said, not passed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cd4ml.diagnosis.incidents import latency, memory, upstream
from cd4ml.diagnosis.incidents.events import Events, read
from cd4ml.diagnosis.incidents.latency import Limit
from cd4ml.diagnosis.incidents.memory import Measured, measured
from cd4ml.diagnosis.incidents.metrics import Metrics, from_prometheus, from_text
from cd4ml.diagnosis.incidents.values import DEFAULTS, Values
from cd4ml.diagnosis.incidents.values import read as read_values
from cd4ml.errors import Cd4mlError
from cd4ml.observe.prometheus import Prometheus, Window
from cd4ml.report import Published
from cd4ml.report.diagnosis import Diagnosis
from cd4ml.report.trace import Looked, Source
from cd4ml.wording import redacted

_HOUR: Final = timedelta(hours=1)
_TOKEN: Final = "CD4ML_PROMETHEUS_TOKEN"
Found = TypeVar("Found")
# The reports of a folder by their files, or why it cannot be read; None if there is none and nobody named one.
Reports = Mapping[str, Published] | Cd4mlError | None


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where to look.

    Attributes:
        metrics: a file with what `/metrics` answered.
        since: when the trouble began.
        pods: labels of the pods' series of kube-state-metrics.
        below: key above the chart's values.
        maximum_p99_ms: None takes what the values' rule says.
        values_shown: whether values of rows may be shown.
    """

    events: Sequence[str]
    track: str
    metrics: str | None
    prometheus: str | None
    selector: str
    pods: str | None
    values: str | None
    below: str | None
    folder: str
    reports: Reports
    since: datetime | None
    now: datetime
    maximum_p99_ms: float | None
    values_shown: bool
    environ: Mapping[str, str] = field(repr=False)


def diagnose(places: Places) -> Diagnosis:
    """Read what was named, and judge each incident."""
    sources: list[Source] = []
    events = _events(places, sources)
    metrics = _metrics(places, sources)
    values = _values(places, sources)
    image = _image(places, sources)
    return Diagnosis(
        judged=[
            latency.judge(events, metrics, values, _limit(places, values)),
            upstream.judge(events, metrics, values, places.since, values=places.values_shown),
            memory.judge(image, values, metrics),
        ],
        sources=sources,
    )


def _limit(places: Places, values: Values | None) -> Limit:
    """Return how slow a request may be."""
    if places.maximum_p99_ms is not None:
        return Limit(milliseconds=places.maximum_p99_ms, source="maximum-p99-ms")
    keys = ("metrics", "rules", "p99Seconds")
    seconds = float(values.get(*keys) if values else DEFAULTS["metrics"]["rules"]["p99Seconds"])
    where = (
        f"{'.'.join(keys)}: {values.text(*keys)}, in {values.where(*keys)}"
        if values
        else f"the chart's default of {'.'.join(keys)}"
    )
    return Limit(milliseconds=1000 * seconds, source=where)


def _events(places: Places, sources: list[Source]) -> Events | None:
    """Return the events."""
    name = "prediction events"
    if not places.events:
        _not_named(name, "events", sources)
        return None
    place = ", ".join(map(redacted, places.events))
    found = _read(name, place, lambda: read(places.events, places.track), sources)
    if found:
        lost = f"; {found.unreadable:,} could not be read" if found.unreadable else ""
        _was_read(name, found.place, f"{len(found.frame):,} events of {places.track}{lost}", sources)
    return found


def _metrics(places: Places, sources: list[Source]) -> Metrics | None:
    """Return the metrics; those of a server, if both were named."""
    name = "metrics"
    window = Window(selector=places.selector, since=places.since or places.now - _HOUR, until=places.now)
    address, file = places.prometheus, places.metrics
    if address is not None:
        place = redacted(address)
        server = _read(name, place, lambda: Prometheus(address, places.environ.get(_TOKEN)), sources)
        found = _read(name, place, lambda: from_prometheus(server, window, places.pods), sources) if server else None
        told = f"since {window.since.isoformat(timespec='seconds')}"
    elif file is not None:
        place, told = file, "since the gateway began"
        found = _read(name, place, lambda: from_text(file), sources)
    else:
        _not_named(name, "prometheus, or metrics-file for what /metrics answered", sources)
        return None
    if found:
        silent = "" if found.killed is not None else "; no kube-state-metrics, so ends of containers are not known"
        _was_read(name, place, f"{told}{silent}", sources)
    return found


def _values(places: Places, sources: list[Source]) -> Values | None:
    """Return the chart's values."""
    name, place = "chart values", places.values
    if place is None:
        _not_named(name, "values", sources)
        return None
    found = _read(name, place, lambda: read_values(place, places.below), sources)
    if found:
        _was_read(name, place, "", sources)
    return found


def _image(places: Places, sources: list[Source]) -> Measured | None:
    """Return what a report says of the image's memory."""
    name, reports = "image report", places.reports
    if reports is None:
        _not_named(name, "reports", sources)
        return None
    if isinstance(reports, Cd4mlError):
        message = str(reports)
        sources.append(Source(name=name, place=places.folder, looked=Looked.UNREACHABLE, message=message))
        return None
    found = [one for file, published in reports.items() if (one := measured(f"{places.folder}/{file}", published))]
    if len(found) == 1:
        _was_read(name, found[0].place, "", sources)
        return found[0]
    why = f"{len(found)} reports measured memory: name a folder with one" if found else "no report measured memory"
    sources.append(Source(name=name, place=places.folder, looked=Looked.SILENT, message=why))
    return None


def _read(name: str, place: str, reading: Callable[[], Found], sources: list[Source]) -> Found | None:
    """Return what a source says; None, and why, if it cannot be read."""
    try:
        return reading()
    except Cd4mlError as error:
        sources.append(Source(name=name, place=place, looked=Looked.UNREACHABLE, message=redacted(str(error))))
        return None


def _was_read(name: str, place: str, message: str, sources: list[Source]) -> None:
    """Note that a source was read."""
    sources.append(Source(name=name, place=place, looked=Looked.READ, message=message))


def _not_named(name: str, option: str, sources: list[Source]) -> None:
    """Note that nobody named a source."""
    sources.append(Source(name=name, place="", looked=Looked.NOT_ASKED, message=f"nobody named it: set {option}"))
