"""Temporary folders that live as long as what is read from them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Folder:
    """A temporary folder that lives as long as this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="cd4ml-"))
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
