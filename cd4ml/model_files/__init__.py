"""What a model's files would run when they are loaded, found out without loading them.

score-model and build-image ask before they start anything, the process that loads a model asks directly before it does,
and the gateway asks in the image: so this room imports the standard library, `cd4ml.errors` and, to read MLmodel,
the YAML library that MLflow brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cd4ml.model_files import onnx_files, pickles, skops_files
from cd4ml.model_files.mlmodel import PYTHON_MODEL, Contents, contents, refuse_ways_out

__all__ = ["PYTHON_MODEL", "Contents", "code_of", "contents", "refuse_ways_out"]

_READERS: Final[Mapping[str, Callable[[Path], Sequence[str]]]] = {
    "pickle": pickles.findings,
    "skops": skops_files.findings,
    "onnx": onnx_files.findings,
    # XGBoost's, LightGBM's and CatBoost's own formats hold numbers, which their own readers take.
    "native": lambda path: (),
}


def code_of(folder: Path) -> list[str]:
    """Return what would run code when a model is loaded, in words, each with its file; empty if nothing would.

    Raises:
        OptionsError: MLmodel cannot be read, or a path in it leaves the folder.
    """
    found = contents(folder)
    code = list(found.code)
    for file in found.loaded:
        code += [f"{file.name} {finding}" for finding in _READERS[file.format](folder / file.name)]
    return code
