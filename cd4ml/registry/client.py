"""What the registry is asked for: a model's files, an alias, a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cd4ml.digests import folder_sha256
from cd4ml.errors import UnavailableError
from cd4ml.registry.asking import DOWNLOAD_SECONDS, LOOKUP_SECONDS, START_SECONDS, MissingModelError, answering
from cd4ml.registry.reference import Reference, is_registered, model_folder, reference_of
from cd4ml.report import ModelIdentity


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
    if is_registered(uri):
        return _fetch_registered(reference_of(uri), uri, directory, tracking_uri, environ)
    from cd4ml.model_files import refuse_ways_out  # what reads models is needed once there is one

    folder = model_folder(uri)
    refuse_ways_out(folder)
    return folder, ModelIdentity(uri=uri, sha256=folder_sha256(folder))


def _fetch_registered(
    reference: Reference, uri: str, directory: Path, tracking_uri: str | None, environ: Mapping[str, str]
) -> tuple[Path, ModelIdentity]:
    """Look the version up, then download exactly that version: an alias may move meanwhile."""
    from cd4ml.model_files import refuse_ways_out

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
    reference = reference_of(f"models:/{name}@{alias}")
    try:
        (found,) = _ask([reference.lookup], tracking_uri, environ, seconds=(LOOKUP_SECONDS,))
    except MissingModelError:
        return None
    return str(found["version"])


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What a registry has of a model: the version that each alias points at, and the newest one."""

    aliases: Mapping[str, str]
    newest: str | None


def versions(name: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> Versions:
    """Return what the registry has of a model.

    Raises:
        OptionsError: this can be no name of a model, or no registry is configured.
        MissingModelError: there is no such model.
        UnavailableError: the registry does not answer in time.
    """
    reference_of(f"models:/{name}/1")
    operation = {"operation": "aliases", "name": name}
    (found,) = _ask([operation], tracking_uri, environ, seconds=(LOOKUP_SECONDS,))
    aliases = {str(alias): str(version) for alias, version in found["aliases"].items()}
    return Versions(aliases=aliases, newest=None if found["newest"] is None else str(found["newest"]))


def named(tracking_uri: str | None, environ: Mapping[str, str]) -> bool:
    """Whether anything says where the registry is."""
    return bool(tracking_uri or environ.get("MLFLOW_TRACKING_URI") or environ.get("MLFLOW_REGISTRY_URI"))


def version_exists(name: str, version: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the registry has the version."""
    reference = reference_of(f"models:/{name}/{version}")
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
    reference_of(f"models:/{name}@{alias}")
    operation = {"operation": "set-alias", "name": name, "alias": alias, "version": version}
    (found,) = _ask([operation], tracking_uri, environ, seconds=(LOOKUP_SECONDS,))
    if found["version"] != version:
        raise UnavailableError(
            f"The alias {alias} of {name} still points at version {found['version']} after the move."
        )


def move_alias(name: str, alias: str, version: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> None:
    """Point the alias at the version, if it is not there already; raises what `set_alias` does."""
    if alias_version(name, alias, tracking_uri=tracking_uri, environ=environ) != version:
        set_alias(name, alias, version, tracking_uri=tracking_uri, environ=environ)


def _ask(
    operations: Sequence[Mapping[str, str]],
    tracking_uri: str | None,
    environ: Mapping[str, str],
    *,
    seconds: Sequence[float],
) -> list[dict[str, Any]]:
    """Have the worker carry out operations; each answer must be there in its own time."""
    with answering(operations, tracking_uri, environ) as answer:
        return [answer(limit) for limit in (START_SECONDS, *seconds)][1:]
