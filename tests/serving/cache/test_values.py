"""Sealed values: what Redis returns is used only if this gateway's model could have written it for this very row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cd4ml.serving.cache.values import Row, Seal, Unusable

KEY = b"cd4ml:prediction:1:" + b"0" * 64
NOW = 1_800_000_000.0


def seal(
    secret: bytes | None = b"s" * 16, *, classes: tuple[Any, ...] = (0, 1), now: float = NOW, seconds: float = 60
) -> Seal:
    """Return a seal at a moment."""
    return Seal(secret=secret, seconds=seconds, classes=classes, clock=lambda: now)


def sealed(row: Row = Row(1, 0.75), by: Seal | None = None, key: bytes = KEY) -> bytes:
    """Return a value as Redis keeps it."""
    value = (by or seal()).close(key, row)
    assert value is not None
    return value


def refusal(by: Seal, value: bytes, key: bytes = KEY) -> str:
    """Return why a value is not used."""
    with pytest.raises(Unusable) as error:
        by.open(key, value)
    return str(error.value)


@pytest.mark.parametrize("secret", [None, b"s" * 16])
@pytest.mark.parametrize(
    ("row", "classes"),
    [
        (Row(1, 0.75), (0, 1)),
        (Row("ja", None, [0.25, 0.75]), ("nein", "ja")),
        (Row(True), (False, True)),
        (Row(1.0), ()),
        (Row(0.1 + 0.2), ()),
        (Row(2**80), ()),
    ],
)
def test_value__comes_back(secret: bytes | None, row: Row, classes: tuple[Any, ...]) -> None:
    """What is sealed is opened as it was, the type of a label included."""
    by = seal(secret, classes=classes)

    found = by.open(KEY, sealed(row, by))

    assert found == row and type(found.y_pred) is type(row.y_pred)


@pytest.mark.parametrize("secret", [None, b"s" * 16])
def test_damaged__is_not_used(secret: bytes | None) -> None:
    """A value that lost a byte or has another one at any place is refused."""
    by = seal(secret)
    value = sealed(by=by)

    for at in range(len(value)):
        refusal(by, value[:at])
        refusal(by, value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :])
    assert refusal(by, value + b" ") == "checksum"


def test_of_another_row__is_not_used() -> None:
    """A value that somebody copied to another key is refused."""
    assert refusal(seal(None), sealed(by=seal(None)), KEY[:-1] + b"1") == "checksum"


@pytest.mark.parametrize("other", [None, b"t" * 16])
def test_of_another_secret__is_not_used(other: bytes | None) -> None:
    """Who does not have the secret cannot make a value, and a checksum alone counts for nothing."""
    assert refusal(seal(), sealed(by=seal(other))) == "checksum"


@pytest.mark.parametrize("now", [NOW + 61, NOW - 61])
def test_old_or_of_the_future__is_not_used(now: float) -> None:
    """A value older than the time to live is refused even if Redis has not forgotten it."""
    assert refusal(seal(now=now), sealed()) == "old"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "malformed"),
        (b"1", "malformed"),
        (b'{"y_pred": 1}', "malformed"),
        (b"\x80\x04K\x01.", "malformed"),
        (b"cd4ml0\n" + b"x" * 60, "version"),
    ],
)
def test_foreign__is_not_used(text: bytes, reason: str) -> None:
    """What something else wrote, and what another version wrote, is refused."""
    assert refusal(seal(), text) == reason


@pytest.mark.parametrize("row", [Row(2, 0.5), Row("1", 0.5), Row(True, 0.5), Row(1.0, 0.5), Row(1, 1.5), Row(1, -0.5)])
def test_what_the_model_cannot_answer__is_not_used(row: Row) -> None:
    """A label or score that this model never gives is refused, whoever sealed it."""
    assert refusal(seal(), sealed(row, seal(classes=()))) == "unfit"


@pytest.mark.parametrize("payload", [b"[]", b"null", b'[1,"a"]', b"[1,[1],null,null]", b"\xff"])
def test_other_shape__is_not_used(payload: bytes) -> None:
    """A payload of another shape is refused even with the right tag."""
    by = seal(None)
    value = sealed(by=by)
    mark = value.index(b"\n") + 1
    forged = value[:mark] + by._tag(KEY, payload) + payload

    assert refusal(by, forged) == "malformed"


def test_not_finite__is_not_kept() -> None:
    """An answer that JSON would change is not written."""
    assert seal(classes=()).close(KEY, Row(float("nan"))) is None
    assert json.loads(sealed()[sealed().index(b"[") :])[1] == 1
