"""What a track and the shadow answered to the same request, side by side: a line of JSON for each copy."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from cd4ml.serving.router.routes import Track
from cd4ml.serving.router.upstream import Answer
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.telemetry.lines import Lines


class Pairs:
    """Records pairs, without ever waiting for whoever reads them. Nothing that was sent is in them, only answers."""

    def __init__(self, place: str) -> None:
        """Open the place: `stdout`, a file, or nowhere if it is empty.

        Raises:
            SettingsError: the file cannot be written.
        """
        self._own = place not in ("", "stdout")
        self._lines: Lines | None = None
        self._descriptor = sys.stdout.fileno()
        try:
            if self._own:
                self._descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise SettingsError(f"PAIRS: {place} cannot be written: {error}") from error
        if place:
            self._lines = Lines(self._descriptor)

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs were recorded, and how many were not because they could not be written in time."""
        return {} if self._lines is None else {"pairs": self._lines.written, "pairs-dropped": self._lines.dropped}

    def start(self) -> None:
        """Begin to write."""
        if self._lines is not None:
            self._lines.start()

    def record(self, trace_id: str, sides: Sequence[tuple[Track, Answer | str]]) -> None:
        """Record what track and shadow said; a text is the code of the refusal where one said nothing."""
        if self._lines is None:
            return
        (track, said), (shadow, copied) = sides
        about = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "trace_id": trace_id}
        of_track, of_shadow = _side(track, said), _side(shadow, copied)
        predictions = [side.pop("predictions", None) for side in (of_track, of_shadow)]
        line: dict[str, Any] = {**about, "track": of_track, "shadow": of_shadow}
        if None not in predictions:
            line["rows"] = len(predictions[0])
            line["differing"] = _differing(*predictions)
            line["predictions"] = {track.name: predictions[0], shadow.name: predictions[1]}
        self._lines.put(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Write what is left, and close the file."""
        if self._lines is not None:
            self._lines.close()
        if self._own:
            os.close(self._descriptor)


def _side(track: Track, said: Answer | str) -> dict[str, Any]:
    """Return what one side said."""
    if isinstance(said, str):
        return {"name": track.name, "error": said}
    found: dict[str, Any] = {"name": track.name, "status": said.status, "ms": round(1000 * said.seconds, 2)}
    try:
        document = json.loads(said.body) if said.status == 200 else None
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("predictions"), list):
        found["predictions"] = document["predictions"]
    return found


def _differing(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return how many rows have other predictions; rows that one side alone answered differ."""
    unequal = [bool(left != right) for left, right in zip(one, other, strict=False)]
    return unequal.count(True) + abs(len(one) - len(other))
