"""Ask for retraining where drift lasts: at most one open request, a cooldown, a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cd4ml.context import Context
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import missing_file
from cd4ml.report import Report
from cd4ml.report.reading import ReportError, read_file
from cd4ml.retraining.decision import Outcome, Rules, decide, outcome_check
from cd4ml.retraining.plan import EVENT_TYPE, Plan, note, noted
from cd4ml.retraining.platform import PENDING, SENT, Platform
from cd4ml.retraining.window import STAGE as DRIFT
from cd4ml.retraining.window import Window, window
from cd4ml.stages.request_retraining.options import By, Options

STAGE: Final = "request-retraining"
_DAY: Final = timedelta(days=1)


def run(options: Options, context: Context) -> Report:
    """Decide on the window that the drift report is about, by the artifacts of the windows before it.

    Raises:
        OptionsError: an option is missing, or the drift report reached no verdict.
        UnavailableError: earlier windows or requests cannot be read.
    """
    rules_of(options)
    newest = _newest(options)
    return ask(options, context, newest, lambda platform: _verdicts(platform, newest, options, context))


def ask(
    options: Options, context: Context, newest: Window, verdicts_of: Callable[[Platform], Sequence[bool | None]]
) -> Report:
    """Decide, write the plan, then open the issue and send the event.

    What an earlier run left unfinished is finished first, by that run's own plan: if this window drifted as well, and
    events are to be sent at all.

    Args:
        newest: window, which has a verdict.
        verdicts_of: returns whether each window drifted, newest first.

    Raises:
        OptionsError: an option is missing.
        UnavailableError: earlier windows or requests cannot be read.
    """
    rules = rules_of(options)
    context.progress("Asking GitHub for earlier requests and drift reports")
    platform = Platform.of(context.environ, options.github_repository)
    requests = platform.requests(options.issue_label)
    unfinished = next(((item.number, body) for item, body in requests if item.is_open and PENDING in body), None)
    if unfinished and newest.drifted and options.by is By.DISPATCH:
        return _finish(platform, *unfinished, context)
    verdicts = list(verdicts_of(platform))
    outcome, why = decide(verdicts, [item for item, _ in requests], rules, datetime.now(UTC))
    if outcome is not Outcome.REQUEST:
        return _not_now(outcome, f"{why}{_waiting(unfinished, options)}", verdicts)
    retrain = newest.retrain and options.by is By.DISPATCH
    plan = [f"Open an issue with the label {options.issue_label}."]
    plan += [f"Send the repository_dispatch {options.event_type}."] if retrain else []
    context.save(Report(stage=STAGE, checks=(), plan=plan))
    event = _event(newest, options)
    marks = f"{note(event)}\n{PENDING if retrain else SENT}" if newest.retrain else SENT
    body = f"{why}\n\n{_quoted(newest.summary)}\n\n{_next(retrain)}\n\n{marks}"
    number = platform.open_request(
        f"Drift: {'retraining' if retrain else 'investigation'} needed", body, options.issue_label
    )
    if retrain:
        _send(platform, number, body, event)
    return _asked(number, f"{why} Request #{number} was made.", plan, verdicts)


def rules_of(options: Options) -> Rules:
    """Return the limits; those that decide nothing are refused."""
    problems = [
        f"{name} must be at least 1, got {value}"
        for name, value in (
            ("windows", options.windows),
            ("violations", options.violations),
            ("request-budget", options.request_budget),
        )
        if value < 1
    ]
    if not EVENT_TYPE.fullmatch(options.event_type):
        problems.append(f"event-type must be letters, digits and ._:- only, at most 100; got {options.event_type!r}")
    if options.violations > options.windows:
        problems.append("violations must not be above windows: no alarm could ever be raised")
    if not 0 <= options.cooldown_days <= 366:
        problems.append(f"cooldown-days must be from 0 to 366, got {options.cooldown_days:g}")
    if problems:
        raise OptionsError(problems)
    return Rules(
        violations=options.violations,
        windows=options.windows,
        cooldown=options.cooldown_days * _DAY,
        budget=options.request_budget,
    )


def _newest(options: Options) -> Window:
    """Return the newest window; one without a verdict decides nothing."""
    path = Path(options.drift_report)
    try:
        report = read_file(path, DRIFT, whole=False).report
    except FileNotFoundError as error:
        raise missing_file(path) from error
    try:
        found = window(report)
    except ReportError as error:
        raise OptionsError(f"{path}: {error.message}") from error
    if found.drifted is None:
        raise OptionsError(f"{path} says {report.status}: whether the newest window drifted is not known")
    return found


def _verdicts(platform: Platform, newest: Window, options: Options, context: Context) -> list[bool | None]:
    """Return the verdicts of the newest windows; two runs on the same data are one window."""
    branch = options.window_branch or context.environ.get("GITHUB_REF_NAME")
    if not branch:
        raise OptionsError("window-branch is not set, nor is GITHUB_REF_NAME")
    found, seen = [newest.drifted], {newest.data}
    if options.windows == 1:
        return found
    for earlier in platform.windows(options.artifact, branch, context.environ.get("GITHUB_RUN_ID", "")):
        data = earlier.data if earlier else None
        if data is None or data not in seen:
            found.append(earlier.drifted if earlier else None)
            seen.add(data)
        if len(found) == options.windows:
            break
    return found


def _not_now(outcome: Outcome, why: str, verdicts: list[bool | None]) -> Report:
    """Return the report of a run that asks for nothing."""
    outputs = {"requested": "false", "request": ""}
    check = outcome_check(outcome, why)
    return Report(stage=STAGE, checks=[check], summary=why, details={"windows": verdicts}, outputs=outputs)


def _asked(number: int, message: str, plan: list[str], verdicts: list[bool | None]) -> Report:
    """Return the report of a run that asked for retraining."""
    check = outcome_check(Outcome.REQUEST, message)
    outputs = {"requested": "true", "request": str(number)}
    details = {"windows": verdicts}
    return Report(stage=STAGE, checks=[check], summary=message, plan=plan, details=details, outputs=outputs)


def _finish(platform: Platform, number: int, body: str, context: Context) -> Report:
    """Send the event of a request that an earlier run opened before it was cut off, as that run planned it."""
    event = noted(body)
    if event is None:
        raise UnavailableError(
            f"Request #{number} waits for its event, but its text does not say what was to be sent.",
            advice="Close the issue: the next run makes a new request if drift persists.",
        )
    plan = [f"Send the repository_dispatch {event.event_type} of request #{number}, which an earlier run left out."]
    context.save(Report(stage=STAGE, checks=(), plan=plan))
    _send(platform, number, body, event)
    return _asked(number, f"Request #{number}, which an earlier run left unfinished, was sent.", plan, [])


def _waiting(unfinished: tuple[int, str] | None, options: Options) -> str:
    """Say of a request whose event was not sent what becomes of it; empty if there is none."""
    if unfinished is None:
        return ""
    then = "is sent when a window drifts again" if options.by is By.DISPATCH else "is not sent (`by: issue`)"
    return f" The event of request #{unfinished[0]} is still to be sent: it {then}."


def _event(newest: Window, options: Options) -> Plan:
    """Return what is to be sent on this window."""
    return Plan(
        event_type=options.event_type,
        worst_feature=newest.worst_feature,
        current_sha256=newest.data or "",
    )


def _send(platform: Platform, number: int, body: str, event: Plan) -> None:
    """Send the event, then note that it was sent: cut off in between it is sent twice, never not at all."""
    platform.dispatch(event.event_type, event.payload(number))
    platform.mark_sent(number, body)


def _quoted(summary: str) -> str:
    """Return the drift report's summary as a block of code: it holds names from the data."""
    text = summary[:2000].replace("`", "'").replace("<!--", "< !--")
    return f"```text\n{text}\n```"


def _next(retrain: bool) -> str:
    """Say what follows."""
    if retrain:
        return "A retraining was started. Close this issue when its model is in production; no other starts until then."
    return "No retraining was started. Investigate the drift, and close this issue when it is resolved."
