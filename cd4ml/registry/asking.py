"""Asking the worker process, which asks the registry: every answer is there in its own time."""

from __future__ import annotations

import json
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.process.programs import PIPE, end, start
from cd4ml.wording import redacted

START_SECONDS: Final = 60.0  # importing MLflow on a cold machine
LOOKUP_SECONDS: Final = 10.0
DOWNLOAD_SECONDS: Final = 1800.0
_WORKER: Final = Path(__file__).with_name("worker.py")
_DATABRICKS: Final = "databricks"
_UNITY_CATALOG: Final = "databricks-uc"
# Names of servers that look like folders.
_SERVER: Final = re.compile(rf"({_DATABRICKS}|{_UNITY_CATALOG})(:.*)?|uc:.*")
_LOCAL: Final = re.compile(r"sqlite:///|file:(//(localhost)?(?=/))?")
_HOST_AND_PORT: Final = re.compile(r"[A-Za-z0-9.-]+:[0-9]+(/.*)?")
# How MLflow begins to say that it no longer opens a store in files, such as ./mlruns.
_FILE_STORE: Final = "The filesystem tracking backend"
# Within MLflow a request fails after these; the deadlines above hold whatever it does.
_LIMITS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
    "PYTHONUTF8": "1",
}


class MissingModelError(UnavailableError):
    """The registry answered: it has no such model, version or alias."""

    reason = "missing-model"


class NotInTimeError(UnavailableError):
    """The registry did not answer in time."""


@contextmanager
def answering(
    operations: Sequence[Mapping[str, Any]],
    tracking_uri: str | None,
    environ: Mapping[str, str],
    *,
    each: bool = False,
) -> Iterator[Callable[[float], dict[str, Any]]]:
    """Have a worker carry out operations; yields what waits for its next answer, the first of which says `ready`.

    Args:
        each: whether an operation that fails is no reason to leave out those after it.
    """
    tracking = tracking_uri or environ.get("MLFLOW_TRACKING_URI") or ""
    tracking, registry = addresses(tracking, environ.get("MLFLOW_REGISTRY_URI") or "", str(operations[0]["name"]))
    for address in {tracking: None, registry: None}:
        check_local(address)
    request = {"tracking_uri": tracking, "registry_uri": registry, "operations": list(operations), "each": each}
    process = start([sys.executable, "-I", str(_WORKER)], environ={**environ, **_LIMITS}, stdin=PIPE)
    assert process.stdin and process.stdout and process.stderr
    try:
        with suppress(BrokenPipeError):  # a worker that could not start says why on standard error
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        lines, errors = _lines(process.stdout), _lines(process.stderr)
        yield lambda seconds: _answer(lines, errors, registry, seconds)
    finally:
        end(process)
        for stream in (process.stdout, process.stderr):
            stream.close()


def addresses(tracking: str, registry: str, name: str) -> tuple[str, str]:
    """Return where runs are tracked and where models are registered, as MLflow resolves them: they may be two places.

    Args:
        tracking: the tracking server, "" if nobody named one.
        registry: what MLFLOW_REGISTRY_URI names, "" for nothing.
        name: of the model. At Databricks one with three parts is in Unity Catalog, another in the workspace.

    Raises:
        OptionsError: neither is named.
    """
    if not (tracking or registry):
        raise OptionsError("no registry is configured", advice="Set tracking-uri or MLFLOW_TRACKING_URI.")
    if tracking.partition(":")[0] == _UNITY_CATALOG:  # which tracks nothing itself
        registry, tracking = registry or tracking, tracking.replace(_UNITY_CATALOG, _DATABRICKS, 1)
    if not registry and tracking.partition(":")[0] == _DATABRICKS and name.count(".") == 2:
        registry = tracking.replace(_DATABRICKS, _UNITY_CATALOG, 1)
    registry = registry or tracking
    return tracking or registry.replace(_UNITY_CATALOG, _DATABRICKS, 1), registry


def names_server(registry: str) -> bool:
    """Whether an address names a server in a word, as `databricks` does."""
    return _SERVER.fullmatch(registry) is not None


def check_local(registry: str) -> None:
    """Refuse a local store that is not there: MLflow would make an empty one and find nothing in it."""
    path, remote = _LOCAL.sub("", registry).partition("?")[0], "://" in registry and not _LOCAL.match(registry)
    if not remote and not names_server(registry) and not Path(path).exists():
        meant = f" For a server write http://{path}." if _HOST_AND_PORT.fullmatch(registry) else ""
        raise UnavailableError(
            f"The registry's store {path} does not exist.",
            advice=f"Check tracking-uri, MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI.{meant}",
        )


def _lines(stream: IO[bytes]) -> queue.Queue[str | None]:
    """Return a queue that a thread fills with the stream's lines; None is its end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        try:
            for line in stream:
                lines.put(line.decode("utf-8", "replace"))
        except ValueError:
            pass  # closed while reading, because the deadline has passed
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _answer(
    lines: queue.Queue[str | None], errors: queue.Queue[str | None], registry: str, seconds: float
) -> dict[str, Any]:
    """Return the worker's next answer."""
    try:
        line = lines.get(timeout=seconds)
    except queue.Empty:
        raise NotInTimeError(
            f"The registry at {redacted(registry)} did not answer within {seconds:.0f} seconds.",
            advice="Check that it runs and that this machine can reach it.",
        ) from None
    if line is None:
        raise UnavailableError(f"The registry could not be queried: {_last_words(errors)}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        _refuse(answer, registry)
    if "version" in answer and not str(answer["version"]).isdigit():
        raise UnavailableError(f"The registry at {redacted(registry)} does not answer like an MLflow registry.")
    return answer


def _refuse(answer: Mapping[str, str], registry: str) -> None:
    """Raise what the worker reports."""
    message = redacted(answer["message"])[:500]
    if answer["error"] == "missing":
        known = answer.get("known", "")
        there = f" {known}" if known.endswith("?") else f" {known}." if known else ""
        raise MissingModelError(
            f"The registry at {redacted(registry)}: {message.rstrip('.')}.{there}",
            advice="Check the name; an alias is set with "
            "MlflowClient().set_registered_model_alias(<name>, <alias>, <version>).",
        )
    if _FILE_STORE in message:
        raise UnavailableError(
            f"The registry at {redacted(registry)} is a folder of files, which this version of MLflow no longer opens.",
            advice="Move it to a database (`mlflow migrate-filestore`) and set tracking-uri to that, for example "
            "sqlite:///mlflow.db; or set MLFLOW_ALLOW_FILE_STORE=true in the environment.",
        )
    raise UnavailableError(
        f"The registry at {redacted(registry)} cannot be used: {message}",
        advice="Check its address (tracking-uri, MLFLOW_TRACKING_URI, MLFLOW_REGISTRY_URI), its credentials, and that "
        "it runs.",
    )


def _last_words(errors: queue.Queue[str | None]) -> str:
    """Return the last lines of what the worker wrote to standard error."""
    collected: list[str] = []
    try:
        while (line := errors.get(timeout=1)) is not None:
            collected.append(line.strip())
    except queue.Empty:
        pass
    return redacted(" ".join(collected[-3:]))[:500] or "the worker ended without an answer."
