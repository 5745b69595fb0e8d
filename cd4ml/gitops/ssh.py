"""A deploy key: kept in a file of the run's own for as long as the clone is there, and used for known servers alone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError

KEY: Final = "CD4ML_SSH_KEY"
KNOWN_HOSTS: Final = "CD4ML_SSH_KNOWN_HOSTS"


def with_key(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return git's surroundings with the deploy key, if there is one; what git starts is not told the key itself.

    Args:
        folder: for the files, private to the run.

    Raises:
        OptionsError: nothing says which servers are known.
    """
    kept = {name: value for name, value in environ.items() if name not in (KEY, KNOWN_HOSTS)}
    key, hosts = environ.get(KEY, "").strip(), environ.get(KNOWN_HOSTS, "").strip()
    if not key:
        return kept
    if not hosts:
        raise OptionsError(
            f"{KEY} is set and {KNOWN_HOSTS} is not: the server could be anybody",
            advice="Set it to the server's lines for a known_hosts file, as the server's operator publishes them.",
        )
    folder.mkdir(mode=0o700)
    files = {"key": key, "known_hosts": hosts}
    for name, text in files.items():
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text.replace("\r\n", "\n") + "\n")
    options = ["-F", os.devnull, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    options += ["-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-i", str(folder / "key")]
    return {**kept, "GIT_SSH_COMMAND": shlex.join(["ssh", *options])}
