"""Fast reading of a request by types made from the model's columns; whatever is odd is left to the exact reader.

Only what the exact reader would take the same way is taken: it alone says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import astuple

from cd4ml.serving.exchange import Batch
from cd4ml.serving.reading import exact
from cd4ml.serving.signature import Column

Reader = Callable[[bytes], Batch]

_FLOAT: Final = 3.4028234663852886e38


def reader(columns: Sequence[Column], *, maximum_rows: int) -> Reader:
    """Return what reads requests `{"rows": [{column: value, …}, …]}` for these columns."""

    def read_exactly(body: bytes) -> Batch:
        """Read as the exact reader does."""
        return exact.batch(body, columns, maximum_rows=maximum_rows)

    if not columns or not all(column.type and _plain(column.name) for column in columns):
        return read_exactly
    decode = msgspec.json.Decoder(_document(columns, maximum_rows)).decode
    names = [column.name for column in columns]
    texts = [at for at, column in enumerate(columns) if column.type in ("string", "datetime")]
    optional = [at for at, column in enumerate(columns) if not column.required]
    colons = len(names) + sum(name.count(":") for name in names)

    def read(body: bytes) -> Batch:
        """Read by the types."""
        if b"\\" in body:
            return read_exactly(body)
        try:
            rows = decode(body).rows
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return read_exactly(body)
        if len(rows) == 1:
            values = astuple(rows[0])
            texts_colons = 0
            for at in texts:
                texts_colons += values[at].count(":") if values[at] else 0
            if UNSET not in values and body.count(b":") == 1 + colons + texts_colons:
                return Batch({name: [value] for name, value in zip(names, values)}, 1)
        found: list[list[Any]] = list(map(list, zip(*map(astuple, rows))))
        # Of a key that is given twice the last is decoded. Every key brings a colon, and so may names and texts: if
        # there are more, a key was repeated.
        expected = 1 + colons * len(rows) + sum(text.count(":") for at in texts for text in found[at] if text)
        if optional:
            if any(all(value is UNSET for value in row) for row in zip(*found)):
                return read_exactly(body)
            for at in optional:
                absent = found[at].count(UNSET)
                expected -= absent * (1 + names[at].count(":"))
                if absent:
                    found[at] = [None if value is UNSET else value for value in found[at]]
        if body.count(b":") != expected:
            return read_exactly(body)
        return Batch(dict(zip(names, found)), len(rows))

    return read


def _plain(name: str) -> bool:
    """Whether JSON can write a name without an escape."""
    return name.isprintable() and '"' not in name and "\\" not in name


def _document(columns: Sequence[Column], maximum_rows: int) -> Any:
    """Return the type of a request."""
    fields = [(f"column_{at}", _type(column), ... if column.required else UNSET) for at, column in enumerate(columns)]
    row = msgspec.defstruct(
        "Row",
        [(name, kind) if default is ... else (name, kind, default) for name, kind, default in fields],
        rename={field[0]: column.name for field, column in zip(fields, columns, strict=True)},
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )
    rows = Annotated[list[row], Meta(min_length=1, max_length=maximum_rows)]  # type: ignore[valid-type]
    return msgspec.defstruct("Request", [("rows", rows)], forbid_unknown_fields=True)


def _type(column: Column) -> Any:
    """Return the type of a value, as the exact reader takes it."""
    bits = {"integer": 31, "long": 63}.get(str(column.type))
    if bits:
        kind: Any = Annotated[int, Meta(ge=-(2**bits), le=2**bits - 1)]
        kind = kind | None if column.nullable else kind
    elif column.type == "boolean":
        kind = bool | None if column.nullable else bool
    elif column.type == "float":
        kind = Annotated[float, Meta(ge=-_FLOAT, le=_FLOAT)] | None
    elif column.type == "double":
        kind = float | None
    else:
        kind = Annotated[str, Meta(max_length=exact.LONGEST_TEXT)] | None
    return kind if column.required else kind | UnsetType
