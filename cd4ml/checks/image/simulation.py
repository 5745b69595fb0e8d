"""What must hold for the running image: what it is made of, and its predictions; pure decisions on what was seen."""

from __future__ import annotations

import re
from typing import Any, Final

from cd4ml.checks.image.decided import decided_check
from cd4ml.image.simulate import Answers, Look
from cd4ml.report import Bound, Check, Status

_LIBRARY: Final = re.compile(r"\b(lib[A-Za-z0-9_+.-]+\.so(?:\.\d+)*): cannot open shared object file")
# What the wheels of well-known libraries need of the system.
_PACKAGES: Final = {"libgomp.so.1": "libgomp1", "libGL.so.1": "libgl1", "libglib-2.0.so.0": "libglib2.0-0"}


def container_checks(
    look: Look, *, model_sha256: str, python: str, user: str, read_only: bool, startup_seconds: float
) -> list[Check]:
    """Decide on what the running container says of itself.

    Args:
        model_sha256: digest of the candidate's folder.
        python: minor version that the model was saved with, e.g. `3.11`.
        user: the user that the image's configuration names.
        read_only: whether the engine can start a container with a read-only root file system.
        startup_seconds: how long the gateway may take to become ready.
    """
    serves = decided_check(
        "serves-candidate",
        look.model_sha256 == model_sha256,
        f"The weights in the image have the digest {look.model_sha256}.",
        reason="other-model",
        advice="The image does not hold the model that was evaluated: build it again.",
        value=look.model_sha256,
        limit=model_sha256,
        bound=Bound.EQUAL,
    )
    minor = ".".join(look.python.split(".")[:2])
    version = decided_check(
        "python-version",
        minor == python,
        f"The image runs Python {look.python}; the model was saved with {python}.",
        reason="other-python",
        advice=f"Set base-image to one with Python {python}.",
        value=minor,
        limit=python,
        bound=Bound.EQUAL,
    )
    ready = _becomes_ready(look, startup_seconds)
    return [ready, serves, version, _non_root(look, user), _no_tools(look), *_read_only(look, expected=read_only)]


def _becomes_ready(look: Look, limit: float) -> Check:
    """Decide on whether the gateway is ready, and in time."""
    seconds = look.startup_seconds
    shared: dict[str, Any] = {"limit": limit, "bound": Bound.AT_MOST, "option": ("startup-seconds",)}
    if look.ready and seconds is None:
        return Check(
            id="becomes-ready",
            status=Status.INCONCLUSIVE,
            message="The gateway is ready, but when it was started could not be read.",
            reason="not-measured",
            advice="Build with docker or podman, whose containers show their own processes.",
            **shared,
        )
    late = look.ready and seconds is not None and seconds > limit
    return decided_check(
        "becomes-ready",
        look.ready and not late,
        (
            f"The gateway is ready after {seconds:.1f} s (warm-up: {look.warm_up})."
            if look.ready
            else f"The gateway is not ready: {look.log}"
        ),
        reason="too-late" if late else "not-ready",
        advice="Raise startup-seconds and the chart's startupSeconds together." if late else _advice(look.log),
        metric="startup-seconds",
        value=None if seconds is None else round(seconds, 2),
        **shared,
    )


def _advice(log: str) -> str:
    """Return what to do about a gateway that does not become ready, by the end of its log."""
    library = _LIBRARY.search(log)
    if library is None:
        return "Read the container's log above; the model must load and predict with its own locked requirements."
    package = _PACKAGES.get(library[1], "the Debian package that has it")
    return f"{library[1]} is not in the base: name {package} in system-packages, or take a base-image that has it."


def _non_root(look: Look, user: str) -> Check:
    """Decide on the user, as the image says and as the process finds out."""
    named = user.partition(":")[0]
    good = look.uid != 0 and named not in ("", "0", "root") and not look.writable
    where = f", and may write to {', '.join(look.writable)}" if look.writable else ""
    return decided_check(
        "non-root",
        good,
        f"The gateway runs as user {look.uid}{where}.",
        reason="root",
        advice="The image must run as an unprivileged user that can change nothing in it.",
        value=look.uid,
    )


def _no_tools(look: Look) -> Check:
    """Decide on compilers and installers."""
    names = ", ".join(look.build_tools)
    return decided_check(
        "no-build-tools",
        not look.build_tools,
        f"The image holds build tools: {names}." if names else "No compiler and no installer in the image.",
        reason="build-tools",
        advice="Take a slimmer base image.",
    )


def _read_only(look: Look, *, expected: bool) -> list[Check]:
    """Decide on the root file system, where the engine can make it read-only."""
    if not expected:
        return []
    return [
        decided_check(
            "read-only-root",
            look.read_only_root and look.ready,
            (
                "The gateway works on a read-only root file system."
                if look.ready
                else "The gateway did not start on a read-only root file system."
            ),
            reason="needs-to-write",
            advice="The model or its libraries write outside /tmp; make them use a temporary folder.",
        )
    ]


def prediction_checks(answers: Answers | None, *, minimum_rows: int) -> list[Check]:
    """Decide on the image's predictions. No answers at all is a failure: rows were to be compared."""
    if answers is None:
        message = "No row was sent: the gateway is not ready, or the model does not name its columns."
        advice = "Save the model with a signature (mlflow.models.infer_signature)."
        return [_failed("predictions-match", message, "not-compared", advice)]
    if answers.refusal is not None:
        advice = "The image does not take the rows that were scored: compare the model's signature with the test data."
        return [_failed("predictions-match", f"The gateway refused scored rows: {answers.refusal}", "refused", advice)]
    return [_match(answers, minimum_rows), _refuses(answers)]


def _match(answers: Answers, minimum_rows: int) -> Check:
    """Decide whether served and scored predictions are the same."""
    n = answers.compared
    if n < minimum_rows:
        return Check(
            id="predictions-match",
            status=Status.INCONCLUSIVE,
            message=f"{n:,} rows were compared; {minimum_rows:,} are needed.",
            reason="too-few-rows",
            advice=f"Give test data of at least {minimum_rows} rows.",
            n=n,
        )
    first = answers.differences[0] if answers.differences else None
    what = "labels and scores" if answers.scores_compared else "predictions"
    sampled = f" ({n:,} of {answers.of:,}, evenly spread)" if answers.of > n else ""
    message = f"{n:,} rows: {what} equal the scored ones{sampled}."
    if first is not None:
        rows = len({item.row for item in answers.differences})
        message = (
            f"{rows:,} of {n:,} rows{sampled} get other predictions than when scored; the first, row {first.row}: "
            f"{first.column} is {first.served[:50]}, scored {first.scored[:50]}."
        )
    return decided_check(
        "predictions-match",
        first is None,
        message,
        reason="other-predictions",
        advice="Score the model again with the same test data; if it still differs, this image holds another model.",
        n=n,
        value=len(answers.differences),
        limit=0,
        bound=Bound.AT_MOST,
    )


def _refuses(answers: Answers) -> Check:
    """Decide whether a malformed row is refused."""
    return decided_check(
        "refuses-bad-input",
        answers.bad_row_refused,
        (
            "A row with an unknown column is refused."
            if answers.bad_row_refused
            else "A row with an unknown column is not refused with 422."
        ),
        reason="accepts-bad-input",
        advice="The image's gateway is not this suite's: build it again.",
    )


def _failed(id: str, message: str, reason: str, advice: str) -> Check:
    """Return a failed check."""
    return Check(id=id, status=Status.FAILED, message=message, reason=reason, advice=advice)
