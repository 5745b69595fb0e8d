"""What is decided about the running container, and how rows and predictions are paired."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.checks.image.simulation import container_checks, prediction_checks
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.builders.builder import Image
from cd4ml.image.comparison import CONVERTED, SAME_LIBRARY, Difference, Tolerance, differences, same
from cd4ml.image.pairing import scored_rows
from cd4ml.image.push import push
from cd4ml.image.reference import Reference, parse
from cd4ml.image.simulate import Answers, Look, said
from cd4ml.report import Status
from cd4ml.serving.telemetry.log import line_of

GOOD = Look(
    ready=True,
    warm_up="example",
    uid=65532,
    read_only_root=True,
    writable=(),
    build_tools=(),
    model_sha256="a",
    python="3.11.9",
    columns=("x",),
    startup_seconds=2.0,
)


def look(user: str = "65532:65532", **changes: Any) -> dict[str, Status]:
    """Return the statuses of the checks on a look."""
    found = dataclasses.replace(GOOD, **changes)
    checks = container_checks(found, model_sha256="a", python="3.11", user=user, read_only=True, startup_seconds=60)
    return {check.id: check.status for check in checks}


def test_log__its_messages() -> None:
    """Of the gateway's log what it says is shown; of another log everything."""
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, 'no "x"', None, None)
    line = line_of(record).decode()

    assert said(f'00Z", "level": "info" {line} {line}') == 'no "x" no "x"'
    assert said("Traceback: boom") == "Traceback: boom"


@pytest.mark.parametrize(
    ("seconds", "status"), [(60.0, Status.PASSED), (60.1, Status.FAILED), (None, Status.INCONCLUSIVE)]
)
def test_ready_after_the_limit__blocks(seconds: float | None, status: Status) -> None:
    """A gateway that became ready later than a startup probe would wait is not in time; nobody knows without a time."""
    assert look(startup_seconds=seconds)["becomes-ready"] is status


def test_a_good_container_passes() -> None:
    """A ready gateway with the right model, unprivileged and without tools, passes."""
    assert set(look().values()) == {Status.PASSED}


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"ready": False, "log": "boom"}, "becomes-ready"),
        ({"model_sha256": "b"}, "serves-candidate"),
        ({"python": "3.12.1"}, "python-version"),
        ({"uid": 0}, "non-root"),
        ({"writable": ("/app/model",)}, "non-root"),
        ({"user": ""}, "non-root"),
        ({"user": "root"}, "non-root"),
        ({"user": "0:0"}, "non-root"),
        ({"build_tools": ("gcc",)}, "no-build-tools"),
        ({"read_only_root": False}, "read-only-root"),
    ],
)
def test_each_rule_can_block(changes: dict[str, Any], id: str) -> None:
    """Every rule about the container fails on its own bad case."""
    assert look(**changes)[id] is Status.FAILED


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("OSError: libgomp.so.1: cannot open shared object file: No such file", "name libgomp1 in system-packages"),
        ("ImportError: libx-2.so: cannot open shared object file", "the Debian package that has it in system-packages"),
        ("ValueError: boom", "locked requirements"),
    ],
)
def test_a_library_that_the_base_lacks_is_named(log: str, says: str) -> None:
    """LightGBM without OpenMP does not load: the advice is the package to add."""
    found = dataclasses.replace(GOOD, ready=False, log=log)
    rules: dict[str, Any] = {"model_sha256": "a", "python": "3.11", "user": "65532:65532", "read_only": True}
    ready = container_checks(found, **rules, startup_seconds=60)[0]
    assert ready.status is Status.FAILED and says in str(ready.advice)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (Answers(compared=20, scores_compared=True, bad_row_refused=True), Status.PASSED),
        (Answers(compared=19, scores_compared=True, bad_row_refused=True), Status.INCONCLUSIVE),
        (Answers(compared=0, scores_compared=True, bad_row_refused=True), Status.INCONCLUSIVE),
        (Answers(compared=0, scores_compared=False, refusal="status 422"), Status.FAILED),
        (None, Status.FAILED),
        (
            Answers(
                compared=20,
                scores_compared=True,
                bad_row_refused=True,
                differences=(Difference(row=3, column="y_pred", scored="1", served="0"),),
            ),
            Status.FAILED,
        ),
    ],
)
def test_predictions_must_match(answers: Answers | None, status: Status) -> None:
    """Only enough equal rows pass; refused rows, other predictions and no comparison at all do not."""
    checks = {check.id: check for check in prediction_checks(answers, minimum_rows=20)}
    assert checks["predictions-match"].status is status


