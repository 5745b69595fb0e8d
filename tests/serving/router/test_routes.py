"""Which track a user is on: stable, even, independent between experiments; and files that say what cannot be."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cd4ml.serving.router.routes import Routes, Track, fraction, read
from cd4ml.serving.settings import SettingsError

USERS = [f"user-{number}" for number in range(20_000)]
GOOD: dict[str, Any] = {
    "experiment": "credit-7",
    "tracks": [
        {"name": "stable", "url": "http://stable:8080", "weight": 90},
        {"name": "canary", "url": "https://canary", "weight": 10},
    ],
    "shadow": {"name": "next", "url": "http://next:8080/", "percent": 25},
}


def split(*shares: float, experiment: str = "e") -> Routes:
    """Return routes of tracks a, b, c … with these shares."""
    tracks = [Track(name=name, url="http://x", share=share) for name, share in zip("abcdef", shares, strict=False)]
    return Routes(experiment=experiment, header="x-user-id", tracks=tracks)


def test_a_place_is_the_digest_that_the_page_gives() -> None:
    """Anybody can compute who is on which track: SHA-256 of `<length>:<experiment>:<user>`, its first 53 bits."""
    digest = hashlib.sha256(b"8:credit-7:alice").hexdigest()
    assert fraction("credit-7", "alice") == int(digest[:16], 16) // 2048 / 2**53


def test_shares_are_kept_and_users_stay() -> None:
    """20,000 users spread as the weights say, and each is on the same track every time."""
    routes = split(0.7, 0.2, 0.1)
    found = [routes.track(user).name for user in USERS]
    assert found == [routes.track(user).name for user in USERS]
    counts = Counter(found)
    statistic = sum(
        (counts[name] - len(USERS) * share) ** 2 / (len(USERS) * share)
        for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1))
    )
    assert statistic < 13.8  # chi-squared, 2 degrees of freedom, p = 0.001


def test_a_growing_canary_moves_nobody_back() -> None:
    """From 10 % to 30 % only users of the first track move; everybody of the canary stays on it."""
    before, after = split(0.9, 0.1), split(0.7, 0.3)
    moved = Counter((before.track(user).name, after.track(user).name) for user in USERS)
    assert moved["b", "a"] == 0 and 3_600 < moved["a", "b"] < 4_400


def test_experiments_are_independent() -> None:
    """Who is in the first half of one experiment says nothing of the half in another."""
    one, other = split(0.5, 0.5, experiment="one"), split(0.5, 0.5, experiment="other")
    both = sum(one.track(user).name == other.track(user).name for user in USERS)
    assert abs(both / len(USERS) - 0.5) < 0.0125  # 3.5 standard errors
    assert fraction("1:a", "b") != fraction("1", "a:b")


def test_shares_of_nothing_and_of_everything_hold() -> None:
    """A track without weight gets nobody, wherever it stands, and one with all of it everybody."""
    assert {split(0.0, 1.0, 0.0).track(user).name for user in USERS[:2000]} == {"b"}


def test_the_file_is_read(tmp_path: Path) -> None:
    """Weights become shares, percent of copies a share, an address loses its last slash."""
    file = tmp_path / "routes.json"
    file.write_text(json.dumps(GOOD))
    routes = read(file)
    assert [(track.name, track.share) for track in routes.tracks] == [("stable", 0.9), ("canary", 0.1)]
    assert routes.shadow == Track(name="next", url="http://next:8080", share=0.25)
    assert routes.header == "x-user-id"
    copied = sum(routes.copied(f"{number:032x}") for number in range(4000))
    assert 900 < copied < 1100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tracks": []}, "needs a weight above 0"),
        ({"tracks": "stable"}, "expected"),
        ({"experiment": ""}, "experiment"),
        ({"header": "x user"}, "header"),
        ({"weights": {}}, "unknown key 'weights'"),
        ({"tracks": [{**GOOD["tracks"][0], "weight": 0}]}, "needs a weight above 0"),
        ({"tracks": [{**GOOD["tracks"][0], "weight": -1}]}, "from 0 on"),
        ({"tracks": [{**GOOD["tracks"][0], "weight": True}]}, "from 0 on"),
        ({"tracks": [{**GOOD["tracks"][0], "weight": float("nan")}]}, "from 0 on"),
        ({"tracks": [{**GOOD["tracks"][0], "share": 1}]}, "nothing else"),
        ({"tracks": [GOOD["tracks"][0], GOOD["tracks"][0]]}, "different names"),
        ({"tracks": [{**GOOD["tracks"][0], "name": "Stable\n"}]}, "name"),
        ({"tracks": [{**GOOD["tracks"][0], "url": "stable:8080"}]}, "url"),
        ({"tracks": [{**GOOD["tracks"][0], "url": "http://stable/predict"}]}, "url"),
        ({"tracks": [{**GOOD["tracks"][0], "url": "http://me:secret@stable"}]}, "url"),
        ({"tracks": [{**GOOD["tracks"][0], "url": "http://stable:99999"}]}, "url"),
        ({"shadow": {**GOOD["shadow"], "percent": 101}}, "0 to 100"),
        ({"shadow": {**GOOD["shadow"], "name": "stable"}}, "is a track already"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """Each fault is refused at the start, with what was expected."""
    file = tmp_path / "routes.json"
    file.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(SettingsError, match=said):
        read(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Without routes nothing starts."""
    with pytest.raises(SettingsError, match="not a readable JSON file"):
        read(tmp_path / "absent.json")
