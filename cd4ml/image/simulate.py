"""The built image, started and called as in production: what it is made of, and whether it predicts what was scored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.builders.builder import Builder, Container

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS: Final = 1000
# The same row in a batch of another size may differ in the last bits: sums are taken in another order.
_RELATIVE: Final = 1e-6
_ABSOLUTE: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the running container says of itself.

    Attributes:
        log: end of the container's log, if the gateway did not become ready.
    """

    ready: bool
    warm_up: str
    uid: int
    read_only_root: bool
    writable: Sequence[str]
    build_tools: Sequence[str]
    model_sha256: str
    python: str
    columns: Sequence[str]
    optional: Sequence[str] = ()
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row of the paired tables, from 0 on, that the image predicts otherwise than it was scored."""

    row: int
    column: str
    scored: str
    served: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came of sending rows.

    Attributes:
        of: rows of the test data, of which those that were compared are every n-th; 0 if none was.
        refusal: how the gateway refused rows of the test data, None if it answered them all.
        bad_row_refused: whether a row with an unknown column was answered with 422.
    """

    compared: int
    scores_compared: bool
    of: int = 0
    differences: Sequence[Difference] = ()
    refusal: str | None = None
    bad_row_refused: bool = False


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The image's own account of itself, and its answers if rows were sent."""

    look: Look
    answers: Answers | None = field(default=None)


def simulate(
    builder: Builder,
    image: str,
    scored: Callable[[Look], Scored] | None,
    *,
    seconds: float,
) -> Simulation:
    """Start the image, look at it, send it rows, and stop it whatever happens.

    Args:
        scored: returns rows and their scored predictions for what the image says of itself; None sends no rows.
        seconds: how long the gateway may take to become ready.

    Raises:
        UnavailableError: the builder does not answer.
    """
    container = builder.start(image)
    try:
        look = _look(builder, container, seconds)
        if scored is None or not look.ready or not look.columns:
            return Simulation(look=look)
        return Simulation(look=look, answers=_ask(builder, container, scored(look)))
    finally:
        builder.stop(container)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows as the gateway takes them, and what score-model made of each: same length, same order.

    Attributes:
        of: rows that there are; those here are every `step`-th of them.
    """

    rows: Sequence[Mapping[str, Any]]
    y_pred: Sequence[Any]
    y_score: Sequence[Any] | None
    of: int
    step: int = 1


def scored_rows(
    test: pd.DataFrame, predictions: pd.DataFrame, columns: Sequence[str], optional: Sequence[str] = ()
) -> Scored:
    """Pair rows of the test data with their predictions: by `row_id` where both have it, else by position.

    Args:
        columns: the model's columns.
        optional: those of them that may be left out.

    Raises:
        OptionsError: the tables cannot be paired, or the test data lacks a column of the model or cannot be sent.
    """
    absent = [name for name in columns if name not in test.columns and name not in optional]
    if absent:
        raise OptionsError(f"test-data lacks columns of the model: {', '.join(absent[:10])}")
    columns = [name for name in columns if name in test.columns]
    if "row_id" in test.columns and "row_id" in predictions.columns:
        test, predictions = _by_row_id(test, predictions)
    elif len(test) != len(predictions):
        raise OptionsError(
            f"test-data has {len(test)} rows and predictions {len(predictions)}: their rows cannot be matched",
            advice="Use the test data that score-model scored, or give both tables a column row_id.",
        )
    of, step = len(test), max(1, math.ceil(len(test) / _MOST_ROWS))
    test, predictions = test.iloc[::step], predictions.iloc[::step]
    rows = [
        {name: _json_value(value, name) for name, value in zip(columns, values, strict=True)}
        for values in test[list(columns)].astype(object).itertuples(index=False, name=None)
    ]
    score = predictions["y_score"].tolist() if "y_score" in predictions.columns else None
    return Scored(rows=rows, y_pred=predictions["y_pred"].tolist(), y_score=score, of=of, step=step)


def _by_row_id(test: pd.DataFrame, predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that both tables have, in one order."""
    if test["row_id"].duplicated().any() or predictions["row_id"].duplicated().any():
        raise OptionsError("row_id is not unique: rows cannot be matched")
    test, predictions = test.set_index("row_id"), predictions.set_index("row_id")
    if not predictions.index.isin(test.index).all():
        raise OptionsError("predictions has row ids that test-data does not have: it belongs to other data")
    return test.loc[predictions.index], predictions


