"""Talking to the registry through the worker process."""

from __future__ import annotations

import json
import queue
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from cd4ml.digests import folder_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.model_files import refuse_ways_out
from cd4ml.process.programs import PIPE, end, start
from cd4ml.report import ModelIdentity
from cd4ml.wording import redacted

START_SECONDS: Final = 60.0  # importing MLflow on a cold machine
LOOKUP_SECONDS: Final = 10.0
DOWNLOAD_SECONDS: Final = 1800.0
_WORKER: Final = Path(__file__).with_name("worker.py")
_URI: Final = re.compile(r"models:/(?P<name>[^/@:\\%\x00-\x1f]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[A-Za-z0-9._-]+))")
_STAGED: Final = re.compile(r"models:/(?P<name>[^/@:\\%\x00-\x1f']+)/(?P<stage>[A-Za-z]\w*)")
_DATABRICKS: Final = "databricks"
_UNITY_CATALOG: Final = "databricks-uc"
_LOCAL: Final = re.compile(r"sqlite:///|file:(//(localhost)?(?=/))?")
_HOST_AND_PORT: Final = re.compile(r"[A-Za-z0-9.-]+:[0-9]+(/.*)?")
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


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """A registered model, by version or by alias."""

    name: str
    version: str | None
    alias: str | None

    @property
    def lookup(self) -> dict[str, str]:
        """The worker's operation that finds the version."""
        which = {"alias": self.alias} if self.alias else {"version": self.version or ""}
        return {"operation": "version", "name": self.name, **which}


def fetch(
    uri: str, directory: Path, *, tracking_uri: str | None, environ: Mapping[str, str]
) -> tuple[Path, ModelIdentity]:
    """Return a folder with the model's files, and which model it is.

    Args:
        uri: `models:/<name>/<version>`, `models:/<name>@<alias>`, or a local folder that holds an MLflow model.
        directory: where files of a registered model are put; must be empty or absent.
        tracking_uri: MLflow's server; default: MLFLOW_TRACKING_URI of `environ`. Where MLFLOW_REGISTRY_URI is set, the
            registry is there.

    Raises:
        OptionsError: the URI is of no allowed form, or no registry is configured.
        MissingModelError: the registry does not have the model.
        UnavailableError: the registry does not answer in time, or the folder is missing.
    """
    if "://" in uri or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", uri):
        return _fetch_registered(_reference(uri), uri, directory, tracking_uri, environ)
    folder = Path(uri)
    if not (folder / "MLmodel").is_file():
        raise UnavailableError(
            f"{uri}: no such folder with an MLflow model (a file MLmodel).",
            advice="A registered model is written models:/<name>@<alias> or models:/<name>/<version>.",
        )
    refuse_ways_out(folder)
    return folder, ModelIdentity(uri=uri, sha256=folder_sha256(folder))


def _fetch_registered(
    reference: _Reference, uri: str, directory: Path, tracking_uri: str | None, environ: Mapping[str, str]
) -> tuple[Path, ModelIdentity]:
    """Look the version up, then download exactly that version: an alias may move meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    download = {"operation": "download", "name": reference.name, "directory": str(directory)}
    operations = [reference.lookup, download]
    found, downloaded = _ask(operations, tracking_uri, environ, seconds=(LOOKUP_SECONDS, DOWNLOAD_SECONDS))
    folder = Path(downloaded["path"])
    if not (folder / "MLmodel").is_file():
        raise UnavailableError(f"{uri}: the registry does not serve an MLflow model: there is no file MLmodel.")
    refuse_ways_out(folder)
    identity = ModelIdentity(
        uri=uri,
        sha256=folder_sha256(folder),
        name=reference.name,
        version=found["version"],
        alias=reference.alias,
    )
    return folder, identity


def alias_version(name: str, alias: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the version that the alias points at, None if there is none.

    Raises:
        UnavailableError: the registry does not answer in time.
    """
    reference = _reference(f"models:/{name}@{alias}")
    try:
        (found,) = _ask([reference.lookup], tracking_uri, environ, seconds=(LOOKUP_SECONDS,))
    except MissingModelError:
        return None
    return str(found["version"])


