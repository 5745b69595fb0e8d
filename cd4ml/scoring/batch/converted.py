"""Score table after table with a model converted to ONNX. Runs in an environment of ONNX Runtime, numpy and pyarrow.

Arguments: the folder of `model.onnx` and `signature.json`, what else is known (JSON: `scores`, the names of the columns
of scores; `gaps`, the columns whose values may be missing), the folder of the questions and the folder for the answers.
Columns are filled as they lie in memory, not row by row. What a conversion was not proven on is refused: that answer is
an empty table, whose metadata say why.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cd4ml.scoring.batch.pipes import REFUSED, serve
from cd4ml.serving.runtimes.graph import DTYPES, SIGNATURE, Graph, Input, read
from cd4ml.serving.runtimes.onnx import FAILURES, session_of
from cd4ml.serving.signature import ModelError

# So many rows are asked at once: what is between the operators stays in the processor's cache.
_ROWS: Final = 8192


class _Unfit(Exception):
    """Rows on which the conversion was not proven."""


def main(folder: str, known: str, questions: str, answers: str) -> int:
    """Load and answer; say in one line on standard error what went wrong."""
    try:
        graph = read(Path(folder) / SIGNATURE)
        if not isinstance(graph, Graph):
            raise ModelError("it takes tensors")
        asked = Converted(session_of(Path(folder)), graph, **json.loads(known))
        serve(asked.answer, questions, answers)
    except ModelError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


class Converted:
    """A session of ONNX Runtime that is asked for tables."""

    def __init__(self, session: Any, graph: Graph, *, scores: Sequence[str], gaps: Sequence[str]) -> None:
        self._session, self._graph, self._scores = session, graph, scores
        self._gaps = frozenset(gaps)
        self._single = frozenset(column.name for column in graph.columns if column.type == "float")
        self._outputs = [name for name in (graph.label, graph.probabilities or graph.score) if name is not None]

    def answer(self, given: Path, made: Path) -> None:
        """Answer a table of Arrow, or say why not."""
        try:
            with pa.memory_map(str(given)) as source:
                rows = pa.ipc.open_file(source).read_all()
                found = pa.concat_tables([self._asked(rows[at : at + _ROWS]) for at in range(0, len(rows), _ROWS)])
        except (_Unfit, *FAILURES) as error:
            found = pa.table({}).replace_schema_metadata({REFUSED: " ".join(str(error).split())[:300]})
        with pa.OSFile(str(made), "wb") as stream, pa.ipc.new_file(stream, found.schema) as writer:
            writer.write_table(found)

    def _asked(self, rows: pa.Table) -> pa.Table:
        """Return the predictions of some rows."""
        outputs = self._session.run(
            self._outputs, {entry.name: self._filled(entry, rows) for entry in self._graph.inputs}
        )
        columns = {"y_pred": outputs[0].ravel()}
        if self._graph.probabilities is None:
            columns |= {name: outputs[1].ravel() for name in self._scores}
        elif len(self._scores) == 1:
            columns[self._scores[0]] = outputs[1][:, list(self._graph.classes).index(self._graph.positive_label)]
        else:
            columns |= {name: outputs[1][:, place] for place, name in enumerate(self._scores)}
        return pa.table({name: pa.array(np.ascontiguousarray(values)) for name, values in columns.items()})

    def _filled(self, entry: Input, rows: pa.Table) -> Any:
        """Return an input's matrix, of shape (rows, columns); that of a flat one is a list."""
        found = np.empty((len(rows), len(entry.columns)), dtype=DTYPES[entry.type])
        for place, name in enumerate(entry.columns):
            values = rows.column(name) if name in rows.column_names else pa.chunked_array([pa.nulls(len(rows))])
            if values.null_count and name in rows.column_names and name not in self._gaps:
                raise _Unfit(f"`{name}` has missing values, on which the conversion was not proven")
            found[:, place] = _texts(values) if entry.type == "string" else self._numbers(name, values)
        if entry.type in ("float", "double"):
            self._refuse_unproven(entry, rows, found)
        return found.ravel() if entry.flat else found

    def _numbers(self, name: str, values: pa.ChunkedArray) -> Any:
        """Return a column of numbers; a missing one is NaN."""
        found = pc.cast(values, pa.float64()).to_numpy() if not pa.types.is_integer(values.type) else values.to_numpy()
        with np.errstate(over="ignore"):
            return found.astype("float32") if name in self._single else found

    def _refuse_unproven(self, entry: Input, rows: pa.Table, found: Any) -> None:
        """Refuse infinite values, which libraries take in different ways, and NaN where it stands for a missing one."""
        if np.isfinite(found).all():
            return
        for place, name in enumerate(entry.columns):
            column = found[:, place]
            if np.isinf(column).any():
                raise _Unfit(f"`{name}` has values that are infinite, or are so in the conversion")
            if name in rows.column_names and name not in self._gaps and np.isnan(column).any():
                raise _Unfit(f"`{name}` has missing values, on which the conversion was not proven")


def _texts(values: pa.ChunkedArray) -> Any:
    """Return texts; a missing one is empty, which was proven to be the same to the model."""
    texts = pc.fill_null(pc.cast(values, pa.string()), "")
    # Of each text one object is made, however often it occurs.
    coded = texts.combine_chunks().dictionary_encode()
    return coded.dictionary.to_numpy(zero_copy_only=False)[coded.indices.to_numpy()]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