def _json_value(value: Any, column: str) -> Any:
    """Return a table's value as JSON writes it; missing is null."""
    import pandas as pd

    if isinstance(value, str):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    number = value.item() if hasattr(value, "item") else float(value) if isinstance(value, Decimal) else value
    if not isinstance(number, bool | int | float) or (isinstance(number, float) and not math.isfinite(number)):
        what = "an infinite number" if isinstance(number, float) else f"a value of the type {type(value).__name__}"
        raise OptionsError(
            f"test-data: column {column!r} holds {what}, which JSON cannot express: no caller can send it to the image",
            advice="Remove it from the test data, or give the column another type, and score the model again.",
        )
    return number


def _probe(builder: Builder, container: Container, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Run the probe inside the container and return its answer."""
    program = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    said = builder.execute(container, program, json.dumps(request, allow_nan=False), seconds=seconds)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise UnavailableError(f"The container gave no readable answer: {said[-300:]!r}") from error
    return answer


def _look(builder: Builder, container: Container, seconds: float) -> Look:
    """Wait for the gateway and return what it says; a container that has ended is a gateway that is not ready."""
    request = {"action": "look", "port": container.port, "seconds": seconds}
    try:
        answer = _probe(builder, container, request, seconds + 60)
    except UnavailableError as error:
        log = builder.logs(container)
        if not log:
            raise
        raise UnavailableError(f"{error.message} The container's log ends: {log}") from error
    version = answer["version"]
    ready = answer["ready"] and answer["liveness"] == 200
    return Look(
        ready=ready,
        warm_up=str(answer["readiness"].get("warm_up", "")),
        uid=answer["uid"],
        read_only_root=answer["read_only_root"],
        writable=answer["writable"],
        build_tools=answer["build_tools"],
        model_sha256=answer["model_sha256"],
        python=answer["python"],
        columns=version.get("columns", ()),
        optional=version.get("optional_columns", ()),
        log="" if ready else builder.logs(container),
    )


def _ask(builder: Builder, container: Container, scored: Scored) -> Answers:
    """Send the rows and compare."""
    request = {"action": "predict", "port": container.port, "rows": scored.rows}
    answer = _probe(builder, container, request, 600)
    if answer["status"] != 200:
        problems = json.dumps(answer["error"])[:600]
        refusal = f"status {answer['status']} for the rows from {answer['first_row']} on: {problems}"
        return Answers(compared=0, scores_compared=False, refusal=refusal)
    served = answer["predictions"]
    if len(served) != len(scored.rows):
        refusal = f"{len(served)} predictions for {len(scored.rows)} rows"
        return Answers(compared=0, scores_compared=False, refusal=refusal)
    return Answers(
        compared=len(served),
        scores_compared=scored.y_score is not None,
        of=scored.of,
        differences=_differences(scored, served),
        bad_row_refused=answer["bad_row_status"] == 422,
    )


def _differences(scored: Scored, served: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return every row whose label or score is not the scored one."""
    found = []
    for index, answer in enumerate(served):
        pairs = [("y_pred", scored.y_pred[index])]
        if scored.y_score is not None:
            pairs.append(("y_score", scored.y_score[index]))
        for column, expected in pairs:
            if not same(expected, answer[column]):
                row, given = index * scored.step, str(answer[column])
                found.append(Difference(row=row, column=column, scored=str(expected), served=given))
    return found


def same(scored: Any, served: Any) -> bool:
    """Whether two predictions are equal: fractions up to rounding (1 is 1.0), the rest exactly."""
    if served is None:
        return False
    if isinstance(served, str) and isinstance(scored, str):
        return served == scored
    if isinstance(served, str) and hasattr(scored, "isoformat"):
        return _same_moment(scored.isoformat(), served)
    try:
        if isinstance(served, float):
            return math.isclose(float(scored), served, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        # Whole numbers are labels: with a tolerance, 1000001 and 1000002 would be one class.
        return Decimal(scored) == Decimal(served)
    except (TypeError, ValueError, ArithmeticError):
        return str(scored) == str(served)


def _same_moment(scored: str, served: str) -> bool:
    """Whether two times or durations in ISO 8601 are the same; a day is its first moment."""
    import pandas as pd

    try:
        return scored == served or pd.Timestamp(scored) == pd.Timestamp(served)
    except (ValueError, TypeError):
        return False
