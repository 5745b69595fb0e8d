"""The rooms of the data: tables at the bottom, what is made of them above, side by side."""

from __future__ import annotations

from functools import cache

from tests.architecture.test_layers import NAMES, imported

DATA = "cd4ml.data."
# Room -> the other rooms of the data that its modules may import.
ALLOWED = {
    "tables": set(),
    "predictions": {"tables"},
    "profile": {"tables"},
    "personal": {"tables"},
    "schema": {"tables"},
    "features": {"tables"},
}


@cache
def every_import() -> dict[str, set[str]]:
    """Return what each module of the data imports of ours."""
    return {name: imported(path.read_text()) for name, path in NAMES.items() if name.startswith(DATA)}


def room_of(name: str) -> str:
    """Return the room of a module of the data."""
    return name.removeprefix(DATA).split(".")[0]


def test_rooms_of_the_data__import_downward() -> None:
    """Readers of tables know nothing of predictions, schemas and profiles, and these nothing of each other."""
    for name, names in every_import().items():
        others = {room_of(found) for found in names if found.startswith(DATA)} - {room_of(name)}

        assert others <= ALLOWED[room_of(name)], name


def test_readers__stand_behind_the_door() -> None:
    """Only the door and the formats themselves know the readers of a format; the ways of telling one apart remain."""
    known = {
        (name, found)
        for name, names in every_import().items()
        for found in names
        if room_of(name) != "tables" and found.startswith(f"{DATA}tables.formats")
    }

    assert {found.removeprefix(f"{DATA}tables.formats.") for _, found in known} <= {
        "parquet.table",
        "parquet.expansion",
    }, known
