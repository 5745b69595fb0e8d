"""Image names by the OCI reference grammar: anything else never reaches a Dockerfile or a builder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import OptionsError

# https://github.com/distribution/reference, regexp.go: host, path, tag and digest as written there.
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
# A first part is a host only with a dot or a port, or as localhost: otherwise it belongs to the path.
_HOST: Final = rf"(?:{_LABEL}(?:\.{_LABEL})+(?::[0-9]+)?|{_LABEL}:[0-9]+|localhost|\[[a-fA-F0-9:]+\](?::[0-9]+)?)"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[a-f0-9]{64}))?"
)
_LONGEST_NAME: Final = 255
_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_LOOPBACK: Final = re.compile(r"(?:127(?:\.\d+){3}|localhost|\[::1\])(?::\d+)?/")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The parts of an image's name; `tag` and `digest` may be missing."""

    name: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def loopback(self) -> bool:
        """Whether the registry is on this machine: only there builders may speak plain HTTP."""
        return _LOOPBACK.match(self.name) is not None

    def by_digest(self, digest: str) -> str:
        """Return the name that means these bytes and no others."""
        return f"{self.name}@{digest}"


def parse(text: str, option: str) -> Reference:
    """Read an image's name.

    Args:
        option: name of the option that it came from, for the message.

    Raises:
        OptionsError: it does not follow the grammar (upper case, spaces, newlines, other digests than SHA-256, …).
    """
    match = _REFERENCE.fullmatch(text)
    if match is None or len(match["name"]) > _LONGEST_NAME:
        raise OptionsError(
            f"{option}: {text[:200]!r} is not an image name",
            advice="Write it as host/path/name:tag, in lower case, for example ghcr.io/owner/model:candidate.",
        )
    return Reference(name=match["name"], tag=match["tag"], digest=match["digest"])


def repository_of(name: str) -> str:
    """Return the one spelling of a repository's name: Docker Hub is the host where none stands, and has several names.

    https://github.com/distribution/reference, normalize.go.
    """
    host, separator, path = name.partition("/")
    if not separator or not (host == "localhost" or "." in host or ":" in host):
        host, path = "docker.io", name
    if host not in _HUB:
        return name
    return f"docker.io/{path if '/' in path else f'library/{path}'}"


def same_image(one: str | None, other: str | None) -> bool:
    """Whether two references mean the same image: its digest is its identity, by whichever mirror's name it goes."""
    if not one or not other:
        return False
    digests = [reference.rpartition("@")[2] for reference in (one, other) if "@" in reference]
    return digests[0] == digests[1] if len(digests) == 2 else one == other
