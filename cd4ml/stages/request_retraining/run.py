"""Ask for retraining where drift lasts: at most one open request, a cooldown, a budget."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cd4ml.context import Context
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import text_file
from cd4ml.report import Check, Report, Status
from cd4ml.retraining.decision import Outcome, Rules, decide
from cd4ml.retraining.plan import Plan, note, noted
from cd4ml.retraining.platform import PENDING, SENT, Platform
from cd4ml.stages.request_retraining.options import By, Options

STAGE: Final = "request-retraining"
_DAY: Final = timedelta(days=1)


def run(options: Options, context: Context) -> Report:
    """Decide, write the plan, then open the issue and send the event.

    What an earlier run left unfinished is finished first, by that run's own plan: if this window drifted as well, and
    events are to be sent at all.

    Raises:
        OptionsError: an option is missing, or the drift report reached no verdict.
        UnavailableError: earlier windows or requests cannot be read.
    """
    rules, newest = _rules(options), _newest(options)
    platform = _platform(options, context)
    try:
        requests = platform.requests(options.issue_label)
        unfinished = next(((item.number, body) for item, body in requests if item.is_open and PENDING in body), None)
        if unfinished and _verdict(newest) and options.by is By.DISPATCH:
            return _finish(platform, *unfinished, context)
        verdicts = _verdicts(platform, newest, options, context)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnavailableError(f"The API does not answer as GitHub's does: {error!r}.") from error
    outcome, why = decide(verdicts, [item for item, _ in requests], rules, datetime.now(UTC))
    if outcome is not Outcome.REQUEST:
        return _not_now(outcome, f"{why}{_waiting(unfinished, options)}", verdicts)
    retrain = newest["outputs"].get("retrain") == "true" and options.by is By.DISPATCH
    plan = [f"Open an issue with the label {options.issue_label}."]
    plan += [f"Send the repository_dispatch {options.event_type}."] if retrain else []
    context.save(Report(stage=STAGE, checks=(), plan=plan))
    event = _event(newest, options)
    marks = f"{note(event)}\n{PENDING}" if retrain else SENT
    body = f"{why}\n\n{_quoted(newest)}\n\n{_next(retrain)}\n\n{marks}"
    number = platform.open_request(
        f"Drift: {'retraining' if retrain else 'a look'} is needed", body, options.issue_label
    )
    if retrain:
        _send(platform, number, body, event)
    return _asked(number, f"{why} Request #{number} was made.", plan, verdicts)


def _rules(options: Options) -> Rules:
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
    if not re.fullmatch(r"[\w.:-]{1,100}", options.event_type, re.ASCII):
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


def _newest(options: Options) -> dict[str, Any]:
    """Return the drift report of this window; one without a verdict decides nothing."""
    path = Path(options.drift_report)
    try:
        report = json.loads(text_file(path))
        if report["stage"] != "detect-drift":
            raise ValueError("of another stage")
        verdict = _verdict(report)
    except FileNotFoundError as error:
        raise UnavailableError(f"{path}: no such file.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionsError(f"{path}: no report of detect-drift: {error}") from error
    if verdict is None:
        raise OptionsError(f"{path} says {report['status']}: whether the newest window drifted is not known")
    return dict(report)


def _verdict(report: Mapping[str, Any]) -> bool | None:
    """Return whether a window drifted, None if its report reached no verdict."""
    if report["status"] not in ("passed", "failed"):
        return None
    drift = report["outputs"]["drift"]
    if drift not in ("true", "false"):
        raise ValueError(f"its output drift is {drift!r}")
    return bool(drift == "true" or report["status"] == "failed")


def _data(report: Mapping[str, Any]) -> str | None:
    """Return the digest of the current data that a report is about."""
    return next((str(item["sha256"]) for item in report["inputs"] if item["name"] == "current"), None)


def _platform(options: Options, context: Context) -> Platform:
    """Return the repository that is spoken to."""
    environ = context.environ
    repository = options.github_repository or environ.get("GITHUB_REPOSITORY") or ""
    token = environ.get("CD4ML_GITHUB_TOKEN") or environ.get("GITHUB_TOKEN") or ""
    problems = []
    if repository.count("/") != 1 or not all(part.strip(".") for part in repository.split("/")):
        problems.append("github-repository must be OWNER/NAME")
    if not token:
        problems.append("CD4ML_GITHUB_TOKEN is not set")
    if problems:
        raise OptionsError(problems)
    api = environ.get("GITHUB_API_URL") or "https://api.github.com"
    return Platform(api=api.rstrip("/"), repository=repository, token=token)


def _verdicts(platform: Platform, newest: Mapping[str, Any], options: Options, context: Context) -> list[bool | None]:
    """Return the verdicts of the newest windows; two runs on the same data are one window."""
    branch = options.window_branch or context.environ.get("GITHUB_REF_NAME")
    if not branch:
        raise OptionsError("window-branch is not set, nor is GITHUB_REF_NAME")
    found, seen = [_verdict(newest)], {_data(newest)}
    if options.windows == 1:
        return found
    for report in platform.reports(options.artifact, branch, context.environ.get("GITHUB_RUN_ID", "")):
        data = _data(report) if report else None
        if data is None or data not in seen:
            found.append(_verdict(report) if report else None)
            seen.add(data)
        if len(found) == options.windows:
            break
    return found


def _not_now(outcome: Outcome, why: str, verdicts: list[bool | None]) -> Report:
    """Return the report of a run that asks for nothing."""
    statuses = {Outcome.BUDGET: Status.FAILED, Outcome.UNDECIDED: Status.INCONCLUSIVE}
    advice = {
        Outcome.BUDGET: "Retraining does not end the drift: check the data, or raise `request-budget` after a review.",
        Outcome.UNDECIDED: "Look at the runs without a verdict; keep drift reports as long as `windows` need them.",
    }
    check = Check(
        id="retraining",
        status=statuses.get(outcome, Status.PASSED),
        reason=str(outcome),
        message=why,
        advice=advice.get(outcome),
    )
    outputs = {"requested": "false", "request": ""}
    return Report(stage=STAGE, checks=[check], summary=why, details={"windows": verdicts}, outputs=outputs)


def _asked(number: int, message: str, plan: list[str], verdicts: list[bool | None]) -> Report:
    """Return the report of a run that asked for retraining."""
    check = Check(id="retraining", status=Status.PASSED, reason="request", message=message)
    outputs = {"requested": "true", "request": str(number)}
    details = {"windows": verdicts}
    return Report(stage=STAGE, checks=[check], summary=message, plan=plan, details=details, outputs=outputs)


def _finish(platform: Platform, number: int, body: str, context: Context) -> Report:
    """Send the event of a request that an earlier run opened before it was cut off, as that run planned it."""
    event = noted(body)
    if event is None:
        raise UnavailableError(
            f"Request #{number} waits for its event, but what was to be sent cannot be read in it.",
            advice="Close the issue: the next run makes a request of its own if drift lasts.",
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
    return f" The event of request #{unfinished[0]} is outstanding and {then}."


def _event(newest: Mapping[str, Any], options: Options) -> Plan:
    """Return what is to be sent on this window."""
    return Plan(
        event_type=options.event_type,
        worst_feature=str(newest["outputs"].get("worst-feature", "")),
        current_sha256=_data(newest) or "",
    )


def _send(platform: Platform, number: int, body: str, event: Plan) -> None:
    """Send the event, then note that it was sent: cut off in between it is sent twice, never not at all."""
    platform.dispatch(event.event_type, event.payload(number))
    platform.mark_sent(number, body)


def _quoted(report: Mapping[str, Any]) -> str:
    """Return the drift report's summary as a block of code: it holds names from the data."""
    text = str(report.get("summary", ""))[:2000].replace("`", "'").replace("<!--", "< !--")
    return f"```text\n{text}\n```"


def _next(retrain: bool) -> str:
    """Say what follows."""
    if retrain:
        return "A retraining was started. Close this issue when its model is in production; until then none is started."
    return "No retraining was started. Look at the drift, and close this issue when it is dealt with."
