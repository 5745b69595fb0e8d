"""Pushing by digest: what the registry serves must be what was built."""

from __future__ import annotations

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.builder import Builder
from cd4ml.image.reference import Reference, parse


def push(builder: Builder, image: Reference, built_id: str) -> str:
    """Push the image, fetch it back by its digest, and return the digest.

    Args:
        built_id: configuration digest of the image that was checked.

    Raises:
        UnavailableError: the name means another image by now, the registry does not take it, does not serve it, or
            serves something else.
    """
    named = builder.image(str(image))
    if named is None or named.id != built_id:
        raise UnavailableError(
            f"{image} is no longer the image that was built and checked ({built_id}): nothing was pushed.",
            advice="Another process gave this name to its own image; give each build its own tag, or none.",
        )
    digest = builder.push(image)
    by_digest = parse(image.by_digest(digest), "image")
    builder.pull(by_digest)
    served = builder.image(str(by_digest))
    if served is None or served.id != built_id:
        raise UnavailableError(
            f"{by_digest} in the registry is not the image that was built and checked ({built_id}).",
            advice="Do not deploy it; find out who else writes to this repository.",
        )
    return digest
