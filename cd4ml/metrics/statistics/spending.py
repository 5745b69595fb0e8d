"""How declared looks spend the level, by name. Light: whoever only declares it needs no library."""

from __future__ import annotations

from enum import StrEnum


class Spending(StrEnum):
    """How declared looks spend the level: little at first, so that the last one loses little, or evenly."""

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"
