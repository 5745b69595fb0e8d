"""The project that a command works on: its folder, its cd4ml.yaml, and where what it needs again is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cd4ml.errors import OptionsError
from cd4ml.inputs import config as configuration
from cd4ml.inputs.model_card import SECTION, ModelCardFields
from cd4ml.inputs.options import Option, declared
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.stages import STAGES, declaration


def change_directory(directory: str) -> None:
    """Change into the working directory."""
    try:
        os.chdir(directory)
    except OSError as error:
        raise OptionsError(f"working-directory {directory!r}: {error.strerror}") from error


def options_of_stages() -> dict[str, tuple[Option, ...]]:
    """Return the options of every stage, with those of a run."""
    run_declared = declared(RunOptions)
    return {stage: (*run_declared, *declared(declaration(stage).Options)) for stage in STAGES}


def read_config(path: str) -> configuration.Config:
    """Read the configuration file and check it against the options of every stage."""
    options = options_of_stages()
    return configuration.read(Path(path), options, apart={SECTION: declared(ModelCardFields)})


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return where model environments are kept: on a runner in its temporary folder, else in the user's cache."""
    if environ.get("RUNNER_TEMP"):
        return Path(environ["RUNNER_TEMP"]) / "cd4ml-cache"
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return Path(base) / "cd4ml"
