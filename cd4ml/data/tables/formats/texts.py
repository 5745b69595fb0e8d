"""How large the texts of Arrow's arrays are once each row has its own: one that is stored once may stand for many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def texts_in(array: pa.Array) -> Iterator[pa.Array]:
    """Yield the texts and bytes in an array, nested ones too."""
    import pyarrow as pa

    kind = array.type
    if _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
        yield array
    elif pa.types.is_struct(kind):
        for part in array.flatten():
            yield from texts_in(part)
    elif pa.types.is_map(kind):
        yield from texts_in(array.keys)
        yield from texts_in(array.items)
    elif pa.types.is_nested(kind):
        yield from texts_in(array.flatten())


def _is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of texts or bytes of any length."""
    import pyarrow as pa

    stored = pa.types.is_string(kind) or pa.types.is_binary(kind)
    return bool(stored or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) or is_view(kind))


def is_view(kind: pa.DataType) -> bool:
    """Whether a type is one of texts or bytes that stand elsewhere, as Polars writes them."""
    import pyarrow as pa

    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def decoded_bytes(array: pa.Array) -> int:
    """Return the bytes of the texts in an array, one for each row."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        rows = np.bincount(array.indices.drop_null().to_numpy().astype(np.intp), minlength=len(array.dictionary))
        return int(_lengths(array.dictionary) @ rows)
    return int(_lengths(array).sum())


def _lengths(array: pa.Array) -> Any:
    """Return the bytes of each text of an array, 0 where there is none."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not is_view(array.type):
        return pc.fill_null(pc.binary_length(array), 0).cast(pa.int64()).to_numpy()
    # A view takes 16 bytes, which begin with the length; Arrow computes no lengths of them.
    views = np.frombuffer(array.buffers()[1], dtype=np.int32)[::4]
    lengths = views[array.offset : array.offset + len(array)].astype(np.int64)
    return np.where(array.is_null().to_numpy(zero_copy_only=False), 0, lengths) if array.null_count else lengths