def test_a_gateway_that_takes_anything_blocks() -> None:
    """An image that answers a row with an unknown column is not this suite's gateway."""
    checks = prediction_checks(Answers(compared=20, scores_compared=True, bad_row_refused=False), minimum_rows=20)
    assert {check.id: check.status for check in checks}["refuses-bad-input"] is Status.FAILED


@pytest.mark.parametrize(
    ("scored", "served", "equal"),
    [
        (1, 1.0, True),
        ("yes", "yes", True),
        (0.1, 0.1 + 1e-12, True),
        (0.1, 0.1001, False),
        (1, 0, False),
        ("yes", "no", False),
        ("yes", None, False),
        (float("nan"), 0.5, False),
        (0.0, 1e-3, False),
        (True, 1, True),
        (1, "01", True),
        (2.0, 2, True),
        (1_000_001, 1_000_002, False),
        ("1000001", "1000002", False),
        (2**53, 2**53 + 1, False),
        ("01234", "1234", False),
    ],
)
def test_what_counts_as_the_same(scored: Any, served: Any, equal: bool) -> None:
    """Fractions are equal up to rounding, labels exactly; nothing equals a missing answer or not-a-number."""
    assert same(scored, served) is equal


def test_rows_are_paired_by_id() -> None:
    """With row ids on both sides the order does not matter."""
    test = pd.DataFrame({"row_id": [1, 2, 3], "x": [10.0, 20.0, None]})
    predictions = pd.DataFrame({"row_id": [3, 1], "y_pred": [30, 10]})
    found = scored_rows(test, predictions, ["x"])
    assert list(found.rows) == [{"x": None}, {"x": 10.0}] and list(found.y_pred) == [30, 10]


def test_a_part_of_the_rows_is_never_taken_for_all() -> None:
    """Of many rows an even part is sent; the message says so, and differences are numbered as in the test data."""
    test = pd.DataFrame({"x": range(2_500)})
    scored = scored_rows(test, pd.DataFrame({"y_pred": range(2_500)}), ["x"])
    assert (len(scored.rows), scored.of, scored.step) == (834, 2_500, 3)
    assert [row["x"] for row in scored.rows] == list(scored.y_pred) == list(range(0, 2_500, 3))

    served = [{"y_pred": label, "y_score": None} for label in scored.y_pred]
    served[2]["y_pred"] = 7
    (difference,) = differences(scored, served)
    assert (difference.row, difference.scored, difference.served) == (6, "6", "7")

    for found in ((), (difference,)):
        answers = Answers(compared=834, of=2_500, scores_compared=False, differences=found, bad_row_refused=True)
        assert "834 of 2,500, evenly spread" in prediction_checks(answers, minimum_rows=20)[0].message
    whole = Answers(compared=60, of=60, scores_compared=False, bad_row_refused=True)
    assert "evenly" not in prediction_checks(whole, minimum_rows=20)[0].message


@pytest.mark.parametrize("tolerance", [SAME_LIBRARY, CONVERTED])
@pytest.mark.parametrize(
    ("predictions", "served"),
    [
        ({"y_pred": [1e-10, 5e-10, 9e-10]}, [0.0, 0.0, 0.0]),
        ({"y_pred": [200000.0, 200001.0], "y_score": [0.2, 0.7]}, [200001.0, 200000.0]),
        ({"y_pred": [0.0, 0.0], "y_score": [0.2, 0.7]}, [1e-10, 1e-10]),
    ],
)
def test_small_values_and_labels_in_fractions_are_told_apart(
    predictions: Any, served: list[float], tolerance: Tolerance
) -> None:
    """The absolute tolerance is in proportion to a column of small values, and no tolerance joins two classes."""
    scored = scored_rows(pd.DataFrame({"x": range(len(served))}), pd.DataFrame(predictions), ["x"])
    scores = predictions.get("y_score", served)
    answers = [{"y_pred": label, "y_score": score} for label, score in zip(served, scores, strict=True)]
    assert len(differences(scored, answers, tolerance)) == len(served)


