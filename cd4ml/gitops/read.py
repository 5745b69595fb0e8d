"""Reading plain data in which every scalar is the text that stands in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cd4ml.errors import OptionsError
from cd4ml.gitops.edit import Path, mapping, shown


def follow(data: Any, path: Path) -> Any:
    """Return what stands at a path, None if nothing does."""
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def items(data: Any) -> list[Any]:
    """Return a list's items, none if it is not a list."""
    return data if isinstance(data, list) else []


def text(data: Any, *path: str) -> str:
    """Return the scalar at the keys, an empty text if there is none."""
    found = follow(data, path)
    return found if isinstance(found, str) else ""


def kind(document: Any) -> str:
    """Return the kind of a Kubernetes object."""
    return text(document, "kind")


def group(document: Any) -> str:
    """Return the API group of a Kubernetes object: `apps` of `apps/v1`."""
    return text(document, "apiVersion").rpartition("/")[0]


def name(document: Any) -> str:
    """Return the name of a Kubernetes object."""
    return text(document, "metadata", "name")


def namespace(document: Any) -> str:
    """Return the namespace of a Kubernetes object."""
    return text(document, "metadata", "namespace")


def switch(data: Any, path: Path, default: bool) -> bool:
    """Return whether a switch is on; Helm takes `yes` and `on` for true, YAML 1.2 does not.

    Raises:
        OptionsError: it is neither true nor false.
    """
    found = follow(data, path)
    if found is None:
        return default
    if str(found) not in ("true", "True", "TRUE", "false", "False", "FALSE"):
        raise OptionsError(f"`{shown(path)}` must be true or false, found {str(found)!r}")
    return str(found).lower() == "true"


def count(data: Any, path: Path, default: int) -> int:
    """Return a number of replicas.

    Raises:
        OptionsError: it is not a whole number.
    """
    found = follow(data, path)
    if found is None:
        return default
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", str(found)):
        raise OptionsError(f"`{shown(path)}` must be a whole number, found {str(found)!r}")
    return int(found)


def without_tag(reference: str) -> str:
    """Return the repository of a reference, which may have a tag and a digest."""
    return re.sub(r":[^/:]*$", "", reference.partition("@")[0])


def labels(document: Any, *path: str) -> dict[str, str]:
    """Return labels as texts."""
    found: Mapping[str, Any] = mapping(document, *path)
    return {str(key): str(value) for key, value in found.items()}
