"""`cd4ml monitor`: the drift worker, which judges prediction events window by window."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.monitor.asking import Asking
from cd4ml.commands.monitor.serving import serving
from cd4ml.commands.monitor.told import Judged, Told
from cd4ml.commands.plan import refused
from cd4ml.commands.project import change_directory, read_config
from cd4ml.commands.results import Results
from cd4ml.commands.stage import exit_code
from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.report import Report, error_report
from cd4ml.stages import DRIFT, RETRAINING, help_text
from cd4ml.stages.detect_drift.options import Options as DriftOptions
from cd4ml.stages.detect_drift.options import check_options, is_profile
from cd4ml.stages.request_retraining.options import Options as RetrainingOptions
from cd4ml.wording import safe
from cd4ml.writing import is_report, result

COMMAND: Final = "monitor"
_POLL_SECONDS: Final = 0.5
_SPAN: Final = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True)
class MonitorOptions(Options):
    """Options of `cd4ml monitor`."""

    events: tuple[str, ...] = vocabulary.EVENTS.here(
        "A file of JSON lines with those that it was rotated to, a folder of them, redis://HOST:PORT/STREAM or "
        "kafka://HOST:PORT/TOPIC.",
        required=True,
    )
    window: str = option("Length of a window: 30s, 5m, 1h or 1d.", default="1h")
    lateness: str = option("How long after its end the events of a window may still come.", default="5m")
    tracks: tuple[str, ...] = option("Tracks whose events are counted.", default=("stable",))
    schema: str | None = option(
        "The pandera schema: a YAML file, or module:object of a DataFrameSchema or DataFrameModel. Each value of an "
        "event is held against it.",
        example="schema.yaml",
    )
    maximum_broken: float = option(
        "Largest allowed share of values that have another type than in the reference, or break a rule of the schema.",
        default=0.01,
    )
    maximum_unreadable: float = option("Largest allowed share of events that cannot be understood.", default=0.01)
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here("With it, accuracy is estimated before labels arrive.")
    minimum_estimated_accuracy: float | None = option("Least accuracy that the estimate must reach.", example="0.8")
    labels: str | None = vocabulary.LABELS.here(
        "JSON lines, a Redis Stream or a Kafka topic. With it, performance is compared with that of the reference."
    )
    label_wait: str = option("How long after the end of a window its labels may still come.", default="1d")
    awaited: int = option("How many of the newest predictions wait for their labels.", default=500_000)
    remembered: int = option(
        "How many of the newest events are remembered by their ids, to count none twice.", default=200_000
    )
    state: str = option("File that holds what was counted, and how far was read.", default="monitor-state.npz")
    once: bool = option("Judge what there is, and end with the exit code of the newest window's report.", default=False)
    request_retraining: bool = option(
        "Ask for retraining where drift lasts, as the section request-retraining of cd4ml.yaml says.", default=False
    )
    report: str | None = option(
        "Where the JSON report is written (default: reports/<stage>.json). That of the newest window, by detect-drift."
    )
    metrics_host: str = option("Address on which metrics are shown; nobody has to log in.", default="127.0.0.1")
    metrics_port: int = option("Port of the metrics; 0 takes a free one.", default=9464)
    config: str = vocabulary.CONFIG.here(
        "Its section detect-drift says what events are compared with, and by which limits.", default="cd4ml.yaml"
    )
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Watch until told to end or, with `--once`, judge what there is and return what it came to."""
    try:
        options, told = _read(arguments, door)
        results = _results(options, told, door)
        return _once(told, results, door) if options.once else _watch(options, told, results, door)
    except ModuleNotFoundError as error:
        missing = UnavailableError(
            f"The library {error.name} is not installed beside cd4ml.",
            advice="Install requirements/monitor.txt of cd4ml's repository and, for a schema, validate-data.txt.",
        )
        return refused(COMMAND, missing, door)
    except Cd4mlError as error:
        return refused(COMMAND, error, door)


def _results(options: MonitorOptions, told: Told, door: Door) -> Results:
    """Return where reports go; that of an earlier worker stays until there is another one."""
    results = Results(name=DRIFT, door=door, started=time.time(), options=told.drift)
    if options.once:
        results.place(options.report or f"reports/{DRIFT}.json")
        results.save(error_report(DRIFT, Cd4mlError("The run did not finish.")))
    else:
        results.report_path = result(
            "report", options.report or f"reports/{DRIFT}.json", door.environ, endings=(".json",), ours=is_report
        )
    return results


def _once(told: Told, results: Results, door: Door) -> int:
    """Judge what there is, and return the exit code of the newest window's report."""
    from cd4ml.commands.monitor.worker import made

    asking = _asking(told, door)
    try:
        with made(told, door, partial(_publish, results, door, asking)) as worker:
            while worker.turn():
                pass
            if worker.away:
                raise UnavailableError("; ".join(worker.away.values()))
            worker.commit()
            report = worker.newest or worker.waiting()
        if asking and (asked := asking.turn()):
            _say(door, asked.summary)
    except Cd4mlError as error:
        return results.finish(error_report(DRIFT, error), error.exit_code, show_json=False).code
    return results.finish(report, exit_code(report, RunOptions()), show_json=False).code