def named(tracking_uri: str | None, environ: Mapping[str, str]) -> bool:
    """Whether anything says where the registry is."""
    return bool(tracking_uri or environ.get("MLFLOW_TRACKING_URI") or environ.get("MLFLOW_REGISTRY_URI"))


def version_exists(name: str, version: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the registry has the version."""
    reference = _reference(f"models:/{name}/{version}")
    try:
        _ask([reference.lookup], tracking_uri, environ, seconds=(LOOKUP_SECONDS,))
    except MissingModelError:
        return False
    return True


def set_alias(name: str, alias: str, version: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> None:
    """Point the alias at the version.

    Raises:
        MissingModelError: there is no such version.
        UnavailableError: the registry does not answer, or says something else afterwards.
    """
    _reference(f"models:/{name}@{alias}")
    operation = {"operation": "set-alias", "name": name, "alias": alias, "version": version}
    (found,) = _ask([operation], tracking_uri, environ, seconds=(LOOKUP_SECONDS,))
    if found["version"] != version:
        raise UnavailableError(
            f"The alias {alias} of {name} still points at version {found['version']} after the move."
        )


def _reference(uri: str) -> _Reference:
    """Read a registry URI; anything but the two forms is refused, other schemes and paths upwards among them."""
    match = _URI.fullmatch(uri)
    if not match or match["name"].strip(".") == "":
        staged = _STAGED.fullmatch(uri)
        advice = "Use models:/<name>/<version>, models:/<name>@<alias> or a folder."
        if staged:
            advice = (
                f"{staged['stage']} is an MLflow stage, which MLflow has replaced by aliases: set one with "
                f"MlflowClient().set_registered_model_alias('{staged['name']}', 'champion', <version>), and write "
                f"models:/{staged['name']}@champion."
            )
        raise OptionsError(f"{redacted(uri)!r} names no model", advice=advice)
    return _Reference(**match.groupdict())


def _ask(
    operations: Sequence[Mapping[str, str]],
    tracking_uri: str | None,
    environ: Mapping[str, str],
    *,
    seconds: Sequence[float],
) -> list[dict[str, Any]]:
    """Have the worker carry out operations; each answer must be there in its own time."""
    tracking = tracking_uri or environ.get("MLFLOW_TRACKING_URI") or ""
    tracking, registry = addresses(tracking, environ.get("MLFLOW_REGISTRY_URI") or "", str(operations[0]["name"]))
    for address in {tracking: None, registry: None}:
        _check_local(address)
    request = {"tracking_uri": tracking, "registry_uri": registry, "operations": list(operations)}
    process = start([sys.executable, "-I", str(_WORKER)], environ={**environ, **_LIMITS}, stdin=PIPE)
    assert process.stdin and process.stdout and process.stderr
    try:
        with suppress(BrokenPipeError):  # a worker that could not start says why on standard error
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        lines, errors = _lines(process.stdout), _lines(process.stderr)
        return [_answer(lines, errors, registry, limit) for limit in (START_SECONDS, *seconds)][1:]
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


def _check_local(registry: str) -> None:
    """Refuse a local store that is not there: MLflow would make an empty one and find nothing in it."""
    path, remote = _LOCAL.sub("", registry).partition("?")[0], "://" in registry and not _LOCAL.match(registry)
    # `databricks` and `uc` name servers, not folders.
    if not remote and not registry.startswith(("databricks", "uc:")) and not Path(path).exists():
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
        raise UnavailableError(
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
        there = f" {answer['known']}." if answer.get("known") else ""
        raise MissingModelError(
            f"The registry at {redacted(registry)}: {message.rstrip('.')}.{there}",
            advice="Check the name; an alias is set with "
            "MlflowClient().set_registered_model_alias(<name>, <alias>, <version>).",
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
