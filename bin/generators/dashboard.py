"""The Grafana dashboard of a model server, which the Helm chart ships.

A query names metrics by the gateway's and the drift worker's own families: one that is renamed leaves no empty panel
behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueTextMode, LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from cd4ml.serving.telemetry.metrics import families as of
from cd4ml.observe.exposition import Family as WorkerFamily
from cd4ml.serving.telemetry.metrics.families import Family
from cd4ml.worker import exposition as worker

FILE: Final = "charts/model-server/dashboards/model-server.json"
_UID: Final = "cd4ml-model-server"
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
# What is chosen on the page; the chart's monitors set `track`.
_CHOSEN: Final = 'namespace="$namespace",pod=~"$pod",track=~"$track"'
# The drift worker counts all versions' events, and has a pod of its own.
_WORKERS: Final = 'namespace="$namespace"'
# Of 24 columns: three panels beside each other.
_WIDTH, _HEIGHT = 8, 8

Panel = timeseries.Panel | stat.Panel


def page() -> str:
    """Return the dashboard as JSON."""
    made = (
        dashboard.Dashboard("Model server")
        .uid(_UID)
        .description(
            "What the gateway tells: health, traffic, predictions, inputs, what it depends on, and what drifts."
        )
        .tags(["cd4ml"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", f"label_values({of.READY.name}, namespace)"))
    )
    for name in ("pod", "track"):
        query = f'label_values({of.READY.name}{{namespace="$namespace"}}, {name})'
        made = made.with_variable(_variable(name, query).multi(True).include_all(True).all_value(".*").current(_ALL))
    number = count(1)
    for title, panels in (
        ("Health", _health()),
        ("Traffic", _traffic()),
        ("Predictions", _predictions()),
        ("Inputs", _inputs()),
        ("Cache, features, events", _dependencies()),
        ("Drift worker", _drift()),
    ):
        made = made.with_row(dashboard.Row(title).id(next(number)))
        for panel in panels:
            made = made.with_panel(panel.id(next(number)))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


_ALL: Final = VariableOption(selected=True, text="All", value="$__all")


def _variable(name: str, query: str) -> dashboard.QueryVariable:
    """Return a choice of the page, filled by a query."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(_SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _health() -> Iterator[Panel]:
    """Yield what runs, and whether it can answer."""
    yield _stat(
        "Model",
        f"max by (track, name, version, runtime) ({of.MODEL.name}{{{_CHOSEN}}})",
        "{{track}}: {{name}} {{version}} ({{runtime}})",
        "The model that each version serves.",
    )
    yield _lines("Pods that are ready", "short", f"sum by (track) ({of.READY.name}{{{_CHOSEN}}})", "{{track}}")
    restarts = f"sum by (track, reason) (increase({of.RESTARTS.name}{{{_CHOSEN}}}[1h])) or {_none(of.READY)}"
    yield _lines("Workers replaced within an hour", "short", restarts, "{{track}} {{reason}}")


def _traffic() -> Iterator[Panel]:
    """Yield how much is asked, how fast and how well it is answered."""
    yield _lines("Requests", "reqps", _rate(of.REQUESTS), "{{track}}")
    failed = f"({_rate(of.REQUESTS, more=_FAILED)} or {_none(of.REQUESTS)}) / {_rate(of.REQUESTS)}"
    yield _lines("Share that fails (5xx)", "percentunit", failed, "{{track}}")
    yield _lines(
        "Answers by status and code", "reqps", _rate(of.REQUESTS, "status", "code"), "{{track}} {{status}} {{code}}"
    )
    for share in (0.5, 0.99):
        yield _lines(f"Latency, {share:.0%} are faster", "s", _quantile(share, of.DURATION), "{{track}}")
    waiting = f"sum by (track) ({of.WAITING.name}{{{_CHOSEN}}})"
    flight = f"sum by (track) ({of.IN_FLIGHT.name}{{{_CHOSEN}}})"
    yield _lines("Requests at work", "short", flight, "{{track}} in flight", waiting, "{{track}} waiting")


_FAILED: Final = ',status=~"5.."'


def _predictions() -> Iterator[Panel]:
    """Yield what the model says: the first sign of a model that has gone wrong without an error."""
    shares = f"{_rate(of.PREDICTIONS, 'class')} / on (track) group_left () {_rate(of.PREDICTIONS)}"
    yield _stacked("Classes", "percentunit", shares, "{{track}} {{class}}")
    yield _lines("Mean score", "short", _mean(of.SCORE), "{{track}}")
    yield _lines("Mean entropy in bits", "short", _mean(of.ENTROPY), "{{track}}")
    yield _lines("Mean prediction of numbers", "short", _mean(of.VALUE), "{{track}}")
    yield _lines("Rows predicted a second", "short", _part(of.BATCH, "sum"), "{{track}}")


def _inputs() -> Iterator[Panel]:
    """Yield what reaches the model, as a share of its rows."""
    for title, family in (("Missing", of.MISSING), ("Outside the ranges", of.OUT_OF_RANGE)):
        share = f"{_rate(family, 'feature')} / on (track) group_left () {_part(of.BATCH, 'sum')}"
        yield _lines(f"{title}, by feature", "percentunit", share, "{{track}} {{feature}}")


