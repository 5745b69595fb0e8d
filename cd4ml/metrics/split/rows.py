"""Some rows of a table, whose texts are told apart once, however many look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cd4ml.data.tables.by_name import values

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


class Rows:
    """Rows, and the different texts among them."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._coded: dict[str, pa.DictionaryArray[Any, Any]] = {}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame)

    def coded(self, name: str) -> pa.DictionaryArray[Any, Any]:
        """Return a column of texts as places in a list of the different ones; a missing text has no place."""
        import polars as pl
        import pyarrow as pa

        if name not in self._coded:
            texts = values(self.frame, name)
            found = (texts.cast(pl.String) if texts.dtype == pl.Null else texts).to_arrow()
            self._coded[name] = found if pa.types.is_dictionary(found.type) else found.dictionary_encode()
        return self._coded[name]

    def texts(self, name: str) -> pl.Series:
        """Return the different texts of a column in the order of their places."""
        import polars as pl

        return pl.Series(self.coded(name).dictionary, dtype=pl.String)
