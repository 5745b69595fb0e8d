"""What is kept for a row, sealed: nothing that Redis answers is used before it was checked."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from cd4ml.serving.cache.keys import VERSION

_MARK: Final = b"cd4ml%d\n" % VERSION
_TAG: Final = hashlib.sha256().digest_size
# Clocks of two machines differ by less.
_AHEAD: Final = 60.0
_TOLERANCE: Final = 1e-6


class Row(NamedTuple):
    """The model's answer to a row."""

    y_pred: Any
    y_score: float | None = None
    probabilities: list[float] | None = None


class _Value(msgspec.Struct, frozen=True, array_like=True):
    """An answer, and when the model gave it, in seconds since 1970."""

    time: float
    y_pred: str | int | float | bool | None
    y_score: float | None
    probabilities: list[float] | None


class Unusable(Exception):
    """A value must not be used; the text is the reason, as it is counted."""


class Seal:
    """Seals values with the key that they belong to, and opens them."""

    def __init__(
        self, *, secret: bytes | None, seconds: float, classes: Sequence[Any], clock: Callable[[], float] = time.time
    ) -> None:
        """Prepare.

        Args:
            secret: with one, nobody else can make a value; without, a checksum finds what is damaged or misplaced.
            seconds: how old a value may be.
            classes: the labels that the model can give; empty if it gives other values.
        """
        self._secret, self._seconds, self._clock = secret, seconds, clock
        plain = [label.item() if hasattr(label, "item") else label for label in classes]
        self._labels = frozenset((type(label), label) for label in plain)
        self._classes = len(classes)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Value).decode

    def close(self, key: bytes, row: Row) -> bytes | None:
        """Return an answer as Redis keeps it; None if it would not come back as it is."""
        value = _Value(self._clock(), row.y_pred, row.y_score, row.probabilities)
        payload = self._encode(value)
        try:
            again = self._decode(payload)
        except msgspec.ValidationError:
            return None
        same = again == value and type(again.y_pred) is type(row.y_pred)
        return _MARK + self._tag(key, payload) + payload if same else None

    def open(self, key: bytes, sealed: bytes) -> Row:
        """Return the answer.

        Raises:
            Unusable: it is damaged, of another version, key or secret, too old, or nothing that this model answers.
        """
        if not sealed.startswith(_MARK):
            raise Unusable("version" if sealed.startswith(b"cd4ml") else "malformed")
        start = len(_MARK) + _TAG
        payload = sealed[start:]
        if not hmac.compare_digest(sealed[len(_MARK) : start], self._tag(key, payload)):
            raise Unusable("checksum")
        try:
            value = self._decode(payload)
        except msgspec.DecodeError:
            raise Unusable("malformed") from None
        age = self._clock() - value.time
        if not -_AHEAD <= age <= self._seconds:
            raise Unusable("old")
        if not self._fits(value):
            raise Unusable("unfit")
        return Row(value.y_pred, value.y_score, value.probabilities)

    def _tag(self, key: bytes, payload: bytes) -> bytes:
        """Return what binds a payload to its key; the key names model, schema and row."""
        if self._secret is None:
            return hashlib.sha256(b"%d:" % len(key) + key + payload).digest()
        return hmac.digest(self._secret, b"%d:" % len(key) + key + payload, "sha256")

    def _fits(self, value: _Value) -> bool:
        """Whether the model could have given this answer."""
        if not self._classes:
            return value.y_pred is not None
        if (type(value.y_pred), value.y_pred) not in self._labels:
            return False
        shares = [share for share in (value.y_score, *(value.probabilities or ())) if share is not None]
        if any(not (math.isfinite(share) and -_TOLERANCE <= share <= 1 + _TOLERANCE) for share in shares):
            return False
        return value.probabilities is None or len(value.probabilities) == self._classes
