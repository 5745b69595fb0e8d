"""Which track a user is on, and where it is; read from one JSON file."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cd4ml.serving.settings import SettingsError

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_MOST_TRACKS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Track:
    """A gateway, or a Service before several.

    Attributes:
        url: where it is, without a path.
        share: of the users (of the copied requests, for a shadow), 0 to 1.
    """

    name: str
    url: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Routes:
    """What the router does.

    Attributes:
        experiment: another name assigns the users anew.
        header: names the user in a request.
        tracks: their shares add up to 1.
        shadow: gets copies of requests, whose answers nobody sees.
    """

    experiment: str
    header: str
    tracks: Sequence[Track]
    shadow: Track | None = None

    def track(self, user: str) -> Track:
        """Return the track of a user: the same for as long as the experiment and the shares are.

        A user's place between 0 and 1 is the SHA-256 of experiment and user. Tracks take their shares from 0 on, in
        order: where the first track shrinks and the second grows, only the users between the two shares move.
        """
        place, end = fraction(self.experiment, user), 0.0
        for track in self.tracks:
            end += track.share
            if place < end:
                return track
        return next(track for track in reversed(self.tracks) if track.share > 0)  # rounding in the sum

    def copied(self, trace_id: str) -> bool:
        """Whether a request is copied to the shadow; every router decides alike for one trace."""
        return self.shadow is not None and fraction("shadow", trace_id) < self.shadow.share


def fraction(experiment: str, unit: str) -> float:
    """Return the place of a unit in an experiment: even over [0, 1), and independent between experiments."""
    digest = hashlib.sha256(f"{len(experiment)}:{experiment}:{unit}".encode("utf-8", "surrogateescape")).digest()
    # 53 bits are what a double holds exactly; more could round up to 1.
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def read(path: Path) -> Routes:
    """Read the file.

    Raises:
        SettingsError: it cannot be read, or says what cannot be.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: not a readable JSON file: {error}") from error
    known = {"experiment", "header", "tracks", "shadow"}
    if not isinstance(document, dict) or not isinstance(document.get("tracks"), list):
        raise SettingsError(f'{path}: expected {{"experiment": …, "tracks": [{{"name": …, "url": …, "weight": …}}]}}')
    if unknown := sorted(set(document) - known):
        raise SettingsError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    experiment, header = document.get("experiment"), document.get("header", "x-user-id")
    if not isinstance(experiment, str) or not experiment:
        raise SettingsError(f"{path}: experiment: expected a name; it decides which users are on which track")
    if not isinstance(header, str) or not _HEADER.fullmatch(header):
        raise SettingsError(f"{path}: header: expected the name of a header, such as x-user-id")
    tracks = _tracks(document["tracks"], path)
    shadow = document.get("shadow")
    found = None if shadow is None else _track(shadow, "percent", path)
    if found is not None and found.name in {track.name for track in tracks}:
        raise SettingsError(f"{path}: shadow: {found.name} is a track already")
    if found is not None and found.share > 100:
        raise SettingsError(f"{path}: {found.name}: percent: expected 0 to 100")
    copies = None if found is None else Track(name=found.name, url=found.url, share=found.share / 100)
    return Routes(experiment=experiment, header=header.lower(), tracks=tracks, shadow=copies)


def _tracks(listed: Sequence[Any], path: Path) -> Sequence[Track]:
    """Return the tracks with shares of the sum of their weights."""
    tracks = [_track(item, "weight", path) for item in listed]
    names = [track.name for track in tracks]
    if len(set(names)) < len(names) or len(names) > _MOST_TRACKS:
        raise SettingsError(f"{path}: tracks: expected up to {_MOST_TRACKS} of different names")
    total = math.fsum(track.share for track in tracks)
    if total <= 0:
        raise SettingsError(f"{path}: tracks: at least one needs a weight above 0")
    return [Track(name=track.name, url=track.url, share=track.share / total) for track in tracks]


def _track(item: Any, amount: str, path: Path) -> Track:
    """Return one track as the file has it; its share is what the file says."""
    if not isinstance(item, Mapping) or set(item) != {"name", "url", amount}:
        raise SettingsError(f"{path}: expected a track's name, url and {amount}, and nothing else")
    name, url, weight = item["name"], item["url"], item[amount]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingsError(f"{path}: name: expected small letters, digits and hyphens")
    if not isinstance(url, str) or not _is_origin(url):
        raise SettingsError(f"{path}: {name}: url: expected http:// or https://, a host and perhaps a port, no path")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1e9:
        raise SettingsError(f"{path}: {name}: {amount}: expected a number from 0 on")
    return Track(name=name, url=url.rstrip("/"), share=float(weight))


def _is_origin(url: str) -> bool:
    """Whether an address names a server, and nothing on it."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    alone = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_fits and alone
