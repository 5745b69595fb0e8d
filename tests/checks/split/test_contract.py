"""The contract between training rows, test rows and a model's signature."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import polars as pl
import pytest

from cd4ml.checks.split.contract import column_checks, copied_checks, signature_checks
from cd4ml.data.tables.columns import Family
from cd4ml.metrics.split.recoding import MOST_VALUES, Copied, Kind, Recoding, match_by_chance
from cd4ml.report import Status, worst

NUMBER, TEXT, BOOLEAN, EMPTY = Family.NUMBER, Family.TEXT, Family.BOOLEAN, Family.EMPTY
TABLE = {"income": NUMBER, "city": TEXT, "approved": BOOLEAN}
SIGNATURE = {"income": "double", "city": "string"}


def test_columns__alike() -> None:
    """Tables of the same columns, order and types pass."""
    assert {check.status for check in column_checks(TABLE, dict(TABLE), any_order=False)} == {Status.PASSED}


@pytest.mark.parametrize(
    ("test", "id", "reason"),
    [
        ({"income": NUMBER, "approved": BOOLEAN}, "same-columns", "missing-columns"),
        ({"city": TEXT, "income": NUMBER, "approved": BOOLEAN}, "column-order", "different-order"),
        ({**TABLE, "income": TEXT}, "same-type:income", "different-type"),
    ],
)
def test_columns__different(test: Mapping[str, Family], id: str, reason: str) -> None:
    """A column that the test lacks, another order and another type each block."""
    checks = list(column_checks(TABLE, test, any_order=False))

    assert [(check.id, check.reason) for check in checks if check.status is Status.FAILED] == [(id, reason)]


def test_columns__allowed() -> None:
    """Another order passes where the model takes columns by name, and so do a column more and one without values."""
    test = {"city": EMPTY, "income": NUMBER, "approved": BOOLEAN, "note": TEXT}

    checks = list(column_checks(TABLE, test, any_order=True))

    assert worst(check.status for check in checks) is Status.PASSED
    assert "Only the test rows have `note`." in checks[0].message


def test_signature__matches() -> None:
    """Tables that have what the model takes pass, and so does one that lacks an optional column."""
    tables = {"training": TABLE, "test": {"income": NUMBER, "approved": BOOLEAN}}

    found = signature_checks("model", SIGNATURE, ["income"], tables, target="approved")

    assert [(check.id, check.status) for check in found] == [
        ("signature:training", Status.PASSED),
        ("signature:test", Status.PASSED),
        ("target-among-features", Status.PASSED),
    ]


@pytest.mark.parametrize(
    ("signature", "table", "reason"),
    [
        (SIGNATURE, {"income": NUMBER}, "missing-columns"),
        ({**SIGNATURE, "city": "long"}, TABLE, "different-type"),
        ({**SIGNATURE, "income": "boolean"}, TABLE, "different-type"),
    ],
)
def test_signature__differs(signature: Mapping[str, str], table: Mapping[str, Family], reason: str) -> None:
    """A table that lacks a column of the model, or has it in another type, blocks."""
    check = next(iter(signature_checks("model", signature, list(signature), {"test": table}, target="approved")))

    assert (check.id, check.status, check.reason) == ("signature:test", Status.FAILED, reason)


def test_signature__target() -> None:
    """A model that takes the target as a feature blocks."""
    *_, check = signature_checks("model", {**SIGNATURE, "approved": "boolean"}, [], {}, target="approved")

    assert (check.status, check.reason) == (Status.FAILED, "target-among-features")


def test_signature__absent() -> None:
    """A model without a signature was not compared, and that is an error."""
    (check,) = signature_checks("model", None, [], {"test": TABLE}, target="approved")

    assert (check.status, check.reason) == (Status.ERROR, "no-signature")


def compared(values: pl.Series, target: pl.Series, *, part: int = 700) -> Copied | None:
    """Return what is found when the rows come in parts."""
    recoding = Recoding()
    for start in range(0, len(values), part):
        recoding.add(values[start : start + part], target[start : start + part])
    return recoding.found()


RNG = np.random.default_rng(0)
BINARY = pl.Series(RNG.integers(0, 2, 3000))
NUMBERS = pl.Series(RNG.normal(size=3000))
GAPS = pl.Series([None if one % 7 == 0 else one for one in range(3000)])


@pytest.mark.parametrize(
    ("values", "target", "kind"),
    [
        (BINARY, BINARY, Kind.COPY),
        (NUMBERS, NUMBERS, Kind.COPY),
        (GAPS, GAPS, Kind.COPY),
        (BINARY.cast(pl.Float64), BINARY, Kind.COPY),
        (1 - BINARY, BINARY, Kind.RECODING),
        (BINARY.cast(pl.String), BINARY, Kind.RECODING),
        (pl.Series([None if one else "no" for one in BINARY]), BINARY, Kind.RECODING),
        (NUMBERS * -0.001 + 40, NUMBERS, Kind.LINEAR),
        (GAPS * 3, GAPS, Kind.LINEAR),
    ],
)
def test_recoding__found(values: pl.Series, target: pl.Series, kind: Kind) -> None:
    """A copy of the target, its values in other words and its numbers on another scale are found, certain of it."""
    found = compared(values, target)

    assert found is not None
    assert (found.kind, found.n) == (kind, 3000)
    assert found.p_value < 1e-9


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (pl.Series([*(1 - BINARY[:-1]), BINARY[-1]]), BINARY),
        (NUMBERS * 2 + pl.Series([*[0.0] * 2999, 0.01]), NUMBERS),
        (pl.Series(RNG.integers(0, 2, 3000)), BINARY),
        (pl.Series(range(3000)), BINARY),
        (pl.Series(range(3000)), NUMBERS),
        (NUMBERS**3, NUMBERS),
        (pl.Series([0] * 3000), pl.Series([1] * 3000)),
        (GAPS.fill_null(-1) * 3, GAPS),
    ],
)
def test_recoding__absent(values: pl.Series, target: pl.Series) -> None:
    """One row that differs, an identifier, a curve and constants are no copy of the target."""
    assert compared(values, target) is None


def test_recoding__nan() -> None:
    """Numbers that are not a number count as one value, so that a column with them still equals itself."""
    values = pl.Series([float("nan"), 1.0, 2.0] * 100)

    found = compared(values, values)

    assert found is not None
    assert found.kind is Kind.COPY


def test_recoding__more_values_than_counted() -> None:
    """A recoding of more values than are counted in words is not followed, and a copy of them is."""
    target = pl.Series([f"v{number}" for number in range(MOST_VALUES + 1)] * 3)

    assert compared(target + "x", target) is None
    assert compared(target, target) is not None


@pytest.mark.parametrize("counts", [[2, 2], [1, 3], [1, 1, 3], [2, 2, 1]])
def test_match_by_chance(counts: list[int]) -> None:
    """The chance of a match equals the share of all orders of the rows that match, counted one by one."""
    target = [value for value, n in enumerate(counts) for _ in range(n)]
    orders = list(permutations(target))

    exact = sum(list(order) == target for order in orders) / len(orders)
    recoded = sum(len(set(zip(order, target, strict=True))) == len(counts) for order in orders) / len(orders)

    assert match_by_chance(counts, exact=True) == pytest.approx(exact)
    assert match_by_chance(counts, exact=False) == pytest.approx(recoded)


def test_copied() -> None:
    """A column that matches the target on enough rows blocks; on few it is inconclusive, on fewer it says nothing."""
    found = {
        "answer": Copied(kind=Kind.COPY, n=500, values=2, p_value=1e-30),
        "rare": Copied(kind=Kind.RECODING, n=100, values=2, p_value=0.01),
        "id": Copied(kind=Kind.RECODING, n=100, values=100, p_value=1.0),
    }

    checks = list(copied_checks(found, 10, target="approved", in_test=["answer"]))

    assert [(check.id, check.status) for check in checks] == [
        ("target-copied:answer", Status.FAILED),
        ("target-copied:rare", Status.INCONCLUSIVE),
    ]
    assert "on all 500 training rows, and on all test rows" in checks[0].message
    assert "but not on the test rows" in checks[1].message


def test_copied__none() -> None:
    """Where no column matches, one check says how many were compared."""
    (check,) = copied_checks({}, 10, target="approved", in_test=[])

    assert (check.id, check.status, check.value) == ("target-copied", Status.PASSED, 0)
