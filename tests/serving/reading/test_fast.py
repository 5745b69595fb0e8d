"""The fast reader takes what the exact reader takes, the same way, and refuses the same with the same words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cd4ml.serving.exchange import Batch
from cd4ml.serving.reading import exact, fast
from cd4ml.serving.refused import Refused
from cd4ml.serving.signature import Column

REQUIRED = (
    Column(name="n", type="integer"),
    Column(name="key", type="long"),
    Column(name="x", type="double"),
    Column(name="small", type="float"),
    Column(name="ok", type="boolean"),
    Column(name="city:of", type="string"),
    Column(name="at", type="datetime"),
)
OPTIONAL = (
    *REQUIRED[:3],
    Column(name="rooms", type="long", required=False),
    Column(name="flag", type="boolean", required=False),
)
GOOD: dict[str, Any] = {
    "n": 1,
    "key": 2,
    "x": 1.5,
    "small": 2.5,
    "ok": True,
    "city:of": "Oslo",
    "at": "2024-05-31T13:45:00Z",
}
LIMITS: dict[str, int] = {"maximum_rows": 5}


def outcome(read: Any, body: bytes) -> Any:
    """Return the batch that a reader makes of a body, or what it says is wrong."""
    try:
        found: Batch = read(body)
    except Refused as refused:
        return refused.status, refused.code, refused.message, refused.problems, refused.more
    return found


def compare(body: bytes, columns: tuple[Column, ...] = REQUIRED) -> Any:
    """Return what both readers make of a body, which must be the same."""
    found = outcome(fast.reader(columns, **LIMITS), body)
    assert found == outcome(lambda body: exact.batch(body, columns, **LIMITS), body)
    return found


VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        40.0,
        40.5,
        -0.0,
        1e300,
        1e39,
        2**31,
        2**31 - 1,
        2**63,
        2**63 - 1,
        -(2**63),
        2**64,
        10**400,
    ),
    *(
        "",
        "a",
        "a:b",
        "x" * 100_000,
        "x" * 100_001,
        "Tromsø",
        "1",
        "\u2028",
        '"',
        "\\",
        "\n",
        [],
        {},
        [1, 2],
        {"a": 1},
        [[[]]],
    ),
]


@pytest.mark.parametrize("name", [column.name for column in REQUIRED])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value__as_exactly(name: str, value: Any) -> None:
    """Every kind of value in every type of column is taken or refused as the exact reader does."""
    for ascii_only in (True, False):
        compare(json.dumps({"rows": [GOOD, {**GOOD, name: value}]}, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"null",
            b"[]",
            b"{}",
            b'{"rows": []}',
            b'{"rows": [{}]}',
            b'{"rows": [1]}',
            b"\xff",
            b"[" * 100_000,
        ),
        b'{"rows": [%s], "rows": [%s]}' % ((json.dumps(GOOD).encode(),) * 2),
        b'{"rows": [%s], "more": 1}' % json.dumps(GOOD).encode(),
        json.dumps({"rows": [GOOD] * 6}).encode(),
        json.dumps({"rows": [GOOD] * 5}).encode(),
        json.dumps({"rows": [GOOD]}).replace('"n": 1', '"n": 1, "n": 1').encode(),
        json.dumps({"rows": [GOOD]}).replace('"n": 1', '"\\u006e": 1').encode(),
        json.dumps({"rows": [GOOD]}).replace("1.5", "NaN").encode(),
        json.dumps({"rows": [GOOD]}).replace("1.5", "-Infinity").encode(),
        json.dumps({"rows": [GOOD]}).replace("1.5", "1e999").encode(),
        json.dumps({"rows": [GOOD]}).replace("1.5", "01").encode(),
        json.dumps({"rows": [GOOD]}).replace("Oslo", "\\ud800").encode(),
        json.dumps({"rows": [GOOD]}).replace("Oslo", "a\tb").encode(),
        json.dumps({"rows": [GOOD]}).encode().replace(b"Oslo", b"\xed\xa0\x80"),
        json.dumps({"rows": [GOOD]}).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps({"rows": [GOOD]}).encode(),
        json.dumps({"rows": [GOOD]}).encode() + b" x",
        json.dumps({"rows": [{**GOOD, "more": 1}]}).encode(),
        json.dumps({"rows": [{key: value for key, value in GOOD.items() if key != "at"}]}).encode(),
    ],
)
def test_body__as_exactly(body: bytes) -> None:
    """Bodies that are no requests, keys given twice and escapes are treated as the exact reader does."""
    compare(body)


@pytest.mark.parametrize("rooms", [{}, {"rooms": None}, {"rooms": 3}, {"rooms": 1.5}])
@pytest.mark.parametrize("flag", [{}, {"flag": None}, {"flag": True}, {"flag": 1}])
@pytest.mark.parametrize("extra", ["", ', "rooms": 4'])
def test_optional__as_exactly(rooms: dict[str, Any], flag: dict[str, Any], extra: str) -> None:
    """A column that may be left out is left out, null or there, once."""
    row = {**dict(list(GOOD.items())[:3]), **rooms, **flag}
    compare(json.dumps({"rows": [row, row]}).replace("}, {", extra + "}, {").encode(), OPTIONAL)
    all_optional = (
        Column(name="rooms", type="long", required=False),
        Column(name="flag", type="boolean", required=False),
    )
    compare(json.dumps({"rows": [{**rooms, **flag}]}).encode(), all_optional)


def test_good__is_read_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary request never reaches the exact reader."""
    monkeypatch.delattr(exact, "batch")
    read = fast.reader(REQUIRED, **LIMITS)
    assert read(json.dumps({"rows": [GOOD, {**GOOD, "x": None, "city:of": "a:b"}]}).encode()).rows == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["n", "x", "a"]), inner, max_size=2),
    max_leaves=3,
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from([*GOOD, "other"]), JSON, max_size=3), max_size=3),
    ascii_only=st.booleans(),
)
def test_anything__as_exactly(rows: list[dict[str, Any]], ascii_only: bool) -> None:
    """Whatever JSON has in the place of a value, both readers agree."""
    compare(json.dumps({"rows": [{**GOOD, **row} for row in rows]}, ensure_ascii=ascii_only).encode("utf-8", "replace"))
