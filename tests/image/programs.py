"""Programs that stand in for the builders': they note what they are told, and answer as a test wants."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cd4ml.image.builders.buildah import Buildah
from cd4ml.image.builders.docker import Docker
from cd4ml.image.builders.podman import Podman

CLASSES: dict[str, type[Docker] | type[Buildah]] = {"docker": Docker, "podman": Podman, "buildah": Buildah}
DIGEST = "sha256:" + "a" * 64
IMAGE = [{"Id": "b" * 64, "Config": {"User": "65532:65532", "Labels": {"k": "v"}}, "RepoDigests": [f"a.io/x@{DIGEST}"]}]


def program(folder: Path, name: str, **answers: tuple[int, str]) -> Path:
    """Write an engine's program that notes its arguments and answers by its first argument."""
    cases = "".join(
        f"  {word}) cat <<'ANSWER'\n{text}\nANSWER\n  exit {code};;\n" for word, (code, text) in answers.items()
    )
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nfor item in "$@"; do echo "$item" >> "{folder}/calls"; done; echo >> "{folder}/calls"\n'
        'previous=\nfor item in "$@"; do [ "$previous" = --digestfile ] && '
        f'printf %s {DIGEST} > "$item"; previous="$item"; done\n'
        f'case "$1" in\n{cases}esac\nexit 0\n'
    )
    path.chmod(0o755)
    return path


def calls(folder: Path) -> list[list[str]]:
    """Return the argument lists that the program was given."""
    return [call.split("\n") for call in (folder / "calls").read_text().strip("\n").split("\n\n")]


def environ(*folders: Path) -> dict[str, str]:
    """Return an environment in which only these folders are searched."""
    return {"PATH": os.pathsep.join(map(str, folders))}


def build(folder: Path, name: str, **answers: tuple[int, str]) -> Any:
    """Return an engine that stands on a recording program."""
    return CLASSES[name](program=str(program(folder, name, **answers)), environ={"PATH": "/usr/bin:/bin"})
