"""A trained model as a new version in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cd4ml.registry.asking import DOWNLOAD_SECONDS, LOOKUP_SECONDS, START_SECONDS, answering
from cd4ml.registry.reference import reference_of


def register(
    name: str,
    folder: Path,
    *,
    alias: str,
    tags: Mapping[str, str],
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tracking_uri: str | None,
    environ: Mapping[str, str],
) -> str:
    """Register a model's folder as a new version, with the run that it comes from; return the version.

    Args:
        alias: that is then pointed at it.
        tags: of the version and of the run.
        parameters, metrics: of the run.

    Raises:
        OptionsError: this can be no name of a model, or no registry is configured.
        UnavailableError: the registry does not answer in time, or does not take the files.
    """
    reference_of(f"models:/{name}@{alias}")
    operation = {"operation": "register", "name": name, "folder": str(folder.resolve()), "tags": dict(tags)}
    operation |= {"parameters": dict(parameters), "metrics": dict(metrics)}
    point = {"operation": "set-alias", "name": name, "alias": alias}
    with answering([operation, point], tracking_uri, environ) as answer:
        answer(START_SECONDS)
        found = answer(DOWNLOAD_SECONDS)
        answer(LOOKUP_SECONDS)
    return str(found["version"])
