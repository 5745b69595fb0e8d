"""The rooms of the data: tables at the bottom, what is made of them above, side by side."""

from __future__ import annotations

import pytest

from tests.architecture.test_layers import NAMES, imported

DATA = "cd4ml.data."
# Room -> the other rooms of the data that its modules may import.
ALLOWED = {
    "tables": set(),
    "predictions": {"tables"},
    "profile": {"tables"},
    "personal": {"tables"},
    "schema": {"tables"},
}
MODULES = sorted(name for name in NAMES if name.startswith(DATA))


def room_of(name: str) -> str:
    """Return the room of a module of the data."""
    return name.removeprefix(DATA).split(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_rooms_of_the_data__import_downward(name: str) -> None:
    """Readers of tables know nothing of predictions, schemas and profiles, and these nothing of each other."""
    others = {room_of(found) for found in imported(NAMES[name].read_text()) if found.startswith(DATA)} - {room_of(name)}

    assert others <= ALLOWED[room_of(name)]


@pytest.mark.parametrize("name", MODULES)
def test_readers__stand_behind_the_door(name: str) -> None:
    """Only the door and the formats themselves know the readers of a format; the ways of telling one apart remain."""
    if room_of(name) == "tables":
        return
    known = {found for found in imported(NAMES[name].read_text()) if found.startswith(f"{DATA}tables.formats")}

    assert known <= {f"{DATA}tables.formats.parquet.table", f"{DATA}tables.formats.parquet.expansion"}
