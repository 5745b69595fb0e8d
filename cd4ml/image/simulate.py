"""The built image, started and called as in production: what it is made of, and what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Builder, Container
from cd4ml.image.capacity import AT_ONCE, Load, largest_request, requests_of
from cd4ml.image.comparison import SAME_LIBRARY, Difference, Tolerance, differences
from cd4ml.image.pairing import Scored

# The field of a line of the gateway's log.
_MESSAGE: Final = re.compile(r'"message": ("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the running container says of itself.

    Attributes:
        startup_seconds: from the start of the gateway until it was ready, None if that cannot be read.
        ready_bytes: resident memory of the gateway's processes once it was ready; 0 if it could not be read.
        log: end of the container's log, if the gateway did not become ready.
        offline: whether it had no network; None if the container does not say.
    """

    ready: bool
    warm_up: str
    uid: int
    read_only_root: bool
    writable: Sequence[str]
    build_tools: Sequence[str]
    model_sha256: str
    python: str
    columns: Sequence[str]
    optional: Sequence[str] = ()
    startup_seconds: float | None = None
    ready_bytes: int = 0
    log: str = ""
    offline: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came of sending rows.

    Attributes:
        of: rows of the test data, of which those that were compared are every n-th; 0 if none was.
        refusal: how the gateway refused rows of the test data, None if it answered them all.
        bad_row_refused: whether a row with an unknown column was answered with 422.
    """

    compared: int
    scores_compared: bool
    of: int = 0
    differences: Sequence[Difference] = ()
    refusal: str | None = None
    bad_row_refused: bool = False


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The image's own account of itself, and its answers if rows were sent."""

    look: Look
    answers: Answers | None = None
    load: Load | None = None


def simulate(
    builder: Builder,
    image: str,
    scored: Callable[[Look], Scored] | None,
    *,
    seconds: float,
    tolerance: Tolerance = SAME_LIBRARY,
    per_second: float = 50.0,
    limited: bool = False,
) -> Simulation:
    """Start the image, look at it, send it rows, and stop it whatever happens.

    Args:
        scored: returns rows and their scored predictions for what the image says of itself; None sends no rows.
        seconds: how long the gateway may take to become ready.
        tolerance: how far its scores may lie from the scored ones.
        per_second: rate at which single rows are sent for the latency.
        limited: whether the latency is held to a limit, which takes more of them.

    Raises:
        UnavailableError: the builder does not answer.
    """
    container = builder.start(image)
    try:
        look = _look(builder, container, seconds)
        if scored is None or not look.ready or not look.columns:
            return Simulation(look=look)
        sent = scored(look)
        answers = _ask(builder, container, sent, tolerance)
        if answers.refusal is not None or not sent.rows:
            return Simulation(look=look, answers=answers)
        return Simulation(look=look, answers=answers, load=_load(builder, container, sent, per_second, limited))
    finally:
        builder.stop(container)


def _probe(builder: Builder, container: Container, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Run the probe inside the container and return its answer."""
    program = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    said = builder.execute(container, program, json.dumps(request, allow_nan=False), seconds=seconds)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise UnavailableError(f"The container gave no readable answer: {said[-300:]!r}") from error
    return answer


def _look(builder: Builder, container: Container, seconds: float) -> Look:
    """Wait for the gateway and return what it says; a container that has ended is a gateway that is not ready."""
    request = {"action": "look", "port": container.port, "seconds": seconds}
    try:
        answer = _probe(builder, container, request, seconds + 60)
    except UnavailableError as error:
        log = builder.logs(container)
        if not log:
            raise
        raise UnavailableError(f"{error.message} The container's log ends: {log}") from error
    version = answer["version"]
    ready = answer["ready"] and answer["liveness"] == 200
    return Look(
        ready=ready,
        warm_up=str(answer["readiness"].get("warm_up", "")),
        uid=answer["uid"],
        read_only_root=answer["read_only_root"],
        writable=answer["writable"],
        build_tools=answer["build_tools"],
        model_sha256=answer["model_sha256"],
        python=answer["python"],
        columns=version.get("columns", ()),
        offline=None if answer.get("routes") is None else answer["routes"] == 0,
        optional=version.get("optional_columns", ()),
        startup_seconds=answer["startup_seconds"],
        ready_bytes=answer["ready_bytes"],
        log="" if ready else said(builder.logs(container)),
    )


def said(log: str) -> str:
    """Return what the gateway's lines of JSON say; a log without any is returned as it is."""
    try:
        messages = [str(json.loads(message)) for message in _MESSAGE.findall(log)]
    except ValueError:
        return log
    return " ".join(messages) or log


def _ask(builder: Builder, container: Container, scored: Scored, tolerance: Tolerance) -> Answers:
    """Send the rows and compare."""
    request = {"action": "predict", "port": container.port, "rows": scored.rows}
    answer = _probe(builder, container, request, 600)
    if answer["status"] != 200:
        problems = json.dumps(answer["error"])[:600]
        refusal = f"status {answer['status']} for the rows from {answer['first_row']} on: {problems}"
        return Answers(compared=0, scores_compared=False, refusal=refusal)
    served = answer["predictions"]
    if len(served) != len(scored.rows):
        refusal = f"{len(served)} predictions for {len(scored.rows)} rows"
        return Answers(compared=0, scores_compared=False, refusal=refusal)
    return Answers(
        compared=len(served),
        scores_compared=scored.y_score is not None,
        of=scored.of,
        differences=differences(scored, served, tolerance),
        bad_row_refused=answer["bad_row_status"] == 422,
    )


def _load(builder: Builder, container: Container, scored: Scored, per_second: float, limited: bool) -> Load:
    """Send the largest requests, as many at once as the gateway predicts, and then single rows.

    Raises:
        UnavailableError: the container has ended under them, or does not answer.
    """
    request = {"action": "load", "port": container.port, "rows": largest_request(scored.rows), "at_once": AT_ONCE}
    requests = requests_of(per_second, limited=limited)
    answer = _probe(builder, container, {**request, "requests": requests, "per_second": per_second}, 900)
    return Load(**answer, per_second=per_second)
