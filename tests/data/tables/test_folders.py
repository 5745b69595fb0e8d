"""Folders of Parquet whose files store a column in different widths, or have no value in it; and Delta tables."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cd4ml.data.tables.columns import bounds, parts
from cd4ml.data.tables.opening import open_table
from tests.conftest import Run

Command = Callable[..., Run]
DAY = datetime.datetime(2026, 1, 1)


def written(folder: Path, *columns: pa.Array) -> Path:
    """Write a column in one file for each of its parts."""
    folder.mkdir(parents=True)
    for number, column in enumerate(columns):
        pq.write_table(pa.table({"seen": column, "n": pa.array([1] * len(column))}), folder / f"{number}.parquet")
    return folder


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Return a part of a column."""
    return pa.array(values, kind, from_pandas=False)


MIXED = {
    "integers": ([array([1, -2], pa.int8()), array([2**40, None], pa.int64())], pl.Int64()),
    "signs": ([array([200, 1], pa.uint8()), array([-5, 7], pa.int8())], pl.Int16()),
    "floats": ([array([0.5, None], pa.float32()), array([0.1, 2.0], pa.float64())], pl.Float64()),
    "gaps made it a float": ([array([1, 2], pa.int64()), array([1.5, float("nan")], pa.float64())], pl.Float64()),
    "no value": ([array([None, None], pa.null()), array(["a", "b"], pa.string()), pa.nulls(1)], pl.String()),
    "no value, first": ([pa.nulls(2), array([True, None], pa.bool_())], pl.Boolean()),
    "no value at all": ([pa.nulls(2), array([None, None], pa.float64())], pl.Float64()),
    "units": ([array([DAY, None], pa.timestamp("us")), array([DAY], pa.timestamp("ns"))], pl.Datetime("ns")),
    "zones": (
        [array([DAY], pa.timestamp("ms", "UTC")), array([DAY], pa.timestamp("us", "UTC"))],
        pl.Datetime("us", "UTC"),
    ),
    "long texts": ([array(["a"], pa.string()), array(["b", None], pa.large_string())], pl.String()),
}


@pytest.mark.parametrize("name", MIXED)
def test_parts_of_different_widths__are_one_table(tmp_path: Path, name: str) -> None:
    """Every reader gives each value of every part, in the type that holds them all."""
    arrays, kind = MIXED[name]
    folder = written(tmp_path / "t", *arrays)
    values = [value for part in arrays for value in part.to_pylist()]
    source = open_table(folder).source()

    read = source.lazy().collect()
    assert source.schema["seen"] == read.schema["seen"] == kind
    expected = pl.Series("seen", values, dtype=kind, strict=False)
    assert read["seen"].equals(expected, null_equal=True)
    for frame in (
        source.pandas(["seen"]),
        open_table(folder).frame(),
        open_table(folder).frame(lambda names: ["seen"]),
    ):
        found = frame["seen"].astype(object)
        assert [None if pd.isna(v) else v for v in found] == [None if pd.isna(v) else v for v in expected.to_list()]
    counted = sum(len(part) for _, part in parts(source, ["seen"]))
    assert counted == len(values) and source.rows == len(values)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ([array([2**53 + 1], pa.int64()), array([0.5], pa.float64())], "int64"),
        ([array([1], pa.int64()), array([2**63], pa.uint64())], "uint64"),
        ([array([datetime.datetime(9999, 1, 1)], pa.timestamp("us")), array([DAY], pa.timestamp("ns"))], "timestamp"),
        ([array([DAY], pa.timestamp("us")), array([DAY], pa.timestamp("us", "UTC"))], "timestamp"),
        ([array([1], pa.int64()), array(["1"], pa.string())], "string"),
        ([array([True], pa.bool_()), array([1], pa.int64())], "bool"),
    ],
)
def test_parts_that_no_type_holds__refused(cd4ml: Command, tmp_path: Path, arrays: list[pa.Array], words: str) -> None:
    """What would lose a value, or become another kind of value, is refused with both types."""
    written(tmp_path / "t", *arrays)
    (tmp_path / "schema.yaml").write_text("columns:\n  n: {dtype: int64}\n")

    run = cd4ml("validate-data", "--data", "t", "--schema", "schema.yaml", "--minimum-rows", "1")

    assert run.code == 2 and words in run.report["summary"] and "'seen'" in run.report["summary"]


@pytest.mark.parametrize("everything", ["false", "true"])
def test_rules__hold_over_all_parts(cd4ml: Command, tmp_path: Path, everything: str) -> None:
    """Bounds, gaps, types and repeated values are counted over the parts together."""
    written(tmp_path / "t", array([1, 2, 3], pa.int32()), array([3, 40, None], pa.int64()), pa.nulls(2))
    (tmp_path / "schema.yaml").write_text(
        "columns:\n  seen: {dtype: int64, unique: true, checks: {less_than: 10}}\n  n: {dtype: int64}\n"
    )
    command = ["validate-data", "--data", "t", "--schema", "schema.yaml", "--read-everything", everything]

    run = cd4ml(*command)

    assert {check["id"]: check["value"] for check in run.report["checks"] if check["status"] == "failed"} == {
        "dtype:seen": 1,
        "not-nullable:seen": 3,
        "less_than:seen": 1,
        "unique:seen": 5,
    }


