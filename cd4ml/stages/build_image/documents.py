"""Documents about the image: in a folder of the stage's name, beside its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cd4ml.digests import bytes_sha256
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.report import STAGE
from cd4ml.writing import remove, write_atomically

_FOLDER: Final = STAGE


def written(inputs: Inputs, documents: Mapping[str, bytes]) -> dict[str, str]:
    """Write documents, and return their digests by their paths in the folder of reports."""
    for name, document in documents.items():
        write_atomically(inputs.context.reports / _FOLDER / name, document.decode())
    return {f"{_FOLDER}/{name}": bytes_sha256(document) for name, document in documents.items()}


def forget(inputs: Inputs, names: Iterable[str]) -> None:
    """Remove what an earlier run has left: it is about another image."""
    for name in names:
        remove(inputs.context.reports / _FOLDER / name)