def _dependencies() -> Iterator[Panel]:
    """Yield how the cache, the online store and the sink of events do."""
    yield _lines("Cache", "ops", _rate(of.CACHE, "outcome"), "{{track}} {{outcome}}")
    yield _lines("Features of the online store", "ops", _rate(of.FEATURES, "outcome"), "{{track}} {{outcome}}")
    yield _lines("Wait for features, 99% are faster", "s", _quantile(0.99, of.FETCHING), "{{track}}")
    yield _lines("Prediction events", "ops", _rate(of.EVENTS, "outcome"), "{{track}} {{outcome}}")


def _drift() -> Iterator[Panel]:
    """Yield what the drift worker tells of the newest window, and whether it still looks."""
    verdict = f"{_newest(worker.STATUS, 'status')} == 1"
    yield _stat("Newest window", verdict, "{{pod}}: {{status}}", "The status of the newest window's report.")
    yield _lines("Failed checks of the newest window", "short", _newest(worker.FAILED, "rule"), "{{pod}} {{rule}}")
    estimate = _newest(worker.ESTIMATE, "bound")
    yield _lines("Accuracy, estimated before labels arrive", "percentunit", estimate, "{{pod}} {{bound}}")
    of_feature = "{{pod}} {{feature}}"
    yield _lines("Population stability index, by feature", "short", _newest(worker.PSI, "feature"), of_feature)
    yield _lines("Kolmogorov-Smirnov distance, by feature", "short", _newest(worker.KS, "feature"), of_feature)
    gaps, unseen = _newest(worker.MISSING, "feature"), _newest(worker.UNSEEN, "feature")
    yield _lines(
        "Missing and unseen values, by feature",
        "percentunit",
        gaps,
        f"{of_feature} missing",
        unseen,
        f"{of_feature} unseen",
    )
    events = f"sum by (pod, outcome) (rate({worker.EVENTS.name}{{{_WORKERS}}}[$__rate_interval]))"
    yield _lines("Events that the worker reads", "ops", events, "{{pod}} {{outcome}}")
    since_event, since_window = (f"time() - {_newest(one)}" for one in (worker.LAST_EVENT, worker.LAST_WINDOW))
    yield _lines("Since the newest", "s", since_event, "{{pod}} event", since_window, "{{pod}} judged window")
    yield _lines("Sources that can be read", "short", _newest(worker.UP, "source"), "{{pod}} {{source}}")


def _newest(family: WorkerFamily, *by: str) -> str:
    """Return what a drift worker tells, by its pod and more labels."""
    return f"max by ({', '.join(('pod', *by))}) ({family.name}{{{_WORKERS}}})"


def _rate(family: Family, *by: str, more: str = "") -> str:
    """Return a counter's increase a second, by version and more labels."""
    return f"sum by ({', '.join(('track', *by))}) (rate({family.name}{{{_CHOSEN}{more}}}[$__rate_interval]))"


def _mean(family: Family) -> str:
    """Return the mean of a histogram's or summary's values, by version."""
    return f"{_part(family, 'sum')} / {_part(family, 'count')}"


def _part(family: Family, part: str) -> str:
    """Return the increase a second of a histogram's or summary's `sum` or `count`, by version."""
    return f"sum by (track) (rate({family.name}_{part}{{{_CHOSEN}}}[$__rate_interval]))"


def _quantile(share: float, family: Family) -> str:
    """Return a quantile of a histogram, by version."""
    below = f"sum by (track, le) (rate({family.name}_bucket{{{_CHOSEN}}}[$__rate_interval]))"
    return f"histogram_quantile({share:g}, {below})"


def _none(family: Family) -> str:
    """Return 0 for each version that is there: without it, what never happened would look like what is not known."""
    return f"0 * sum by (track) ({family.name}{{{_CHOSEN}}})"


def _lines(title: str, unit: str, *queries: str) -> timeseries.Panel:
    """Return a panel of lines; each query is followed by its legend."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel = timeseries.Panel().title(title).datasource(_SOURCE).unit(unit).legend(legend)
    for at in range(0, len(queries), 2):
        panel = panel.with_target(_target(queries[at], queries[at + 1], at // 2))
    return panel.span(_WIDTH).height(_HEIGHT)


def _stacked(title: str, unit: str, *queries: str) -> timeseries.Panel:
    """Return a panel of areas on top of each other."""
    stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    return _lines(title, unit, *queries).stacking(stacking).fill_opacity(30)


def _stat(title: str, query: str, legend: str, description: str) -> stat.Panel:
    """Return a panel of names."""
    panel = stat.Panel().title(title).description(description).datasource(_SOURCE).text_mode(_NAME)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_target(query, legend, 0)).span(_WIDTH).height(_HEIGHT)


_NAME: Final = BigValueTextMode.NAME


def _target(query: str, legend: str, number: int) -> prometheus.Dataquery:
    """Return a query."""
    return prometheus.Dataquery().expr(query).legend_format(legend).ref_id(chr(ord("A") + number)).range()
