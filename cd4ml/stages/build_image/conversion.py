"""The road on which the image serves the model: ONNX Runtime where that is proven equal, else the model's own library.

Proven on every test row, and on rows derived from them: one with each value missing that may be, one with each text
unseen. What the model refuses, its conversion must refuse as well. A model of tensors whose answer to a row changes
with the rows beside it is served on no road.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.image.runtime import Obstacle, dependence_check, native_check, onnx_check
from cd4ml.data.tables.opening import open_table
from cd4ml.digests import folder_sha256
from cd4ml.errors import OptionsError
from cd4ml.image.comparison import CONVERTED, SAME_LIBRARY, Tolerance
from cd4ml.image.pairing import columns_of
from cd4ml.inputs.runtime import Runtime
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
from cd4ml.scoring.scorer import Limits
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate, Code
from cd4ml.stages.build_image.report import Part
from cd4ml.stages.build_image.requirements import gateway_requirements
from cd4ml.stages.proof import TEST_ROWS, Tables, dependence, derived, difference, other_batches

_LIMITS: Final = Limits(seconds=600)
# So many rows must be compared, here and in the image.
MINIMUM_ROWS: Final = 20


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
    if why := dependence(tables, found.predictions):
        return _native(candidate, dependence_check(why))
    python = base.contents.python
    wanted = (*RUNTIME, *gateway_requirements(kafka_events=inputs.options.kafka_events))
    lock = locked(wanted, python_version=python, context=inputs.context)
    said = ask(found.ways, tables.json, lock=lock, python=python, limits=_LIMITS, context=inputs.context)
    return _compared(tables, found, said, lock)


def _compared(tables: Tables, found: Conversion, said: Sequence[_Said], lock: str) -> Road:
    """Return the road of the first conversion that is equal."""
    problems: list[str] = []
    open_ones: list[str] = []
    for way, answers in zip(found.ways, said, strict=True):
        if isinstance(answers, NotTried):
            open_ones.append(f"{way.name}: {answers}")
            continue
        problem = _odd_operators(way) or difference(tables, found.predictions, answers)
        if problem is None:
            return _proven(way, tables, lock)
        # What differs says more than what does not load.
        problems.insert(len(problems) if isinstance(answers, str) else 0, f"{way.name}: {problem}")
    if open_ones:
        raise _Unproven("not-tried", f"its conversion could not be asked: {'; '.join(open_ones)}", tried=False)
    raise _Unproven("not-equal", f"its conversion is not equal to it: {'; '.join(problems)}")


def _proven(way: Way, tables: Tables, lock: str) -> Road:
    """Return the road of a conversion that is equal."""
    rows = int(tables.json[0]["rows"])
    edges = sum(int(table["rows"]) for table in tables.json[1:])
    return Road(
        runtime=Runtime.ONNX,
        folder=way.folder,
        lock=lock,
        sha256=folder_sha256(way.folder),
        tolerance=CONVERTED,
        check=onnx_check(way=way.name, rows=rows, edges=edges, batches=bool(tables.batches), tolerance=CONVERTED),
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


def _tables(inputs: Inputs, columns: Sequence[Input]) -> Tables:
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
    rows = [(edge.name, edge.frame) for edge in derived(test, columns)]
    batches = other_batches(len(test), columns)
    rows += [(name, test.iloc[list(places)]) for name, places in batches.items()]
    names = [one.name for one in columns]
    frames = [test, *(frame for _, frame in rows)]
    try:
        tables = [{"columns": columns_of(frame, names), "rows": len(frame)} for frame in frames]
    except OptionsError as error:
        raise _Unproven("not-sendable", str(error)) from error
    return Tables(frames=frames, names=[TEST_ROWS, *(name for name, _ in rows)], json=tables, batches=batches)
