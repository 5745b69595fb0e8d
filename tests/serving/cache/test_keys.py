"""Keys of rows: equal exactly where the model sees the same."""

from __future__ import annotations

from typing import Any

import pytest

from cd4ml.serving.cache.keys import Keys
from cd4ml.serving.exchange import Batch
from cd4ml.serving.signature import TYPES, Column

NAN = float("nan")


def keys(*types: str | None, model: str = "a" * 64, runtime: str = "native", labels: tuple[Any, ...] = (0, 1)) -> Keys:
    """Return the keys of a model with columns of these types."""
    columns = [Column(name=f"c{at}", type=kind, required=False) for at, kind in enumerate(types)]
    return Keys(model_sha256=model, runtime=runtime, columns=columns, labels=labels)


def key(of: Keys, *row: Any, probabilities: bool = False) -> bytes | None:
    """Return the key of one row."""
    batch = Batch(columns={f"c{at}": [value] for at, value in enumerate(row)}, rows=1)
    (found,) = of.of(batch, probabilities=probabilities)
    return found


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("double", 1, 1.0),
        ("double", None, NAN),
        ("long", 1, 1.0),
        ("long", None, NAN),
        ("float", 0.1, 0.10000000149011612),
        (None, None, NAN),
    ],
)
def test_same_for_the_model__one_key(kind: str | None, one: Any, other: Any) -> None:
    """What the signature's type makes equal has one key."""
    assert key(keys(kind), one) == key(keys(kind), other) is not None


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("double", [0.1, 0.1 + 2**-56 * 4, 1, None, 1e308]),
        ("float", [0.1, 0.2, None]),
        ("long", [0, 1, -1, 2**62, 2**62 + 1, None]),
        ("boolean", [True, False, None]),
        ("string", ["", "a", "A", "null", "None", None, "1"]),
        (None, [1, 1.0, True, "1", "true", None]),
    ],
)
def test_different_for_the_model__different_keys(kind: str | None, values: list[Any]) -> None:
    """What a model can tell apart has different keys: no row is ever answered with another's answer."""
    assert len({key(keys(kind), value) for value in values}) == len(values)


@pytest.mark.parametrize("kind", TYPES)
def test_left_out__same_as_missing(kind: str) -> None:
    """A column that no row has is the same as one in which every value is missing."""
    (left_out,) = keys(kind).of(Batch(columns={}, rows=1))

    assert left_out == key(keys(kind), None)


def test_columns__are_not_mixed_up() -> None:
    """Where one text ends and the next begins counts."""
    of = keys("string", "string")

    assert key(of, "ab", "c") != key(of, "a", "bc") != key(of, "", "abc")


def test_everything_that_an_answer_depends_on__is_in_the_key() -> None:
    """Another model, runtime, type, order of labels or request for probabilities has another key."""
    found = {
        key(keys("double"), 1),
        key(keys("double", model="b" * 64), 1),
        key(keys("double", runtime="onnx"), 1),
        key(keys("long"), 1),
        key(keys("double", labels=(1, 0)), 1),
        key(keys("double"), 1, probabilities=True),
    }

    assert len(found) == 6


def test_number_that_is_too_long__has_no_key() -> None:
    """A whole number of more than 64 bits in a column without a type is not kept; the other rows are."""
    found = keys(None).of(Batch(columns={"c0": [2**70, 1]}, rows=2))

    assert found[0] is None and found[1] is not None
