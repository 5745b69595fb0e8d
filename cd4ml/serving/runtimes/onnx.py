"""The fast road: an ONNX model that was proven equal when the image was built. It needs onnxruntime and numpy."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from cd4ml.model_files import onnx_files
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import trying
from cd4ml.serving.runtimes.graph import DTYPES, MODEL, Graph, Input
from cd4ml.serving.signature import Column, ModelError, Tensor

# What the runtime raises on a file that it cannot load, and on values that an operator of the graph refuses.
FAILURES: Final = (
    *(states.Fail, states.InvalidArgument, states.InvalidGraph, states.InvalidProtobuf, states.NoModel),
    *(states.NoSuchFile, states.NotImplemented, states.RuntimeException, states.EPFail, states.EngineError),
)
# What ONNX Runtime calls the words of EXECUTION_PROVIDER.
PROVIDERS: Final[dict[str, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_BLANK: Final[dict[str | None, Any]] = {"boolean": False, "string": ""}
_MOST_INLINE: Final = 16
# Up to so many values a matrix is made by Python, which begins sooner than numpy.
_FEW: Final = 64
_LARGEST: Final = float(np.finfo(np.float32).max)
_CODES: Final = {"float32": "f", "float64": "d"}

Filler = Callable[[Batch], Any]


class Onnx:
    """A model that ONNX Runtime asks, with one thread: requests are what runs side by side."""

    name: str = "onnx"
    inline_rows: int = _MOST_INLINE
    tensors: Sequence[Tensor] = ()

    def __init__(self, session: Any, graph: Graph) -> None:
        self._session, self._graph = session, graph
        self.columns: Sequence[Column] = graph.columns
        self.classes: Sequence[Any] = graph.classes
        self.positive_label: Any = graph.positive_label
        singles = frozenset(column.name for column in graph.columns if column.type == "float")
        self._fillers: list[tuple[str, Filler]] = [(entry.name, _filler(entry, singles)) for entry in graph.inputs]
        self._outputs = [name for name in (graph.label, graph.probabilities, graph.score) if name is not None]
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = 4
        self._position = None if graph.positive_label is None else list(graph.classes).index(graph.positive_label)
        # The graph's labels are numbers or texts; a class may be True where they say 1.
        self._labels = {label: label for label in graph.classes if not _infinite(label)}

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        feeds = {name: filler(batch) for name, filler in self._fillers}
        try:
            outputs = self._session.run(self._outputs, feeds, self._options)
        except FAILURES:
            raise trying.refusal(partial(self._handles, feeds), 0, batch.rows) from None
        labels = self._named(outputs[0].ravel().tolist())
        chances = outputs[1] if self._graph.probabilities is not None else None
        scores: list[float] | None = None
        if chances is not None and self._position is not None:
            scores = chances[:, self._position].tolist()
        elif self._graph.score is not None:
            scores = outputs[-1].ravel().tolist()
        every = chances.tolist() if probabilities and chances is not None else None
        if every is not None or not self._sound(labels, scores, batch.rows):
            _refuse_gaps(labels, scores, every, batch.rows)
        return Answers(y_pred=labels, y_score=scores, probabilities=every)

    def warm_up(self) -> str:
        """Call the model once, on a row of zeros and empty texts, which it may rightly refuse."""
        return trying.blank(self.predict, {column.name: [_BLANK.get(column.type, 0)] for column in self.columns})

    def _sound(self, labels: list[Any], scores: list[float] | None, rows: int) -> bool:
        """Whether a look at all rows at once finds a class and a finite number for each; if not, each is looked at."""
        if not self._labels or scores is None or len(labels) != rows or len(scores) != rows:
            return False
        return None not in labels and math.isfinite(sum(scores))

    def _named(self, labels: list[Any]) -> list[Any]:
        """Return the classes that the graph's labels stand for; a label that is none of them is None."""
        return [self._labels.get(label) for label in labels] if self._labels else labels

    def _handles(self, feeds: Mapping[str, Any], first: int, last: int) -> bool:
        """Whether the model predicts for these rows."""
        try:
            self._session.run(self._outputs, {name: values[first:last] for name, values in feeds.items()})
        except FAILURES:
            return False
        return True


