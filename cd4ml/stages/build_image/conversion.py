"""The road on which the image serves the model: ONNX Runtime where that is proven equal, else the model's own library.

Proven on every test row, and on rows derived from them: one with each value missing that may be, one with each text
unseen. What the model refuses, its conversion must refuse as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.checks.image.runtime import Obstacle, native_check, onnx_check
from cd4ml.data.predictions.table import CLASS_SCORE
from cd4ml.data.tables.opening import open_table
from cd4ml.digests import folder_sha256
from cd4ml.errors import OptionsError
from cd4ml.image.comparison import CONVERTED, EXACT, SAME_LIBRARY, Tolerance, same
from cd4ml.image.pairing import columns_of
from cd4ml.model_files import contents, onnx_files
from cd4ml.model_files.signature import Input, inputs as inputs_of
from cd4ml.report import Check
from cd4ml.scoring.conversion.run import (
    MODEL,
    RUNTIME,
    Answer,
    Conversion,
    NotConverted,
    NotTried,
    Signature,
    Way,
    ask,
    convert,
)
from cd4ml.scoring.environment import locked
from cd4ml.scoring.scorer import Limits, ScoringError
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate, Code
from cd4ml.stages.build_image.options import Runtime
from cd4ml.stages.build_image.report import Part
from cd4ml.stages.build_image.requirements import gateway_requirements

if TYPE_CHECKING:
    import pandas as pd

_LIMITS: Final = Limits(seconds=600)
_EDGE_ROWS: Final = 3
# So many rows must be compared, here and in the image.
MINIMUM_ROWS: Final = 20
_TEST_ROWS: Final = "the test rows"
_UNSEEN: Final = "cd4ml: a text that no row has"


@dataclass(frozen=True, kw_only=True)
class Road:
    """What becomes the model's folder in the image.

    Attributes:
        sha256: digest of that folder.
        tolerance: how far the image's scores may lie from the scored ones.
        proof: on what the model was proven equal, for the report.
        lock: the requirements with which it was proven, and no others may serve it; empty where nothing was.
    """

    runtime: Runtime
    folder: Path
    sha256: str
    tolerance: Tolerance
    check: Check
    proof: dict[str, Any]
    lock: str = ""

    @property
    def part(self) -> Part:
        """See Found."""
        return Part(checks=(self.check,), details={"runtime": {"name": str(self.runtime), **self.proof}})


_Said = list[Answer] | str | NotTried


class _Unproven(Exception):
    """The model is not known to be equal to its conversion."""

    def __init__(self, reason: str, why: str, *, tried: bool = True) -> None:
        super().__init__(why)
        self.obstacle = Obstacle(reason=reason, why=why, tried=tried)


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """The test rows, and rows derived from them: as the model takes them, and as JSON has them."""

    frames: Sequence[pd.DataFrame]
    names: Sequence[str]
    json: Sequence[dict[str, Any]]


def choose_road(inputs: Inputs, candidate: Candidate, code: Code, base: BaseImage) -> Road:
    """Convert the model and compare, if the option lets it; else, or if that fails, its own library serves it.

    Raises:
        UnavailableError: an environment cannot be made.
    """
    wanted = inputs.options.runtime
    if wanted is Runtime.NATIVE:
        return _native(candidate, native_check(None, demanded=False))
    try:
        return _fast(inputs, candidate, code, base)
    except _Unproven as error:
        return _native(candidate, native_check(error.obstacle, demanded=wanted is Runtime.ONNX))


def _native(candidate: Candidate, check: Check) -> Road:
    """Return the road on which the model's own library serves it."""
    return Road(
        runtime=Runtime.NATIVE,
        folder=candidate.folder,
        sha256=candidate.identity.sha256,
        tolerance=SAME_LIBRARY,
        check=check,
        proof={},
    )


