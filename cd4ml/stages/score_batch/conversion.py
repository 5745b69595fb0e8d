"""What scores the table: the model converted to ONNX where that is proven equal and quicker, else its own library.

Proven on the first rows of the table, and on rows derived from them: one with each value missing that may be, one with
each text unseen. While the table is scored the model itself is asked for some rows of each part, and the first
difference ends the conversion.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.checks.image.runtime import Obstacle
from cd4ml.checks.scoring.runtime import conversion_check, library_check
from cd4ml.context import Context
from cd4ml.data.predictions.table import CLASS_SCORE
from cd4ml.data.tables.table import as_frame, framed
from cd4ml.digests import folder_sha256
from cd4ml.image.comparison import CONVERTED
from cd4ml.image.pairing import largest
from cd4ml.inputs.runtime import Runtime
from cd4ml.model_files.signature import Input, inputs
from cd4ml.report import Check
from cd4ml.scoring.batch.checked import SHARE, UnequalError, as_expected, difference
from cd4ml.scoring.batch.kernel import Fast, Kernel, Loading, kernel
from cd4ml.scoring.conversion.run import RUNTIME, Conversion, NotConverted, NotTried, Signature, Way, convert
from cd4ml.scoring.environment import locked, model_environment
from cd4ml.scoring.scorer import ScoringError
from cd4ml.stages.proof import Edge, derived
from cd4ml.stages.score_batch.rows import Columns, Rows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SAMPLE: Final = 20_000
_FEWEST: Final = 20
_ENVIRONMENT: Final = (*RUNTIME, "pyarrow>=15")
_SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class Road:
    """What scores the table.

    Attributes:
        fast: the conversion, None where the model's own library scores it.
        details: of the report.
        identity: what predictions follow from, beside the model.
    """

    check: Check
    fast: Fast | None = None
    details: Mapping[str, Any]
    identity: str = "native"


class _Unproven(Exception):
    """The conversion is not known to be equal to its model, or to be quicker."""

    def __init__(self, reason: str, why: str, *, tried: bool = True) -> None:
        super().__init__(why)
        self.obstacle = Obstacle(reason=reason, why=why, tried=tried)


def choose(
    wanted: Runtime | None, loading: Loading, rows: Rows, columns: Columns, sha256: str, scratch: Path, context: Context
) -> Road:
    """Convert the model and compare, if the option lets it; else, or if that fails, its own library scores the table.

    Args:
        sha256: digest of the model's folder.
        scratch: a folder of this run's own, which stays as long as it scores.

    Raises:
        UnavailableError, OptionsError: an environment cannot be made, or the rows cannot be read.
    """
    if wanted is None or wanted is Runtime.NATIVE:
        return native(None, demanded=False)
    try:
        return _trial(loading, rows, columns, scratch, context).road(sha256, wanted)
    except _Unproven as error:
        return native(error.obstacle, demanded=wanted is Runtime.ONNX)
    except ScoringError as error:
        why = f"the model has no answer to the first rows: {error}"
        return native(Obstacle(reason="not-tried", why=why, tried=False), demanded=wanted is Runtime.ONNX)


def native(obstacle: Obstacle | None, *, demanded: bool) -> Road:
    """Return the road on which the model's own library scores the table."""
    return Road(check=library_check(obstacle, demanded=demanded), details={"name": "native"})


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """The trial of a conversion.

    Attributes:
        takes: the model's columns.
        sample: rows as the model is shown them, and `edges` derived from them.
    """

    loading: Loading
    scratch: Path
    context: Context
    takes: Sequence[Input]
    sample: pa.Table
    edges: Sequence[Edge]

    def road(self, sha256: str, wanted: Runtime) -> Road:
        """Return the road of the first conversion that is equal.

        Raises:
            _Unproven: there is none.
            ScoringError: the model has no answer.
        """
        found = self._converted(sha256)
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        lock = locked(_ENVIRONMENT, python_version=python, context=self.context)
        interpreter = model_environment(lock, python_version=python, context=self.context)
        with self._asked(self.loading, "model") as model:
            expected, seconds = self._timed(model)
        problems = []
        for way in found.ways:
            try:
                fast, quick = self._proven(way, interpreter, expected, found.predictions[1:])
            except ScoringError as error:
                problems.append(f"{way.name}: {error}")
                continue
            if wanted is Runtime.AUTO and quick > seconds:
                raise _Unproven(
                    "not-quicker", f"ONNX Runtime took {quick / seconds:.1f} times as long on its first rows"
                )
            return self._road(way, fast)
        raise _Unproven("not-equal", f"its conversion is not equal to it: {'; '.join(problems)}")

    def _converted(self, sha256: str) -> Conversion:
        """Return what came of converting the model."""
        loading = self.loading
        columns = [{"name": one.name, "type": one.type, "required": one.required} for one in self.takes]
        try:
            return convert(
                loading.model,
                self.scratch / "onnx",
                [as_frame(self.sample), *(edge.frame for edge in self.edges)],
                given=Signature(sha256=sha256, columns=columns, positive_label=loading.positive_label),
                allow_code=loading.allow_code,
                limits=replace(loading.limits, seconds=max(loading.limits.seconds, _SECONDS)),
                context=self.context,
            )
        except NotConverted as error:
            raise _Unproven("not-convertible", f"it cannot be converted: {error}") from error
        except NotTried as error:
            raise _Unproven("not-tried", f"its conversion did not end: {error}", tried=False) from error

    @contextmanager
    def _asked(self, loading: Loading, name: str) -> Iterator[Kernel]:
        """Start a kernel in a folder of its own."""
        folder = self.scratch / f"trial-{name}"
        folder.mkdir()
        with kernel(loading, folder, self.context.environ) as (found, _):
            yield found

    def _timed(self, asked: Kernel) -> tuple[pa.Table, float]:
        """Return the predictions of the sample, and the seconds that they take once the model is warm."""
        for _ in range(2):
            began = time.monotonic()
            asked.ask(self.sample)
            found = asked.answer(self.loading.limits.seconds)
        return found, time.monotonic() - began

    def _proven(
        self, way: Way, interpreter: Path, expected: pa.Table, of_edges: Sequence[pd.DataFrame | ScoringError]
    ) -> tuple[Fast, float]:
        """Return a conversion that is equal, and the seconds that it takes for the sample.

        Args:
            expected: what the model says of the sample, and `of_edges` of each derived row.

        Raises:
            ScoringError: it differs, or has no answer.
        """
        fast = Fast(
            folder=way.folder,
            interpreter=interpreter,
            scores=[name for name in expected.column_names if name != "y_pred"],
            gaps=[edge.column for edge in self.edges if not edge.unseen],
            tolerance=_tolerance(expected),
        )
        with self._asked(replace(self.loading, fast=fast), way.folder.name) as conversion:
            found, seconds = self._timed(conversion)
            if why := difference(as_expected(found, expected), expected, fast.tolerance):
                raise UnequalError(why)
            pairs = zip(self.edges, of_edges, strict=True)
            odd = [edge for edge, told in pairs if not self._same(conversion, edge, told, expected, fast)]
        if unseen := [edge.name for edge in odd if edge.unseen]:
            raise UnequalError(f"it differs in {unseen[0]}")
        # What differs only where values are missing scores the parts where none is.
        missing = {edge.column for edge in odd}
        return replace(fast, gaps=sorted(set(fast.gaps) - missing)), seconds

    def _same(
        self, conversion: Kernel, edge: Edge, told: pd.DataFrame | ScoringError, expected: pa.Table, fast: Fast
    ) -> bool:
        """Whether a conversion says of a derived row what the model says of it, or refuses it as that does."""
        import pyarrow as pa

        conversion.ask(framed(pa.Table.from_pandas(edge.frame, preserve_index=False)))
        try:
            found = as_expected(conversion.answer(self.loading.limits.seconds), expected)
        except ScoringError:
            return isinstance(told, ScoringError)
        return not isinstance(told, ScoringError) and not difference(found, _named(told, expected), fast.tolerance)

    def _road(self, way: Way, fast: Fast) -> Road:
        """Return the road of a conversion that is equal."""
        rows, edges = self.sample.num_rows, len(self.edges)
        proof = {"rows": rows, "derived_rows": edges, "share": SHARE, "gaps": list(fast.gaps)}
        tolerance = {"relative_tolerance": CONVERTED.relative, "absolute_tolerance": CONVERTED.absolute}
        return Road(
            check=conversion_check(way=way.name, rows=rows, edges=edges, share=SHARE, tolerance=CONVERTED),
            fast=fast,
            details={"name": "onnx", "conversion": way.name, **proof, **tolerance},
            identity=folder_sha256(way.folder),
        )


