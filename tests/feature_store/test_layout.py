"""The layout of features in Redis: what is written is read as it was, and nothing else is read at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.feature_store import layout

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(SCALARS | TEXTS)
def test_value__comes_back(value: Any) -> None:
    """Every JSON scalar comes back as what it was, of its own type."""
    found = layout.decode(layout.encode(value))

    assert (found, type(found)) == (value, type(value))


def test_fields__as_documented() -> None:
    """An entity's hash has the documented key and fields."""
    moment = datetime(2026, 11, 27, 9, 30, tzinfo=timezone(timedelta(hours=1)))

    assert layout.key_of("customer_id", 17) == b"cd4ml:features:customer_id:17"
    assert layout.key_of("customer_id", "17") == b'cd4ml:features:customer_id:"17"'
    assert layout.key_of("a:b", "Å:\n", prefix="p") == 'p:a%3Ab:"Å:\\n"'.encode()
    assert layout.fields_of({"income": 52000.0, "city": "Tromsø", "owner": None}, moment) == {
        b"@layout": b"1",
        b"@event_timestamp": b"2026-11-27T08:30:00.000000Z",
        b"income": b"52000.0",
        b"city": '"Tromsø"'.encode(),
        b"owner": b"null",
    }


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_moments__compare_as_texts(one: datetime, other: datetime) -> None:
    """Of two stamps the greater text is the later moment, and each is read as what it was."""
    assert (layout.stamp(one) < layout.stamp(other)) == (one < other)
    assert layout.moment_of(layout.stamp(one)) == one


@pytest.mark.parametrize(
    "field",
    [b"", b"NaN", b"-Infinity", b"1e999", b"[1]", b' {"a": 1}', b"'x'", b"\xff", b'"\\ud800"', b"1" * 5000]
    + [b"[" * 100_000, b'"' + b"x" * 600_001 + b'"', b"nothing"],
)
def test_value__that_is_none(field: bytes) -> None:
    """What is no finite scalar in JSON is refused, whatever its size."""
    with pytest.raises(layout.Unreadable):
        layout.decode(field)


@pytest.mark.parametrize(
    "field",
    [b"", b"1700000000", b"2026-11-27T08:30:00", b"today", b"0001-01-01T00:00+23:59", b"\xff", b"2026-13-01T00:00Z"],
)
def test_moment__that_is_none(field: bytes) -> None:
    """A moment without a zone, or none at all, is refused."""
    with pytest.raises(layout.Unreadable):
        layout.moment_of(field)


@pytest.mark.parametrize("value", [None, True, 1.5, "", "x" * 513, 2**64, -(2**63) - 1, [1]])
def test_entity__that_is_none(value: Any) -> None:
    """What names no entity has no key."""
    with pytest.raises(ValueError):
        layout.key_of("customer_id", value)


def test_fields__refused() -> None:
    """Reserved names, values that are no scalars, infinite ones, and moments without a zone are not written."""
    moment = datetime(2026, 11, 27, tzinfo=UTC)
    for features in ({"@layout": 1}, {"x": [1]}, {"x": float("nan")}, {"x": moment}):
        with pytest.raises(ValueError):
            layout.fields_of(features, moment)
    with pytest.raises(ValueError):
        layout.fields_of({"x": 1}, moment.replace(tzinfo=None))
