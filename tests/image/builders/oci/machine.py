"""A machine that builds without an engine and pushes: STORE CONTEXT BASE IMAGE; prints the digest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cd4ml.image.builders.builder import Build
from cd4ml.image.builders.oci.builder import Oci
from cd4ml.image.builders.oci.sandbox import find_sandbox
from cd4ml.image.builders.oci.store import Store
from cd4ml.image.push import push
from cd4ml.image.reference import parse


def made(store: Path, context: Path, base: str, image: str) -> str:
    """Pull the base, build, push, and return the digest."""
    builder = Oci(environ=os.environ, store=Store(store), sandbox=find_sandbox(os.environ))
    source, name = parse(base, "base-image"), parse(image, "image")
    builder.pull(source)
    labels = {"org.opencontainers.image.base.name": base}
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    extra = certificates if certificates.exists() else None
    builder.build(Build(context=context, image=name, base=source, labels=labels, extra_ca=extra))
    built = builder.image(image)
    assert built is not None and built.digest is None
    return push(builder, name, built.id)


if __name__ == "__main__":
    store, context, base, image = sys.argv[1:]
    print(made(Path(store), Path(context), base, image))
