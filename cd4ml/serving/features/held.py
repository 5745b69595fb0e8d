"""What an online store says of an entity, whichever store it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class Lack(StrEnum):
    """Why a value that the store was asked for is not used; metrics count these words."""

    MISSING = "missing"
    STALE = "stale"
    UNUSABLE = "unusable"


class Key(NamedTuple):
    """One entity: the place of its declaration, and the value that names it."""

    entity: int
    value: int | str


class Value(NamedTuple):
    """A feature.

    Attributes:
        moment: when the feature held; None only where it lacks.
        lack: why it cannot be used.
    """

    value: Any = None
    moment: datetime | None = None
    lack: Lack | None = None


# Values by the model's columns; a column that is not there is missing.
Held = Mapping[str, Value]