def _fast(inputs: Inputs, candidate: Candidate, code: Code, base: BaseImage) -> Road:
    """Return the fast road."""
    columns = inputs_of(candidate.folder)
    if columns is None:
        raise _Unproven("no-signature", "its signature names no columns")
    tables = _tables(inputs, columns)
    given = Signature(
        sha256=candidate.identity.sha256,
        columns=[{"name": one.name, "type": one.type, "required": one.required} for one in columns],
        file=_onnx_file(candidate.folder),
        positive_label=inputs.options.positive_label,
    )
    try:
        found = convert(
            candidate.folder,
            inputs.scratch / "onnx",
            tables.frames,
            given=given,
            allow_code=bool(code.findings),
            limits=_LIMITS,
            context=inputs.context,
        )
    except NotConverted as error:
        raise _Unproven("not-convertible", f"it cannot be converted: {error}") from error
    except NotTried as error:
        raise _Unproven("not-tried", f"its conversion did not end: {error}", tried=False) from error
    python = base.contents.python
    wanted = (*RUNTIME, *gateway_requirements(kafka_events=inputs.options.kafka_events))
    lock = locked(wanted, python_version=python, context=inputs.context)
    said = ask(found.ways, tables.json, lock=lock, python=python, limits=_LIMITS, context=inputs.context)
    return _compared(tables, found, said, lock)


def _compared(tables: _Tables, found: Conversion, said: Sequence[_Said], lock: str) -> Road:
    """Return the road of the first conversion that is equal."""
    problems: list[str] = []
    open_ones: list[str] = []
    for way, answers in zip(found.ways, said, strict=True):
        if isinstance(answers, NotTried):
            open_ones.append(f"{way.name}: {answers}")
            continue
        problem = _odd_operators(way) or _difference(tables, found.predictions, answers)
        if problem is None:
            return _proven(way, tables, lock)
        # What differs says more than what does not load.
        problems.insert(len(problems) if isinstance(answers, str) else 0, f"{way.name}: {problem}")
    if open_ones:
        raise _Unproven("not-tried", f"its conversion could not be asked: {'; '.join(open_ones)}", tried=False)
    raise _Unproven("not-equal", f"its conversion is not equal to it: {'; '.join(problems)}")


def _proven(way: Way, tables: _Tables, lock: str) -> Road:
    """Return the road of a conversion that is equal."""
    rows = int(tables.json[0]["rows"])
    edges = sum(int(table["rows"]) for table in tables.json[1:])
    return Road(
        runtime=Runtime.ONNX,
        folder=way.folder,
        lock=lock,
        sha256=folder_sha256(way.folder),
        tolerance=CONVERTED,
        check=onnx_check(way=way.name, rows=rows, edges=edges, tolerance=CONVERTED),
        proof={
            "conversion": way.name,
            "rows": rows,
            "derived_rows": edges,
            "relative_tolerance": CONVERTED.relative,
            "absolute_tolerance": CONVERTED.absolute,
        },
    )


def _onnx_file(folder: Path) -> Path | None:
    """Return the file of a model that is an ONNX model already."""
    files = [file.name for file in contents(folder).loaded if file.format == "onnx"]
    return folder / files[0] if len(files) == 1 else None


def _odd_operators(way: Way) -> str | None:
    """Return what the ONNX file needs beyond the runtime's own operators."""
    return "; ".join(onnx_files.findings(way.folder / MODEL)[:3]) or None


def _tables(inputs: Inputs, columns: Sequence[Input]) -> _Tables:
    """Return the test rows and those derived from them."""
    options = inputs.options
    if not options.test_data:
        raise _Unproven("no-test-data", "there is no test-data to prove it equal on")
    test = open_table(options.test_data, reading=options.reading).frame()
    absent = [one.name for one in columns if one.name not in test.columns and one.required]
    if absent or not len(test):
        raise _Unproven("no-test-data", f"test-data has no rows, or lacks columns: {', '.join(absent[:5])}")
    if len(test) < MINIMUM_ROWS:
        raise _Unproven("too-few-rows", f"test-data has {len(test)} rows; {MINIMUM_ROWS} are needed to prove it equal")
    test = test[[one.name for one in columns if one.name in test.columns]]
    derived = list(_derived(test, columns))
    names = [one.name for one in columns]
    frames = [test, *(frame for _, frame in derived)]
    try:
        tables = [{"columns": columns_of(frame, names), "rows": len(frame)} for frame in frames]
    except OptionsError as error:
        raise _Unproven("not-sendable", str(error)) from error
    return _Tables(frames=frames, names=[_TEST_ROWS, *(name for name, _ in derived)], json=tables)


