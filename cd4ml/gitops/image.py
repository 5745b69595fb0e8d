"""An image by its digest, as a deployment names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cd4ml.errors import OptionsError

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# OCI distribution: name components; a registry with an optional port comes first.
_REPOSITORY: Final = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by digest."""

    repository: str
    digest: str

    def __str__(self) -> str:
        """Return the reference."""
        return f"{self.repository}@{self.digest}"


def image(reference: str) -> Image:
    """Read `repository@sha256:…`; a tag is not an identity and is refused.

    Raises:
        OptionsError: the reference is of another form.
    """
    repository, separator, digest = reference.partition("@")
    if not separator or not DIGEST.fullmatch(digest) or not _REPOSITORY.fullmatch(repository):
        raise OptionsError(f"image {reference!r} is not of the form repository@sha256:<64 hexadecimal digits>")
    return Image(repository=repository, digest=digest)
