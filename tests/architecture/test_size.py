"""Modules stay small enough to be read at once."""

from __future__ import annotations

from tests.architecture.test_layers import MODULES, name_of

LARGEST = 400
LARGE = 300
MOST_LARGE = 5


def test_modules_are_small() -> None:
    """No module has more than 400 lines, and at most five have more than 300."""
    lines = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    large = {name: count for name, count in lines.items() if count > LARGE}

    assert len(large) <= MOST_LARGE and max(lines.values()) <= LARGEST, large
