"""How a model is named: by the registry's address of it, or by its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.wording import redacted

_URI: Final = re.compile(r"models:/(?P<name>[^/@:\\%\x00-\x1f]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[A-Za-z0-9._-]+))")
_STAGED: Final = re.compile(r"models:/(?P<name>[^/@:\\%\x00-\x1f']+)/(?P<stage>[A-Za-z]\w*)")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A registered model, by version or by alias."""

    name: str
    version: str | None
    alias: str | None

    @property
    def lookup(self) -> dict[str, str]:
        """The worker's operation that finds the version."""
        which = {"alias": self.alias} if self.alias else {"version": self.version or ""}
        return {"operation": "version", "name": self.name, **which}


def reference_of(uri: str) -> Reference:
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
    return Reference(**match.groupdict())


def is_registered(uri: str) -> bool:
    """Whether a model is named by an address, and not by its folder."""
    return "://" in uri or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", uri) is not None


def model_folder(uri: str) -> Path:
    """Return the local folder of a model.

    Raises:
        UnavailableError: it holds no MLflow model.
    """
    folder = Path(uri)
    if not (folder / "MLmodel").is_file():
        raise UnavailableError(
            f"{uri}: no such folder with an MLflow model (a file MLmodel).",
            advice="A registered model is written models:/<name>@<alias> or models:/<name>/<version>.",
        )
    return folder
