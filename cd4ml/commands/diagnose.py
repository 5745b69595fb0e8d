"""`cd4ml diagnose`: which of the known incidents a service has, by what evidence, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cd4ml
from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.folder import look
from cd4ml.commands.look import look_of
from cd4ml.commands.pages import page_path
from cd4ml.commands.plan import refused
from cd4ml.commands.project import change_directory
from cd4ml.diagnosis.incidents.looking import Places, Reports, diagnose
from cd4ml.errors import FAILED, INCONCLUSIVE, PASSED, UNAVAILABLE, Cd4mlError, OptionsError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers
from cd4ml.inputs.moments import moment
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.render import incidents
from cd4ml.report import Status
from cd4ml.report.diagnosis import Diagnosis
from cd4ml.writing import write_atomically

_CODES: Final = {
    Status.PASSED: PASSED,
    Status.FAILED: FAILED,
    Status.ERROR: UNAVAILABLE,
    Status.INCONCLUSIVE: INCONCLUSIVE,
}
_REPORTS: Final = "reports"


@dataclass(frozen=True, kw_only=True)
class DiagnoseOptions(Options):
    """Options of `cd4ml diagnose`."""

    events: tuple[str, ...] = vocabulary.EVENTS.here(
        "Files of JSON lines or Parquet, folders of them, `redis://…/STREAM`, `kafka://…/TOPIC`."
    )
    track: str = option("Whose events count.", default="stable")
    since: str | None = vocabulary.SINCE.here(
        "The trouble began then: later events are compared with earlier ones, and metrics of a server are read from "
        "then on (default: the last hour)."
    )
    prometheus: str | None = vocabulary.PROMETHEUS.here("CD4ML_PROMETHEUS_TOKEN in the environment is sent over https.")
    selector: str = option("Labels of the gateways' series.", default="", example='namespace="models",track="stable"')
    pod_selector: str | None = option(
        "Labels of the pods' series of kube-state-metrics, which say whether a container was OOMKilled.",
        example='namespace="models",pod=~"credit-.*"',
    )
    metrics_file: str | None = option("Instead of a server: a file with what /metrics answered.", example="metrics.txt")
    values: str | None = option("Values file of the chart model-server.", example="credit/values.yaml")
    values_path: str | None = option("Key above these values, in an umbrella chart's file.", example="credit")
    reports: str | None = vocabulary.REPORTS.here(f"That of the image says what it needs. Default: {_REPORTS}.")
    maximum_p99_ms: float | None = option(
        "Limit on the 99th percentile of the latency, in milliseconds. Default: metrics.rules.p99Seconds of the values."
    )
    include_values: bool = vocabulary.INCLUDE_VALUES.here(default=False)
    html: str | None = vocabulary.HTML.here()
    json: bool = vocabulary.JSON.here("It holds the whole diagnosis.", default=False)
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    verbose: bool = vocabulary.VERBOSE.here(default=False, last=True)


def run(arguments: Sequence[str], door: Door) -> int:
    """Look for the incidents; the exit code is 0 only if each was looked for and none is there."""
    try:
        given = layers("diagnose", declared(DiagnoseOptions), arguments, door.environ, COMMANDS["diagnose"])
        options = resolve(DiagnoseOptions, given)
        change_directory(options.working_directory)
        page = page_path(options.html, "diagnose", door.environ)
        found: Diagnosis = door.redactor.everywhere(diagnose(_places(options, door)))
        if page:
            _write(page, found)
    except Cd4mlError as error:
        return refused("diagnose", error, door)
    if options.json:
        print(incidents.document(found, version=cd4ml.__version__), file=door.stdout, end="")
    else:
        shown = look_of(door.stdout, door.environ, verbose=options.verbose)
        print(incidents.text(found, look=shown), file=door.stdout, end="")
    return _CODES[found.status].code


def _write(path: Path, found: Diagnosis) -> None:
    """Write the page."""
    from cd4ml.render.html.diagnosis import page  # most calls want no page

    write_atomically(path, page(found))


def _places(options: DiagnoseOptions, door: Door) -> Places:
    """Return where to look.

    Raises:
        OptionsError: an option is wrong.
    """
    now = datetime.now(UTC)
    problems = []
    if options.prometheus and options.metrics_file:
        problems.append("prometheus and metrics-file are two sources of the same numbers: set one")
    if options.maximum_p99_ms is not None and not options.maximum_p99_ms > 0:
        problems.append(f"maximum-p99-ms must be above 0, got {options.maximum_p99_ms:g}")
    if options.values_path and not options.values:
        problems.append("values-path needs values")
    if problems:
        raise OptionsError(problems)
    return Places(
        events=options.events,
        track=options.track,
        metrics=options.metrics_file,
        prometheus=options.prometheus,
        selector=options.selector,
        pods=options.pod_selector,
        values=options.values,
        below=options.values_path,
        folder=options.reports or _REPORTS,
        reports=_reports(options.reports),
        since=moment("since", options.since, now),
        now=now,
        maximum_p99_ms=options.maximum_p99_ms,
        values_shown=options.include_values,
        environ=door.environ,
    )


def _reports(named: str | None) -> Reports:
    """Return the reports of the folder; None if nobody named it and there is none."""
    if named is None and not Path(_REPORTS).is_dir():
        return None
    try:
        found = look(Path(named or _REPORTS))
    except Cd4mlError as error:
        return error
    return {entry.file: entry.published for entry in found.entries}