def _watch(options: MonitorOptions, told: Told, results: Results, door: Door) -> int:
    """Go on until a signal comes; what was counted since the last commit is counted again by the next worker."""
    from cd4ml.commands.monitor.worker import made

    asking = _asking(told, door)
    with ExitStack() as stack:
        worker = stack.enter_context(made(told, door, partial(_publish, results, door, asking)))
        shown = stack.enter_context(serving(options.metrics_host, options.metrics_port, door))
        away: dict[str, str] = {}
        while True:
            read = worker.turn()
            shown.turned(worker.text())
            if worker.away != away:
                away = dict(worker.away)
                _say(door, *(away.values() or ["all sources can be read again"]))
            try:
                if asking and (asked := asking.turn()):
                    _say(door, asked.summary)
            except Cd4mlError as error:
                _say(door, f"{error}")
            if not read:
                time.sleep(_POLL_SECONDS)


def _asking(told: Told, door: Door) -> Asking | None:
    """Return who asks for retraining, if anybody."""
    return Asking(told.retraining, door) if told.retraining else None


def _publish(results: Results, door: Door, asking: Asking | None, report: Report, verdicts: Sequence[Judged]) -> None:
    """Write the report of a window, and say in a line what it came to."""
    results.started = time.time()
    results.save(report)
    _say(door, f"{report.status}: {report.summary}")
    if asking and verdicts:
        asking.judged(report, [one.drifted for one in verdicts])


def _say(door: Door, *lines: str) -> None:
    """Write lines for whoever reads the log."""
    text = "".join(f"cd4ml {COMMAND}: {safe(line)}\n" for line in lines)
    door.stderr.write(text)
    door.stderr.flush()


def _read(arguments: Sequence[str], door: Door) -> tuple[MonitorOptions, Told]:
    """Read the options, and enter the working directory.

    Raises:
        OptionsError: an option is out of bounds, or nothing says what to compare with.
    """
    given = argument_layers(COMMAND, declared(MonitorOptions), arguments, door.environ, COMMANDS[COMMAND])
    options = resolve(MonitorOptions, given)
    seconds, lateness = (_seconds(name, getattr(options, name)) for name in ("window", "lateness"))
    label_wait = _seconds("label-wait", options.label_wait)
    problems = list(_problems(options, seconds))
    if problems:
        raise OptionsError(problems)
    change_directory(options.working_directory)
    config = read_config(options.config)
    return options, Told(
        events=tuple(dict.fromkeys(options.events)),
        seconds=seconds,
        lateness=lateness,
        tracks=options.tracks,
        schema=options.schema,
        maximum_broken=options.maximum_broken,
        maximum_unreadable=options.maximum_unreadable,
        positive_label=options.positive_label,
        minimum_accuracy=options.minimum_estimated_accuracy,
        labels=(options.labels,) if options.labels else (),
        label_wait=label_wait,
        awaited=options.awaited,
        remembered=options.remembered,
        state=options.state,
        drift=_drift(options, config, door),
        retraining=_retraining(config, door) if options.request_retraining else None,
    )


def _problems(options: MonitorOptions, seconds: int) -> Sequence[str]:
    """Return what would decide nothing, or cannot be."""
    shares = {name: getattr(options, name) for name in ("maximum_broken", "maximum_unreadable")}
    problems = [
        f"{name.replace('_', '-')} must be at least 0 and below 1, got {share:g}"
        for name, share in shares.items()
        if not 0 <= share < 1
    ]
    least = options.minimum_estimated_accuracy
    if least is not None and not 0 < least < 1:
        problems.append(f"minimum-estimated-accuracy must be above 0 and below 1, got {least:g}")
    if least is not None and options.positive_label is None:
        problems.append("minimum-estimated-accuracy needs positive-label")
    problems += [] if seconds else ["window must not be empty"]
    problems += [] if options.tracks else ["tracks must name one at least"]
    problems += [] if options.awaited >= 1000 else [f"awaited must be at least 1000, got {options.awaited}"]
    problems += [] if options.remembered >= 1000 else [f"remembered must be at least 1000, got {options.remembered}"]
    problems += (
        []
        if 0 <= options.metrics_port <= 65535
        else [f"metrics-port must be from 0 to 65535, got {options.metrics_port}"]
    )
    return problems


def _drift(options: MonitorOptions, config: Config, door: Door) -> DriftOptions:
    """Return the options of the stage; what it says of tables of current data is not meant."""
    if not config.configures(DRIFT):
        raise OptionsError(f"{options.config} has no section {DRIFT}: nothing says what to compare with")
    layers = argument_layers(DRIFT, declared(DriftOptions), [], door.environ, help_text(DRIFT))
    found = resolve(DriftOptions, [*layers, config.layer(DRIFT)])
    label = None if is_profile(found.reference) else found.label
    found = replace(found, current=options.events[0], save_profile=None, label=label, time_column=None, sample_every=1)
    check_options(found)
    return found


def _retraining(config: Config, door: Door) -> RetrainingOptions:
    """Return the options of the stage that asks for retraining."""
    layers = argument_layers(RETRAINING, declared(RetrainingOptions), [], door.environ, help_text(RETRAINING))
    return resolve(RetrainingOptions, [*layers, config.layer(RETRAINING)])


def _seconds(name: str, written: str) -> int:
    """Return a span in seconds.

    Raises:
        OptionsError: it is none.
    """
    found = _SPAN.fullmatch(written.strip())
    if not found:
        raise OptionsError(f"{name} must be a span such as 30s, 5m, 1h or 1d; got {written!r}")
    return int(timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds())
