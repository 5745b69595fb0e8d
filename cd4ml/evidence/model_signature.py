"""The model's own signature, as the OpenSSF model signing specification says: `model_signing verify` accepts it.

https://github.com/ossf/model-signing-spec
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from cd4ml.digests import NOTE, bytes_sha256
from cd4ml.evidence.statement import Resource, Statement

PREDICATE: Final = "https://model_signing/signature/v1.0"
# What the specification's own tool leaves out by default: one set of files on both sides.
_IGNORED: Final = (".git", ".gitattributes", ".github", ".gitignore")


def model_statement(name: str, digests: Mapping[str, str]) -> Statement:
    """Return the statement about a model's files.

    Args:
        name: of the model.
        digests: SHA-256 of each file by its relative path, as `cd4ml.digests.manifest` returns them.
    """
    files = {PurePosixPath(path): digest for path, digest in digests.items()}
    kept = {path: files[path] for path in sorted(files) if path.parts[0] not in _IGNORED}
    root = bytes_sha256(b"".join(bytes.fromhex(digest) for digest in kept.values()))
    resources = [{"name": str(path), "algorithm": "sha256", "digest": digest} for path, digest in kept.items()]
    # Where MLflow's note on the copy lies there, it is no part of the model; a file of that name with a digest is.
    note = [] if NOTE in digests else [NOTE]
    serialization = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        "ignore_paths": [*_IGNORED, *note],
    }
    return Statement(
        subjects=(Resource(name=name, digest={"sha256": root}),),
        predicate_type=PREDICATE,
        predicate={"serialization": serialization, "resources": resources},
    )