def _derived(test: pd.DataFrame, columns: Sequence[Input]) -> list[tuple[str, pd.DataFrame]]:
    """Return a few of the rows with each column's value missing, where it may be, and with each text unseen.

    Each is a table of its own: a row that is refused says nothing of those beside it.
    """
    few, found = [test.iloc[[at]] for at in range(min(len(test), _EDGE_ROWS))], []
    for column in columns:
        name = column.name
        if name in test.columns and (column.type in ("float", "double", "string") or not column.required):
            found += [(f"test row {at} without `{name}`", _filled(row, name, None)) for at, row in enumerate(few)]
        if name in test.columns and column.type == "string":
            found += [
                (f"test row {at} with an unseen `{name}`", _filled(row, name, _UNSEEN)) for at, row in enumerate(few)
            ]
    return found


def _filled(rows: pd.DataFrame, name: str, value: str | None) -> pd.DataFrame:
    """Return the rows with one value everywhere in a column."""
    changed = rows.copy()
    changed[name] = [value] * len(rows)
    return changed


def _difference(
    tables: _Tables, scored: Sequence[pd.DataFrame | ScoringError], answers: Sequence[Answer] | str
) -> str | None:
    """Return the first difference between the model's answers and its conversion's, None if there is none."""
    if isinstance(answers, str):
        return answers
    tolerances: dict[str, Tolerance] = {}
    if scored and not isinstance(scored[0], ScoringError):
        tolerances = _tolerances(scored[0])
    for name, expected, answer in zip(tables.names, scored, answers, strict=True):
        if isinstance(expected, ScoringError):
            # The test rows are compared, every one: that both refuse the table, for one row in it, shows nothing.
            if name == _TEST_ROWS or (expected.row is None and not expected.refused):
                return f"the model has no predictions for {name}: {expected}"
            if answer.refused is None:
                return f"the model refuses {name}, and its conversion answers"
            continue
        if answer.refused is not None:
            return f"the model answers {name}, and its conversion refuses ({answer.refused})"
        found = _first(expected, answer, tolerances)
        if found:
            return f"{found} of {name}"
    return None


def _tolerances(test: pd.DataFrame) -> dict[str, Tolerance]:
    """Return how far the values of each column may lie apart, by what the model says of the test rows."""
    found = {str(name): CONVERTED.within(test[name].tolist()) for name in test.columns}
    if len(found) > 1:  # there are scores: what is predicted are labels
        found["y_pred"] = EXACT
    return found


def _first(expected: pd.DataFrame, answer: Answer, tolerances: Mapping[str, Tolerance]) -> str | None:
    """Return the first value that differs, None if there is none."""
    chances = [name for name in expected.columns if str(name).startswith(CLASS_SCORE)]
    served: dict[str, Sequence[Any] | None] = {"y_pred": answer.y_pred, "y_score": answer.y_score}
    for position, name in enumerate(chances):
        served[name] = None if answer.probabilities is None else [row[position] for row in answer.probabilities]
    for name, values in served.items():
        if (name in expected.columns) != (values is not None):
            return f"{name} is given by one of them alone"
        if values is None:
            continue
        wanted = expected[name].tolist()
        if len(wanted) != len(values):
            return f"{name} has {len(values)} values"
        tolerance = tolerances.get(name, EXACT)
        bad = [at for at, pair in enumerate(zip(wanted, values, strict=True)) if not same(*pair, tolerance)]
        if bad:
            at, many = bad[0], f"{name} of {len(bad):,} rows differs"
            return f"{many}; the first is {values[at]!s:.40}, not {wanted[at]!s:.40}, in row {at}"
    return None
