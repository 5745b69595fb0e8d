"""The image's labels: which model is inside, what it was built on, and nothing that the base says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cd4ml.image.base import Base

MODEL: Final = "io.cd4ml.model.sha256"
NAME: Final = "io.cd4ml.model.name"
VERSION: Final = "io.cd4ml.model.version"
BASE: Final = "org.opencontainers.image.base.name"
BASE_DIGEST: Final = "org.opencontainers.image.base.digest"
# Labels that say what an image is; on a base they say what the base is.
# https://github.com/opencontainers/image-spec/blob/main/annotations.md, label-schema.org, and Red Hat's containers.
_DESCRIBING: Final = ("io.cd4ml.", "org.opencontainers.image.", "org.label-schema.", "io.k8s.", "com.redhat.component")


def of_image(
    *, model: str, version: str | None, sha256: str, allow_code: bool, base: Base, origin: Mapping[str, str]
) -> dict[str, str]:
    """Return the labels of a serving image.

    Args:
        model: what the gateway calls it.
        version: of the model in its registry.
        sha256: digest of the model's files.
        allow_code: whether the model may run code of its own when it is loaded.
        origin: labels that say where the image comes from.
    """
    labels = {
        **origin,
        MODEL: sha256,
        NAME: model,
        VERSION: version or "",
        "io.cd4ml.model.allow-code": "true" if allow_code else "",
        "org.opencontainers.image.title": model,
        "org.opencontainers.image.version": version or sha256[:12],
        BASE: base.wanted,
        BASE_DIGEST: base.digest or "",
    }
    return own_labels({key: " ".join(value.split()) for key, value in labels.items() if value}, base.labels)


def own_labels(labels: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """Return an image's labels, and empty ones for those of the base that describe the base.

    A Dockerfile cannot take a label away; one without a dot (`version`, `maintainer`) describes an image as well.
    """
    inherited = {key: "" for key in base if key.startswith(_DESCRIBING) or "." not in key}
    return inherited | dict(labels)
