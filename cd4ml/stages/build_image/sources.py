"""Where in the repository the cause of a finding stands, if the model's folder is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.ignores import normal
from cd4ml.reading import text_file

_NAME: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_SERVED: Final = "app/model/"


class Sources:
    """The files of a model that findings come from."""

    def __init__(self, model: str) -> None:
        """Look at a model as the option names it: only a relative folder can be in the repository."""
        folder = Path(model)
        here = ":" not in model and not folder.is_absolute() and ".." not in folder.parts
        self._folder = folder if here and (folder / "MLmodel").is_file() else None
        self._lines: Mapping[str, int] = {}
        self._requirements = folder / "requirements.txt"
        if self._folder is not None:
            try:
                text = text_file(self._requirements)
            except (FileNotFoundError, OptionsError, UnavailableError):
                self._folder = None  # the build says what is wrong with it
                return
            named = ((number, _NAME.match(line)) for number, line in enumerate(text.splitlines(), start=1))
            self._lines = {normal(match[1]): number for number, match in named if match}

    def of_package(self, name: str) -> dict[str, Any] | None:
        """Return the line that asks for a Python package; the first, if another one brings it."""
        if self._folder is None:
            return None
        return {"path": self._requirements.as_posix(), "line": self._lines.get(normal(name), 1)}

    def of_file(self, path: str, line: int) -> dict[str, Any] | None:
        """Return the line of a file of the model that is in the image under this path."""
        inner = path.lstrip("/")
        if self._folder is None or not inner.startswith(_SERVED):
            return None
        source = self._folder / inner.removeprefix(_SERVED)
        if ".." in source.parts or not source.is_file():
            return None
        return {"path": source.as_posix(), "line": line}
