"""How large the texts of a Parquet file are once they are decoded, which its footer does not say.

A text that is stored once, in a dictionary or as the prefix of others, may stand for a million rows. Nothing is
decoded in full here: texts by dictionary are measured through the dictionary, others a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cd4ml.data.tables.formats.texts import decoded_bytes, texts_in

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT: Final = "BYTE_ARRAY"
_FIXED: Final = "FIXED_LEN_BYTE_ARRAY"
_BY_PREFIX: Final = "DELTA_BYTE_ARRAY"
# What Arrow can keep as a dictionary.
_BY_DICTIONARY: Final = frozenset(("PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"))
_ROWS: Final = 65_536
_ROWS_AS_TEXTS: Final = 16


class _Chunk(NamedTuple):
    """A column of a row group, and at most how many bytes it decodes to."""

    group: int
    path: str
    values: int
    stored: int
    most: int


def hidden_bytes(file: Path, metadata: Any, *, enough: int, ignorable: int) -> int:
    """Return by how many bytes decoded texts exceed what the footer says.

    Args:
        enough: above this the number no longer matters: counting ends.
        ignorable: texts that a bound shows to hide no more than this are not counted.
    """
    import pyarrow.parquet as pq

    fixed = sum(_fixed(metadata))
    chunks = list(_texts(metadata))
    if fixed > enough or sum(chunk.most for chunk in chunks) <= ignorable:
        return fixed
    short = dictionaries(metadata)
    with pq.ParquetFile(file, read_dictionary=sorted(short), pre_buffer=False) as stored:
        bounded = [_bounded(stored, chunk) if chunk.path in short else chunk for chunk in chunks]
        if sum(chunk.most for chunk in bounded) <= ignorable:
            return fixed
        total = fixed
        for chunk in bounded:
            size = 0
            for part in _decoded(stored, chunk, _ROWS if chunk.path in short else _ROWS_AS_TEXTS):
                size += sum(map(decoded_bytes, part))
                if total + size - chunk.stored > enough:
                    return total + size - chunk.stored
            total += max(0, size - chunk.stored)
    return total


def dictionaries(metadata: Any) -> set[str]:
    """Return the paths of the columns of texts that Arrow can read without repeating them for each row."""
    found: set[str] = set()
    other: set[str] = set()
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            short = column.physical_type == _TEXT and _BY_DICTIONARY.issuperset(column.encodings)
            (found if short else other).add(column.path_in_schema)
    return found - other


def _fixed(metadata: Any) -> Iterator[int]:
    """Yield what texts of one fixed length hide."""
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            if column.physical_type == _FIXED:
                yield max(0, column.num_values * metadata.schema.column(index).length - column.total_uncompressed_size)


def _texts(metadata: Any) -> Iterator[_Chunk]:
    """Yield the parts whose texts may be stored once for many rows."""
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            if column.physical_type == _TEXT and (_BY_PREFIX in column.encodings or column.has_dictionary_page):
                size = column.total_uncompressed_size
                yield _Chunk(group, column.path_in_schema, column.num_values, size, column.num_values * size)


def _bounded(stored: Any, chunk: _Chunk) -> _Chunk:
    """Return a part with the bound that its dictionary gives: every value as long as the longest."""
    first = next(_decoded(stored, chunk, 1), [])
    longest = [_longest(_dictionary(leaf)) for leaf in first]
    # Values after the dictionary's end are stored one by one, so the footer counts them.
    return chunk._replace(most=chunk.values * max(longest, default=chunk.stored))


def _decoded(stored: Any, chunk: _Chunk, rows: int) -> Iterator[list[pa.Array]]:
    """Yield the texts of a part, some rows at a time."""
    for batch in stored.iter_batches(batch_size=rows, row_groups=[chunk.group], columns=[chunk.path]):
        yield [leaf for column in batch.columns for leaf in texts_in(column)]


def _dictionary(array: pa.Array) -> pa.Array:
    """Return the distinct texts of an array."""
    import pyarrow as pa

    return array.dictionary if pa.types.is_dictionary(array.type) else array


def _longest(array: pa.Array) -> int:
    """Return the bytes of the longest text in an array, by where its texts begin and end."""
    import numpy as np
    import pyarrow as pa

    if not len(array):
        return 0
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    starts = np.frombuffer(array.buffers()[1], dtype=np.int64 if wide else np.int32)
    return int(np.diff(starts[array.offset : array.offset + len(array) + 1]).max())
