"""What of a row an event may hold: columns are left out, or replaced by keyed hashes."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from cd4ml.serving.canonical import Form, form_of
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.signature import Column, Tensor

EVERYTHING: Final = "*"
_SHORTEST_KEY: Final = 16
# 128 bits: two values of a column never share them by chance.
_DIGITS: Final = 32

Change = Callable[[Any], Any]


class Privacy:
    """Which columns events leave out, and which they hash.

    A hash has a key, because a column with few values (a postcode, a birthday) is read back from an unkeyed one by
    hashing them all.
    """

    def __init__(self, *, omit: Collection[str] = (), hashed: Collection[str] = (), key: bytes = b"") -> None:
        """Prepare.

        Raises:
            SettingsError: columns are to be hashed without a key, or with one that is too short.
        """
        if hashed and len(key) < _SHORTEST_KEY:
            raise SettingsError(f"EVENTS_HASH needs EVENTS_HASH_KEY, a secret of at least {_SHORTEST_KEY} bytes")
        self._omit, self._hashed, self._key = frozenset(omit), frozenset(hashed), key
        self._forms: dict[str, Form] = {}
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def know(self, columns: Sequence[Column], tensors: Sequence[Tensor] = ()) -> None:
        """Take what the model takes, and refuse names that it does not have: they would protect nothing.

        Raises:
            SettingsError: a column is unknown.
        """
        self._forms = {column.name: form_of(column) for column in columns}
        known = {*self._forms, *(tensor.name for tensor in tensors), EVERYTHING}
        for setting, names in (("EVENTS_OMIT", self._omit), ("EVENTS_HASH", self._hashed - {EVERYTHING})):
            if unknown := sorted(names - known):
                raise SettingsError(f"{setting} names an unknown column: {unknown[0][:100]!r}")

    def plan(self, columns: Iterable[str]) -> Sequence[tuple[str, Change | None]]:
        """Return the columns that an event holds, and what changes their values."""
        if not self._omit and not self._hashed:
            return [(name, None) for name in columns]
        if EVERYTHING in self._omit:
            return []
        kept = [name for name in columns if name not in self._omit]
        every = EVERYTHING in self._hashed
        return [(name, self._hash(name) if every or name in self._hashed else None) for name in kept]

    def _hash(self, name: str) -> Change:
        """Return the hash of a column: one value has different ones in two columns, but 40 and 40.0 the same."""
        form = self._forms.get(name)
        begun = hmac.new(self._key, name.encode() + b"\0", "sha256")

        def change(value: Any) -> Any:
            """Return the hash of a value; one that is missing stays missing."""
            if value is None or value != value:
                return None
            keyed = begun.copy()
            keyed.update(self._encode(value if form is None else form([value])[0]))
            return keyed.hexdigest()[:_DIGITS]

        return change
