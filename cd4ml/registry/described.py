"""What a registry says of versions: their tags and aliases.

MLflow takes seconds to start. Of a store in an SQLite file the same is read from the file, which is not written to; a
file whose tables are others than those that are known here is left to MLflow.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cd4ml.errors import UnavailableError
from cd4ml.registry.asking import (
    LOOKUP_SECONDS,
    START_SECONDS,
    MissingModelError,
    addresses,
    answering,
    check_local,
    names_server,
)
from cd4ml.registry.reference import Reference
from cd4ml.registry.tags import REQUEST
from cd4ml.wording import redacted

_SQLITE: Final = re.compile(r"sqlite:///(?P<path>[^?]+)")
_VERSIONS: Final = "SELECT name, version FROM model_versions WHERE COALESCE(current_stage, '') != 'Deleted_Internal'"
_TAGS: Final = "SELECT name, version, key, value FROM model_version_tags"
_ALIASES: Final = "SELECT name, version, alias FROM registered_model_aliases"


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a registered model."""

    name: str
    version: str
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()


def registry_address(tracking_uri: str | None, environ: Mapping[str, str], name: str = "") -> str:
    """Return where the registry is.

    Raises:
        OptionsError: nothing names one.
    """
    tracking = tracking_uri or environ.get("MLFLOW_TRACKING_URI") or ""
    return addresses(tracking, environ.get("MLFLOW_REGISTRY_URI") or "", name)[1]


def on_this_machine(address: str) -> bool:
    """Whether a registry is a file or a folder here: asking it needs no network."""
    if names_server(address):
        return False
    return listable(address) or "://" not in address or address.startswith("file:")


def listable(address: str) -> bool:
    """Whether all versions of a registry can be read at once: it is an SQLite file."""
    return _SQLITE.fullmatch(address) is not None


def described(reference: Reference | None, *, tracking_uri: str | None, environ: Mapping[str, str]) -> list[Version]:
    """Return versions with their tags and aliases.

    Args:
        reference: the one that is meant; None for all, of a registry that is listable.

    Raises:
        OptionsError: no registry is configured.
        MissingModelError: there is no such model, version or alias.
        UnavailableError: the registry does not answer in time.
    """
    address = registry_address(tracking_uri, environ, reference.name if reference else "")
    check_local(address)
    stored = _stored(address)
    if stored is not None:
        return _meant(stored, reference, address)
    if reference is None:
        raise UnavailableError(f"{redacted(address)} is not a store of MLflow, or of a version that is not known here.")
    which = {"alias": reference.alias} if reference.alias else {"version": reference.version or ""}
    operation = {"operation": "describe", "name": reference.name, **which}
    with answering([operation], tracking_uri, environ) as answer:
        answer(START_SECONDS)
        found = answer(LOOKUP_SECONDS)
    return [_version(reference.name, one) for one in found["versions"]]


def every_version(name: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> list[Version]:
    """Return all versions of a model with their tags; none if there is no such model.

    Raises:
        OptionsError: no registry is configured.
        UnavailableError: the registry does not answer in time.
    """
    address = registry_address(tracking_uri, environ, name)
    check_local(address)
    stored = _stored(address)
    if stored is not None:
        return [one for one in stored if one.name == name]
    try:
        with answering([{"operation": "describe", "name": name}], tracking_uri, environ) as answer:
            answer(START_SECONDS)
            found = answer(LOOKUP_SECONDS)
    except MissingModelError:
        return []
    return [_version(name, one) for one in found["versions"]]


def served(versions: Iterable[Version]) -> dict[int, str]:
    """Return the requests for retraining that were served, and the version that each led to."""
    told = {one.version: one.tags.get(REQUEST, "") for one in versions}
    return {int(request): version for version, request in told.items() if request.isdigit()}


def _version(name: str, told: Mapping[str, Any]) -> Version:
    """Return a version as the worker tells it."""
    tags = {str(key): str(value) for key, value in told["tags"].items()}
    return Version(name=name, version=str(told["version"]), tags=tags, aliases=[str(one) for one in told["aliases"]])


def _stored(address: str) -> list[Version] | None:
    """Return every version of an SQLite store, None if it is no such store."""
    found = _SQLITE.fullmatch(address)
    if not found:
        return None
    try:
        # Read-only: nothing is made, nothing is migrated.
        location = f"file:{quote(str(Path(found['path']).absolute()))}?mode=ro"
        with closing(sqlite3.connect(location, uri=True, timeout=LOOKUP_SECONDS)) as connection:
            return list(_versions(connection))
    except sqlite3.Error:
        return None


def _versions(connection: sqlite3.Connection) -> Iterator[Version]:
    """Yield the versions of a store."""
    tags: dict[tuple[str, str], dict[str, str]] = {}
    aliases: dict[tuple[str, str], list[str]] = {}
    for name, version, key, value in connection.execute(_TAGS):
        tags.setdefault((str(name), str(version)), {})[str(key)] = str(value)
    for name, version, alias in connection.execute(_ALIASES):
        aliases.setdefault((str(name), str(version)), []).append(str(alias))
    for name, version in connection.execute(_VERSIONS):
        key = (str(name), str(version))
        yield Version(name=key[0], version=key[1], tags=tags.get(key, {}), aliases=sorted(aliases.get(key, [])))


def _meant(stored: Sequence[Version], reference: Reference | None, address: str) -> list[Version]:
    """Return the versions of a store that are meant."""
    if reference is None:
        return list(stored)
    found = [
        one
        for one in stored
        if one.name == reference.name
        and (one.version == reference.version if reference.version else reference.alias in one.aliases)
    ]
    if not found:
        wanted = f"@{reference.alias}" if reference.alias else f"/{reference.version}"
        raise MissingModelError(f"The registry at {redacted(address)} has no models:/{reference.name}{wanted}.")
    return found