def session_of(folder: Path, provider: str = "cpu") -> Any:
    """Return ONNX Runtime's session of the graph in a folder.

    Args:
        provider: a word of EXECUTION_PROVIDER.

    Raises:
        ModelError: it cannot be loaded, needs more than the runtime's own operators, or ONNX Runtime lacks the
            provider or cannot use it: it would take the processor instead without a word.
    """
    wanted, here = PROVIDERS[provider], onnxruntime.get_available_providers()
    if wanted not in here:
        raise ModelError(f"EXECUTION_PROVIDER={provider}: this ONNX Runtime has no {wanted}, only {', '.join(here)}")
    found = onnx_files.findings(folder / MODEL)
    if found:
        raise ModelError(f"{MODEL} {'; '.join(found[:5])}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        # Of its bytes, not of its path: weights in other files are not read, whatever it says.
        session = onnxruntime.InferenceSession(
            (folder / MODEL).read_bytes(),
            sess_options=options,
            providers=list(dict.fromkeys((wanted, PROVIDERS["cpu"]))),
        )
    except FAILURES as error:
        why = str(error).rpartition(" : ")[2][:160]
        raise ModelError(f"ONNX Runtime cannot load the model: {why}") from error
    if wanted not in session.get_providers():
        raise ModelError(f"EXECUTION_PROVIDER={provider}: ONNX Runtime cannot use {wanted} on this machine")
    return session


def _filler(entry: Input, singles: frozenset[str]) -> Filler:
    """Return what makes an input's matrix of a batch, of shape (rows, columns).

    Args:
        singles: columns of single precision, whose values are rounded to it even where the input takes doubles.
    """
    names, dtype = tuple(entry.columns), DTYPES[entry.type]
    if entry.flat:
        whole = _filler(replace(entry, flat=False), singles)
        return lambda batch: whole(batch).ravel()
    if entry.type == "string":
        return lambda batch: _texts([_values(batch, name) for name in names])
    if entry.type == "float" and len(names) == 1:
        return partial(_single_column, names[0])
    if entry.type == "float":
        return lambda batch: _single([_values(batch, name) for name in names], names)
    if singles.isdisjoint(names):
        return lambda batch: _matrix([_values(batch, name) for name in names], dtype)
    return lambda batch: _matrix([_rounded(batch, name, singles) for name in names], dtype)


def _values(batch: Batch, name: str) -> list[Any]:
    """Return a column's values; all are missing where a column was left out."""
    found = batch.columns.get(name)
    return [None] * batch.rows if found is None else found


def _rounded(batch: Batch, name: str, singles: frozenset[str]) -> list[Any]:
    """Return a column's values with the digits that its precision keeps."""
    values = _values(batch, name)
    return list(_single([values], (name,)).ravel().tolist()) if name in singles else values


def _matrix(columns: list[list[Any]], dtype: str) -> Any:
    """Return numbers; a missing one is NaN."""
    if dtype in _CODES and len(columns) * len(columns[0]) <= _FEW:
        return np.frombuffer(_few(columns, _CODES[dtype]), dtype=dtype).reshape(-1, len(columns))
    return np.array(list(zip(*columns, strict=True)), dtype=dtype)


def _few(columns: list[list[Any]], code: str) -> array[float]:
    """Return a few numbers, row by row; a missing one is NaN."""
    values = columns[0] if len(columns) == 1 else list(chain.from_iterable(zip(*columns, strict=True)))
    if None in values:
        values = [math.nan if value is None else value for value in values]
    return array(code, values)


def _single(columns: list[list[Any]], names: Sequence[str]) -> Any:
    """Return numbers of single precision; one that would become infinite is refused."""
    if len(columns) * len(columns[0]) <= _FEW:
        # One that would become infinite does so without a warning here; where it stands is said below.
        few = _few(columns, "f")
        if math.inf not in few and -math.inf not in few:
            return np.frombuffer(few, np.float32).reshape(-1, len(columns))
    with np.errstate(over="ignore"):
        found = _matrix(columns, "float64").astype("float32")
    if np.isinf(found).any():
        places = np.argwhere(np.isinf(found)).tolist()
        problems = [Problem(path=f"rows[{row}].{names[at]}", problem="is too large") for row, at in places]
        raise Refused(422, "refused-by-model", "The model cannot handle these values.", problems)
    return found


def _single_column(name: str, batch: Batch) -> Any:
    """Return a column of single precision; most often it has one value."""
    values = _values(batch, name)
    if len(values) == 1 and values[0] is not None and -_LARGEST <= values[0] <= _LARGEST:
        return np.array([values], np.float32)
    return _single([values], (name,))


def _texts(columns: list[list[Any]]) -> Any:
    """Return texts; a missing one is empty, which was proven to be the same to the model."""
    found = np.empty((len(columns[0]), len(columns)), dtype=object)
    for at, values in enumerate(columns):
        if len(values) == 1:
            found[0, at] = "" if values[0] is None else values[0]
            continue
        found[:, at] = ["" if value is None else value for value in values] if None in values else values
    return found


def _refuse_gaps(labels: list[Any], scores: list[float] | None, every: list[list[float]] | None, rows: int) -> None:
    """Refuse rows for which the model gives no label or no finite number."""
    if len(labels) != rows or (scores is not None and len(scores) != rows):
        raise ModelError(f"the model gave {len(labels)} predictions for {rows} rows")
    bad = [at for at, label in enumerate(labels) if label is None or _infinite(label)]
    bad += [at for at, score in enumerate(scores or ()) if not math.isfinite(score)]
    bad += [at for at, shares in enumerate(every or ()) if not all(map(math.isfinite, shares))]
    if bad:
        what = "the model returns no label or no finite number for it"
        problems = [Problem(path=f"rows[{at}]", problem=what) for at in sorted(set(bad))]
        raise Refused(422, "no-prediction", "The model has no prediction for a row.", problems)


def _infinite(label: Any) -> bool:
    """Whether a label is a number that JSON cannot express."""
    return isinstance(label, float) and not math.isfinite(label)