def test_years_as_folders__keep_their_type(tmp_path: Path) -> None:
    """Folders such as `code=01` are columns of one type, also where files differ in width."""
    for code, kind in (("01", pa.int8()), ("x", pa.int64())):
        (tmp_path / "t" / f"code={code}").mkdir(parents=True)
        pq.write_table(pa.table({"a": pa.array([1, 2], kind)}), tmp_path / "t" / f"code={code}" / "f.parquet")

    read = open_table(tmp_path / "t").source().lazy().collect()

    assert read.schema == {"a": pl.Int64(), "code": pl.String()}
    assert read["code"].to_list() == ["01", "01", "x", "x"]


def test_drift__counts_parts_of_different_widths(cd4ml: Command, tmp_path: Path) -> None:
    """A month without any value beside months with values is data like any other to detect-drift."""
    rng = np.random.default_rng(3)
    written(tmp_path / "reference", pa.array(rng.normal(0, 1, 600).astype("float32")), pa.array(rng.normal(0, 1, 600)))
    written(tmp_path / "same", pa.array(rng.normal(0, 1, 600)), pa.array(rng.normal(0, 1, 600).astype("float32")))
    written(tmp_path / "gone", pa.array(rng.normal(0, 1, 100)), pa.nulls(900))
    command = ["detect-drift", "--reference", "reference", "--features", "seen", "--current"]

    assert cd4ml(*command, "same").code == 0
    assert cd4ml(*command, "gone").code == 1
    assert bounds(open_table(tmp_path / "gone").source(), ["seen"])["seen"] is not None


def delta(folder: Path, *frames: pl.DataFrame) -> None:
    """Write a Delta table, each frame as an addition that may bring columns of its own."""
    for number, frame in enumerate(frames):
        options = {"schema_mode": "merge"} if number else {}
        frame.write_delta(folder, mode="append" if number else "error", delta_write_options=options)


def test_delta_columns_added_later__are_gaps_before(cd4ml: Command, tmp_path: Path) -> None:
    """The log says which columns a Delta table has: older files lack some of them, and each version has its own."""
    first = pl.DataFrame({"a": [1, 2]})
    delta(tmp_path / "t", first, pl.DataFrame({"a": [3], "b": ["x"]}), pl.DataFrame({"c": [0.5]}))
    (tmp_path / "schema.yaml").write_text(
        "columns:\n  a: {dtype: int64, nullable: true}\n  b: {dtype: str}\n  c: {dtype: float64, nullable: true}\n"
    )
    command = ["validate-data", "--schema", "schema.yaml", "--data"]

    latest, second = cd4ml(*command, "t"), cd4ml(*command, "t@1")

    values = {check["id"]: check["value"] for check in latest.report["checks"]}
    assert latest.report["inputs"][0]["rows"] == 4
    assert (values["not-nullable:b"], values["has-values:c"], values["has-values:a"]) == (3, 1, 3)
    assert [check["id"] for check in second.report["checks"] if check["status"] == "failed"] == [
        "present:c",
        "not-nullable:b",
    ]
    assert cd4ml("schema", "infer", "--data", "t", "--output", "new.yaml").code == 0


def test_delta_table_in_a_folder__refused(cd4ml: Command, tmp_path: Path) -> None:
    """A folder of Parquet that holds a Delta table is refused: its files also hold rows that were deleted."""
    pl.DataFrame({"a": [1, 2]}).write_delta(tmp_path / "t" / "inside")
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\n")

    run = cd4ml("validate-data", "--data", "t", "--schema", "schema.yaml")

    assert run.code == 2 and "t/inside: a Delta table" in run.report["summary"]


def test_delta_column_dropped__is_not_in_the_table(cd4ml: Command, tmp_path: Path) -> None:
    """A column that only dropped versions have is missing from the latest one."""
    pl.DataFrame({"a": [1, 2], "old": [1, 2]}).write_delta(tmp_path / "t")
    pl.DataFrame({"a": [1, 2]}).write_delta(
        tmp_path / "t", mode="overwrite", delta_write_options={"schema_mode": "overwrite"}
    )
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\nstrict: true\n")

    assert cd4ml("validate-data", "--data", "t", "--schema", "schema.yaml").code == 0
    assert cd4ml("validate-data", "--data", "t@0", "--schema", "schema.yaml").code == 1


@pytest.mark.parametrize("feature", ["columnMapping", "typeWidening"])
def test_delta_features_that_cannot_be_read__refused(cd4ml: Command, tmp_path: Path, feature: str) -> None:
    """Renamed columns and other features that change what files mean are refused by name, with exit code 3."""
    pl.DataFrame({"a": [1, 2]}).write_delta(tmp_path / "t")
    log = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {
                **{"minReaderVersion": 3, "minWriterVersion": 7},
                **{"readerFeatures": [feature], "writerFeatures": [feature]},
            }
    log.write_text("\n".join(map(json.dumps, actions)) + "\n")
    for checksum in log.parent.glob("*.crc"):
        checksum.unlink()
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: int64}\n")

    run = cd4ml("validate-data", "--data", "t", "--schema", "schema.yaml")

    assert run.code == 3 and feature in run.report["summary"]
