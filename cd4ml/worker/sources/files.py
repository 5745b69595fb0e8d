"""Events in files of JSON lines that are written on and rotated.

A file is known by its first line, whatever it is called now: rotating renames files, and a file system gives the number
of a file that was removed to the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.events.lines import decoded
from cd4ml.worker.sources.batch import Batch, Decode, batch_of

_BLOCK: Final = 8 * 1024**2
_LONGEST: Final = 4 * 1024**2
_KNOWN: Final = 1000  # files whose positions are kept
_HEAD: Final = 4096  # bytes of the first line that a file is known by
_LINES: Final = re.compile(r"(.+\.(?:jsonl|ndjson))(?:\.(\d+))?$")


class Files:
    """A file with the ones that it was rotated to, or all files of a folder."""

    def __init__(self, place: str, position: Mapping[str, Any] | None = None, decode: Decode = decoded) -> None:
        """Prepare; nothing need be there yet.

        Args:
            position: of an earlier worker.
            decode: what lines hold.
        """
        self._decode = decode
        self.name = place
        self._path = Path(place)
        # Oldest first: what was read last is kept longest.
        self._offsets: dict[str, int] = dict((position or {}).get("offsets", {}))

    def read(self) -> Batch | None:
        """See Source."""
        try:
            for path in self._files():
                try:
                    with path.open("rb") as file:
                        found = self._next(file, path)
                except FileNotFoundError:  # rotated away; it is found under its new name
                    continue
                if found is not None:
                    return found
        except OSError as error:
            raise UnavailableError(f"cannot read {self.name}: {error.strerror}") from error
        return None

    def position(self) -> Mapping[str, Any]:
        """See Source."""
        return {"offsets": dict(list(self._offsets.items())[-_KNOWN:])}

    def committed(self) -> None:
        """See Source."""

    def close(self) -> None:
        """See Source."""

    def _files(self) -> list[Path]:
        """Return the files, oldest first: those with the highest number."""
        folder = self._path if self._path.is_dir() else self._path.parent
        if not folder.is_dir():
            raise UnavailableError(f"{self.name} does not exist", advice="Say where the gateway's EVENTS go.")
        found = []
        for item in folder.iterdir():
            match = _LINES.match(item.name) or (re.match(r"(.+)()$", item.name) if item == self._path else None)
            if match and (folder == self._path or match[1] == self._path.name) and item.is_file():
                found.append((match[1], -int(match[2] or 0), item))
        return [item for _, _, item in sorted(found)]

    def _next(self, file: BinaryIO, path: Path) -> Batch | None:
        """Return the next events of a file, None if there are none."""
        head = b"\n"
        while head and not head.strip():
            head = file.readline(_HEAD)
        if not head or not (head.endswith(b"\n") or len(head) == _HEAD or _whole(head)):
            return None
        key = hashlib.sha256(head.rstrip(b"\n")).hexdigest()
        offset = self._offsets.get(key, 0)
        size = os.fstat(file.fileno()).st_size
        if size < offset:
            raise OptionsError(f"{path.as_posix()} is shorter than it was: it was cut, and what was counted is unclear")
        if size == offset:
            return None
        file.seek(offset)
        block = file.read(_BLOCK)
        end = block.rfind(b"\n") + 1
        if not end:
            # A line that is too long is no event; what follows of it is another one that cannot be read.
            end = len(block) if len(block) > _LONGEST or _whole(block) else 0
        elif len(block) < _BLOCK and _whole(block[end:]):
            end = len(block)
        if not end:
            return None
        self._offsets.pop(key, None)
        self._offsets[key] = offset + end
        lines = block[:end].split(b"\n")
        place = partial(_place, path.as_posix(), offset, lines)
        return batch_of(self._decode(lines, place), sum(bool(line.strip()) for line in lines))


def _place(name: str, offset: int, lines: list[bytes], number: int) -> str:
    """Return the place of a line: where it begins."""
    return f"{name}, byte {offset + sum(len(line) + 1 for line in lines[:number]):,}"


def _whole(line: bytes) -> bool:
    """Whether a line without an end is all that it will be: the start of an object is none."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
