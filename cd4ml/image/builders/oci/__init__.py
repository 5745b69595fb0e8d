"""No container engine at all: layers that are written here, and a registry that is spoken with directly."""

from __future__ import annotations

from collections.abc import Mapping

from cd4ml.image.builders.builder import Builder
from cd4ml.image.builders.oci.builder import Oci
from cd4ml.image.builders.oci.sandbox import find_sandbox
from cd4ml.image.builders.oci.store import Store, place


def find(environ: Mapping[str, str]) -> Builder:
    """See BuilderModule. The image is started in a sandbox of this machine: without one nothing could be checked."""
    return Oci(environ=environ, store=Store(place(environ)), sandbox=find_sandbox(environ))