@pytest.mark.parametrize(
    ("test", "predictions", "problem"),
    [
        ({"x": [1.0]}, {"y_pred": [1, 2]}, "cannot be matched"),
        ({"z": [1.0]}, {"y_pred": [1]}, "lacks columns"),
        ({"x": [1.0], "row_id": [1]}, {"y_pred": [1], "row_id": [2]}, "other data"),
        ({"x": [1.0, 2.0], "row_id": [1, 1]}, {"y_pred": [1, 2], "row_id": [1, 2]}, "not unique"),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(test: Any, predictions: Any, problem: str) -> None:
    """Rows are never compared with predictions of other rows."""
    with pytest.raises(OptionsError, match=problem):
        scored_rows(pd.DataFrame(test), pd.DataFrame(predictions), ["x"])


class _Registry:
    """An engine that has some image under every tag, and whose registry serves some image under every digest."""

    def __init__(self, served: str | None, tagged: str | None = "sha256:built") -> None:
        self.served = served
        self.tagged = tagged
        self.pushed = False

    def push(self, image: Reference) -> str:
        self.pushed = True
        return "sha256:" + "d" * 64

    def pull(self, reference: Reference) -> None:
        assert reference.digest == "sha256:" + "d" * 64

    def image(self, reference: str) -> Image | None:
        found = self.served if "@" in reference else self.tagged
        return Image(id=found, user="", labels={}) if found else None


@pytest.mark.parametrize("served", ["sha256:other", None])
def test_a_registry_that_serves_something_else_is_caught(served: str | None) -> None:
    """After the push the registry must serve exactly the image that was checked."""
    with pytest.raises(UnavailableError, match="is not the image"):
        push(_Registry(served), parse("a/b:c", "image"), "sha256:built")  # type: ignore[arg-type]
    assert push(_Registry("sha256:built"), parse("a/b:c", "image"), "sha256:built")  # type: ignore[arg-type]


@pytest.mark.parametrize("tagged", ["sha256:other", None])
def test_a_name_that_means_another_image_by_now_is_not_pushed(tagged: str | None) -> None:
    """What another process built under the same name meanwhile was not checked here, and is not pushed."""
    engine = _Registry("sha256:built", tagged)
    with pytest.raises(UnavailableError, match="nothing was pushed"):
        push(engine, parse("a/b:c", "image"), "sha256:built")  # type: ignore[arg-type]
    assert not engine.pushed


@pytest.mark.parametrize(
    ("scored", "served", "equal"),
    [
        (pd.Timestamp("2024-05-31T08:00:00"), "2024-05-31T08:00:00", True),
        (datetime.date(2024, 5, 31), "2024-05-31T00:00:00", True),
        (pd.Timestamp("2024-05-31T08:00:00"), "2024-05-31T08:00:01", False),
        (pd.Timedelta(minutes=90), "P0DT1H30M0S", True),
        (pd.Timedelta(minutes=90), "P0DT1H31M0S", False),
        (pd.Timestamp("2024-05-31"), "soon", False),
    ],
)
def test_predicted_times_are_compared_as_moments(scored: Any, served: str, equal: bool) -> None:
    """A time that was scored equals the text that the image answers if and only if it is the same moment."""
    assert same(scored, served) is equal


def test_decimals_and_optional_columns_can_be_sent() -> None:
    """Decimals of the test data are sent as numbers, and an optional column that they lack is left out."""
    test = pd.DataFrame({"x": [Decimal("1.25"), None]})
    scored = scored_rows(test, pd.DataFrame({"y_pred": [1, 0]}), ["x", "y"], ["y"])
    assert list(scored.rows) == [{"x": 1.25}, {"x": None}]


def test_rows_of_tensors_can_be_sent() -> None:
    """A column of lists or arrays, however deep, is sent as nested lists."""
    test = pd.DataFrame({"x": pd.Series([[[1, 2], [3, 4]], [np.array([1, 2]), np.array([3, 4])]], dtype="object")})
    scored = scored_rows(test, pd.DataFrame({"y_pred": [1, 0]}), ["x"])
    assert list(scored.rows) == [{"x": [[1, 2], [3, 4]]}] * 2


@pytest.mark.parametrize("value", [float("inf"), b"bytes", {"a": 1.0}, [1.0, float("inf")], [[b"bytes"]]])
def test_test_data_that_nobody_could_send_are_named(value: Any) -> None:
    """A value that JSON cannot express is an error of the test data that names the column."""
    test = pd.DataFrame({"x": pd.Series([value], dtype="object")})
    with pytest.raises(OptionsError, match="column 'x' holds"):
        scored_rows(test, pd.DataFrame({"y_pred": [1]}), ["x"])
