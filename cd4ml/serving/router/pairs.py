"""What a track and the shadow answered to the same request, side by side: a line of JSON for each copy."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from cd4ml.serving.router.routes import Track
from cd4ml.serving.router.upstream import Answer
from cd4ml.serving.settings import SettingsError


class Pairs:
    """Records pairs. Nothing that was sent is in them, only what was answered."""

    def __init__(self, place: str) -> None:
        """Open the place: `stdout`, a file, or nowhere if it is empty.

        Raises:
            SettingsError: the file cannot be written.
        """
        self._stream: TextIO | None = None
        self._own = place not in ("", "stdout")
        try:
            self._stream = Path(place).open("a", encoding="utf-8", buffering=1) if self._own else None
        except OSError as error:
            raise SettingsError(f"PAIRS: {place} cannot be written: {error}") from error
        if place == "stdout":
            self._stream = sys.stdout

    def record(self, trace_id: str, sides: Sequence[tuple[Track, Answer | str]]) -> None:
        """Record what track and shadow said; a text is the code of the refusal where one said nothing."""
        if self._stream is None:
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
        self._stream.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None and self._own:
            self._stream.close()


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