def _trial(loading: Loading, rows: Rows, columns: Columns, scratch: Path, context: Context) -> _Trial:
    """Return the trial of a model on the first rows of a table.

    Raises:
        _Unproven: these cannot prove anything.
    """
    takes = inputs(loading.model)
    if takes is None or any(one.type == "tensor" for one in takes):
        raise _Unproven("no-signature", "its signature names no columns")
    _, first = next(iter(rows.parts.read([0], columns.read)))
    sample = framed(first.slice(0, _SAMPLE).select(list(columns.shown)))
    if sample.num_rows < _FEWEST:
        raise _Unproven("too-few-rows", f"{_FEWEST} rows are needed to prove a conversion equal")
    odd = [one.name for one in takes if one.name in sample.column_names and not _fits(sample.schema, one)]
    if odd:
        raise _Unproven("not-sendable", f"columns have other types than its own: {', '.join(odd[:5])}")
    edges = derived(as_frame(sample.slice(0, _FEWEST)), takes, empty=True)
    return _Trial(loading=loading, scratch=scratch, context=context, takes=takes, sample=sample, edges=edges)


def _fits(schema: pa.Schema, column: Input) -> bool:
    """Whether the model's library takes each value of a column as it is."""
    import pyarrow.types as types

    kind = schema.field(column.name).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if column.type == "string":
        return bool(types.is_string(kind) or types.is_large_string(kind))
    if column.type == "boolean":
        return bool(types.is_boolean(kind))
    if column.type in ("float", "double"):
        return bool(types.is_floating(kind) or types.is_integer(kind))
    widest = {"integer": 32, "long": 64}.get(column.type, 0)
    return bool(types.is_signed_integer(kind) and kind.bit_width <= widest)


def _tolerance(expected: pa.Table) -> dict[str, tuple[float, float]]:
    """Return how far the values of each column may lie apart, by what the model says; labels may not."""
    import pyarrow.types as types

    labels = "y_pred" if expected.num_columns > 1 else ""
    return {
        field.name: (CONVERTED.relative, CONVERTED.up_to(largest(expected.column(field.name).to_pylist())).absolute)
        for field in expected.schema
        if field.name != labels and types.is_floating(field.type)
    }


def _named(told: pd.DataFrame, expected: pa.Table) -> pa.Table:
    """Return what the model says of a row when it is converted, with the columns of its other predictions."""
    import pyarrow as pa

    scores = [name for name in told.columns if name.startswith(CLASS_SCORE)]
    if "y_score" in expected.column_names:
        scores = ["y_score"]
    names = ["y_pred", *scores[: expected.num_columns - 1]]
    found = pa.Table.from_pandas(told[names], preserve_index=False)
    return as_expected(found.rename_columns(expected.column_names), expected)
