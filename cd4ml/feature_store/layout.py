"""The layout of features in Redis. It imports the standard library alone: the image holds it too.

An entity is a hash. Its key is `PREFIX:ENTITY:VALUE`, the entity's name percent-encoded where it is no plain word, the
value in canonical JSON (`17`, `"17"`). Each field is a feature, its value canonical JSON; `@event_timestamp` is the
moment at which the features held, in UTC, and `@layout` the version of this layout.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn
from urllib.parse import quote

VERSION: Final = b"1"
PREFIX: Final = "cd4ml:features"
LAYOUT: Final = b"@layout"
EVENT_TIMESTAMP: Final = b"@event_timestamp"
# No feature may begin like the two fields above.
RESERVED: Final = "@"
LONGEST_ENTITY: Final = 512
# Of a value as it is stored: a text of 100,000 characters, each escaped.
LONGEST_VALUE: Final = 600_002
_INTEGERS: Final = range(-(2**63), 2**64)


class Unreadable(ValueError):
    """What a field holds is not of this layout; the text says what it is, and repeats nothing of it."""


def key_of(entity: str, value: int | str, *, prefix: str = PREFIX) -> bytes:
    """Return the key of an entity's hash.

    Raises:
        ValueError: the value names no entity; see `entity_problem`.
    """
    if problem := entity_problem(value):
        raise ValueError(problem)
    return f"{prefix}:{quote(entity, safe='')}:{_canonical(value)}".encode()


def entity_problem(value: object) -> str | None:
    """Return why a value names no entity, None if it does: 17 and "17" name two."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return "must be a whole number or a text"
    if isinstance(value, int):
        return None if value in _INTEGERS else "is too large"
    return None if 1 <= len(value) <= LONGEST_ENTITY else f"must have 1 to {LONGEST_ENTITY} characters"


def fields_of(features: Mapping[str, Any], event_timestamp: datetime) -> dict[bytes, bytes]:
    """Return an entity's features as fields of its hash.

    Raises:
        ValueError: a value is no JSON scalar, a name is reserved, or the moment has no time zone.
    """
    fields = {LAYOUT: VERSION, EVENT_TIMESTAMP: stamp(event_timestamp)}
    for name, value in features.items():
        if name.startswith(RESERVED):
            raise ValueError(f"the name of a feature must not begin with {RESERVED}")
        fields[name.encode()] = encode(value)
    return fields


def encode(value: str | int | float | bool | None) -> bytes:
    """Return a value as a field holds it.

    Raises:
        ValueError: it is no JSON scalar.
    """
    if not (value is None or isinstance(value, str | int | float)):
        raise ValueError(f"a feature must be a text, a number, a boolean or missing, not {type(value).__name__}")
    return _canonical(value).encode()


def decode(field: bytes) -> str | int | float | bool | None:
    """Return the value of a field.

    Raises:
        Unreadable: it is no JSON scalar.
    """
    if len(field) > LONGEST_VALUE:
        raise Unreadable("is too long")
    if field.lstrip()[:1] in (b"[", b"{"):
        raise Unreadable("is a list or an object")
    try:
        text = field.decode()
        found: str | int | float | bool | None = json.loads(text, parse_constant=_no_constant)
        if isinstance(found, str):  # half of a surrogate pair may be escaped, and is no text that a model could encode
            found.encode()
    except (ValueError, RecursionError):
        raise Unreadable("is not JSON") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise Unreadable("is not finite")
    return found


def stamp(moment: datetime) -> bytes:
    """Return a moment as a field holds it: texts of two moments compare as the moments do.

    Raises:
        ValueError: it has no time zone.
    """
    return utc(moment).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()


def moment_of(field: bytes) -> datetime:
    """Return the moment of a field.

    Raises:
        Unreadable: it holds none.
    """
    try:
        return utc(datetime.fromisoformat(field.decode("ascii")))
    except ValueError:
        raise Unreadable("is not a moment with a time zone") from None


def utc(moment: datetime) -> datetime:
    """Return a moment in UTC.

    Raises:
        ValueError: it has no time zone, or UTC has no such year.
    """
    if moment.tzinfo is None:
        raise ValueError("an event timestamp needs a time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("an event timestamp is out of range") from None


def _canonical(value: str | int | float | None) -> str:
    """Return a scalar in canonical JSON: UTF-8, and no more characters than needed."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _no_constant(_name: str) -> NoReturn:
    """Refuse what JSON does not know, though Python's reader does."""
    raise ValueError
