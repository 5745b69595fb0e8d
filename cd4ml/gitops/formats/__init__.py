"""The formats of a manifest: each is a module of this folder, and a name in `FORMATS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from cd4ml.gitops.application import Application
from cd4ml.gitops.formats import helm, kserve, kustomize, plain
from cd4ml.gitops.traffic import Problem


class Format(Protocol):
    """What a module of this folder offers.

    Documents are plain data as `edit.value` returns it, every scalar as text.
    """

    @property
    def SHAPE(self) -> str:
        """What a file in this format is, and what it must have, to follow `nor a`."""

    def find(self, documents: Sequence[Any]) -> list[Application]:
        """Return the applications that documents in this format serve; none if they are in another one.

        Raises:
            OptionsError: they are in this format, and name no image.
        """

    def lacking(self, documents: Sequence[Any]) -> Problem | None:
        """Return what is missing in documents that are nearly in this format, where no format found an application."""


FORMATS: Final[tuple[Format, ...]] = (kustomize, helm, kserve, plain)
