"""Package URLs: which package one names, and whether a package is among those that another one names.

https://github.com/package-url/purl-spec
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True, kw_only=True)
class PackageUrl:
    """The parts of a package URL; those that are missing are empty. `name` holds the namespace as well."""

    type: str
    name: str
    version: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    subpath: str = ""

    @property
    def package(self) -> tuple[str, str]:
        """The package in all its versions."""
        return self.type, self.name

    def covers(self, other: PackageUrl) -> bool:
        """Whether the other package has everything that this URL asks for."""
        return (
            self.package == other.package
            and self.version in ("", other.version)
            and self.subpath in ("", other.subpath)
            and self.qualifiers.items() <= other.qualifiers.items()
        )

    def overlaps(self, other: PackageUrl) -> bool:
        """Whether some package may be meant by both."""
        return (
            self.package == other.package
            and (not self.version or other.version in ("", self.version))
            and (not self.subpath or other.subpath in ("", self.subpath))
            and all(other.qualifiers.get(key, value) == value for key, value in self.qualifiers.items())
        )


def package_url(text: str) -> PackageUrl:
    """Read a package URL.

    Raises:
        ValueError: it is none.
    """
    rest, _, subpath = text.partition("#")
    rest, _, raw = rest.partition("?")
    scheme, _, path = rest.partition(":")
    type, _, named = path.strip("/").partition("/")
    # Namespaces such as npm's @angular hold the sign that a version stands behind.
    folder, slash, last = named.rpartition("/")
    last, _, version = last.partition("@")
    if scheme.lower() != "pkg" or not type or not last:
        raise ValueError(f"{text[:80]!r} is not a package URL")
    pairs = (pair.partition("=") for pair in raw.split("&") if pair)
    return PackageUrl(
        type=type.lower(),
        name=_name(type.lower(), unquote(f"{folder}{slash}{last}")),
        version=unquote(version),
        qualifiers={key.lower(): unquote(value) for key, _, value in pairs if value},
        subpath=unquote(subpath).strip("/"),
    )


def _name(type: str, name: str) -> str:
    """Return a name as packages of its type are compared."""
    if type == "pypi":
        return re.sub(r"[-_.]+", "-", name).lower()
    return name.lower() if type in ("deb", "oci") else name
