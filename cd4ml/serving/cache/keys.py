"""Keys of predictions: the model, what it takes, and a row in canonical form."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cd4ml.serving.canonical import form_of
from cd4ml.serving.exchange import Batch
from cd4ml.serving.signature import Column, Tensor

# Part of every key and of every value: a change of either form makes the older ones unknown.
VERSION: Final = 1
_NAMES: Final = b"cd4ml:prediction:%d:" % VERSION
_MISSING: Final = [None]


class Keys:
    """Computes the keys of rows.

    Two rows have one key only if the model sees the same in both: 1 and 1.0 are one number where the signature says so,
    and left out is the same as null or NaN. Where that is not certain (two texts of one moment), the keys differ.
    """

    def __init__(
        self,
        *,
        model_sha256: str,
        runtime: str,
        columns: Sequence[Column],
        labels: Sequence[Any],
        tensors: Sequence[Tensor] = (),
    ) -> None:
        """Prepare what all keys begin with.

        Args:
            runtime: its name; two runtimes may differ in the last digits of a score.
            labels: the classes and the positive one: what a score is the probability of.
        """
        schema: list[list[Any]] = [[column.name, column.type, column.required] for column in columns]
        schema += [[one.name, one.type, list(one.shape)] for one in tensors]
        known = [VERSION, model_sha256, runtime, schema, list(map(str, labels))]
        self._begun = hashlib.sha256(msgspec.json.encode(known))
        self._columns = [(column.name, form_of(column)) for column in columns]
        self._columns += [(tensor.name, _contents) for tensor in tensors]
        self._encode = msgspec.msgpack.Encoder().encode

    def of(self, batch: Batch, *, probabilities: bool = False) -> list[bytes | None]:
        """Return the key of each row; None for a row that cannot have one (a whole number of more than 64 bits)."""
        given, missing = batch.columns, _MISSING * batch.rows
        columns = [form(given.get(name) or missing) for name, form in self._columns]
        return [self._key(row, probabilities) for row in zip(*columns, strict=True)]

    def _key(self, row: tuple[Any, ...], probabilities: bool) -> bytes | None:
        """Return the key of a row."""
        digest = self._begun.copy()
        try:
            digest.update(self._encode((probabilities, row)))
        except (OverflowError, TypeError, ValueError):
            return None
        return _NAMES + digest.hexdigest().encode()


def _contents(values: list[Any]) -> list[Any]:
    """Return what identifies each row of a tensor, whose type the schema says."""
    return [(list(value.shape), value.tobytes()) for value in values]
