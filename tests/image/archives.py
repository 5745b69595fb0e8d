"""Small images as files, for Trivy to scan, and what its database knows."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cd4ml.image.scan import SCANNERS, Scan, scan
from cd4ml.image.statements import Vex
from tests.conftest import need_program

DATABASE: Final = Path(__file__).parent.parent / "trivy_db" / "vulnerabilities.yaml"


def _layer(files: dict[str, str]) -> bytes:
    """Return a layer with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def archive(path: Path, files: dict[str, str], env: Sequence[str] = ()) -> str:
    """Write an image of one layer, in docker's format, and return the digest of its layer."""
    layer = _layer(files)
    digest = hashlib.sha256(layer).hexdigest()
    config: dict[str, Any] = {
        "config": {"Env": list(env)},
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["lab/model:1"], "Layers": ["layer.tar"]}]
    documents = {"config.json": json.dumps(config), "manifest.json": json.dumps(manifest)}
    with tarfile.open(path, "w") as tar:
        for name, content in {**{k: v.encode() for k, v in documents.items()}, "layer.tar": layer}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return f"sha256:{digest}"


def scanned(folder: Path, scanners: Sequence[str] = SCANNERS, vex: Vex | None = None) -> Scan:
    """Scan `image.tar` of a folder with the real Trivy and the tests' database, which its cache gets once."""
    cache = folder / "cache"
    if not cache.exists():
        subprocess.run([need_program("trivy-test-db"), str(DATABASE), str(cache)], check=True, capture_output=True)
    return scan(
        folder / "image.tar",
        folder,
        trivy=need_program("trivy"),
        cache=cache,
        offline=True,
        environ=dict(os.environ),
        scanners=scanners,
        vex=vex,
    )
