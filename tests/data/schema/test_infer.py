"""`cd4ml schema infer`: the proposal is met by the data that it was inferred from, and blocks faulty ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cd4ml.data.schema.audit import audited
from cd4ml.data.schema.infer import propose
from cd4ml.data.schema.load import load_schema
from cd4ml.data.schema.scalars import quoted
from cd4ml.data.tables.opening import open_table
from tests.conftest import ROOT, Run


def good(rows: int = 500) -> pl.DataFrame:
    """Return training data."""
    rng = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "id": rng.permutation(rows),
            "age": rng.integers(18, 90, rows),
            "rate": rng.random(rows),
            "city": rng.choice(["Oslo", "Bergen", "no", 'O"x', "é\n"], rows),
            "note": [f"user-{number}" for number in rng.integers(0, 10**6, rows)],
            "paid": rng.random(rows) < 0.5,
            "income": pl.Series([None if number % 10 == 0 else float(number) for number in range(rows)]),
        }
    )


def written(folder: Path) -> dict[str, dict[str, object]]:
    """Return the columns of the proposal."""
    columns: dict[str, dict[str, object]] = YAML(typ="safe", pure=True).load((folder / "schema.yaml").read_text())[
        "columns"
    ]
    return columns


def test_documented_commands__propose_and_accept(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The commands of the documentation, as they stand there, give a schema that the same data meet."""
    (tmp_path / "data").mkdir()
    good().write_parquet(tmp_path / "data" / "train.parquet")
    page = (ROOT / "docs" / "stages" / "validate-data.md").read_text()
    commands = re.findall(r"^\$ cd4ml (.+)$", page.partition("## A first schema")[2], re.MULTILINE)[:2]
    assert [command.split()[0] for command in commands] == ["schema", "validate-data"]

    assert [cd4ml(*command.split()).code for command in commands] == [0, 0]

    columns = written(tmp_path)
    assert columns["id"]["unique"] is True and columns["income"]["nullable"] is True
    assert columns["city"]["checks"] == {"isin": sorted(["Oslo", "Bergen", "no", 'O"x', "é\n"])}
    assert columns["age"]["checks"] == {
        "in_range": {"min_value": 10, "max_value": 97, "include_min": True, "include_max": True}
    }


@pytest.mark.parametrize(
    ("fault", "check_id"),
    [
        (pl.lit(7).cast(pl.Int64).alias("id"), "unique:id"),
        ((pl.col("age") * 2).alias("age"), "in_range:age"),
        ((pl.col("rate") - 1).alias("rate"), "in_range:rate"),
        (pl.lit("Paris").alias("city"), "isin:city"),
        (pl.lit("x" * 99).alias("note"), "str_length:note"),
        (pl.lit(None, pl.Int64).alias("age"), "not-nullable:age"),
        (pl.col("paid").cast(pl.String).alias("paid"), "dtype:paid"),
        (pl.lit(1).alias("new"), "strict"),
    ],
)
def test_faulty_data__blocked(cd4ml: Callable[..., Run], tmp_path: Path, fault: pl.Expr, check_id: str) -> None:
    """Each kind of rule that is proposed blocks a table that breaks it."""
    good().write_parquet(tmp_path / "train.parquet")
    good().with_columns(fault).write_parquet(tmp_path / "bad.parquet")
    assert cd4ml("schema", "infer", "--data", "train.parquet").code == 0

    run = cd4ml("validate-data", "--data", "bad.parquet", "--schema", "schema.yaml")

    assert run.code == 1
    assert check_id in {item["id"] for item in run.report["checks"] if item["status"] == "failed"}


def test_reviewed_file__is_not_overwritten_unasked(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A file that is there stays as it is, unless overwriting is asked for."""
    good().write_parquet(tmp_path / "train.parquet")
    (tmp_path / "schema.yaml").write_text("reviewed")
    command = ["schema", "infer", "--data", "train.parquet"]

    assert cd4ml(*command).code == 2
    assert (tmp_path / "schema.yaml").read_text() == "reviewed"
    assert cd4ml(*command, "--overwrite").code == 0
    assert "in_range" in (tmp_path / "schema.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("guess",), 2),
        (("infer",), 2),
        (("infer", "--data", "nowhere.parquet"), 3),
        (("infer", "--data", "empty.csv"), 2),
        (("infer", "--data", "empty.csv", "--slack", "-1"), 2),
        (("infer", "--data", "empty.csv", "--output", "x.txt"), 2),
    ],
)
def test_bad_commands__refused(
    cd4ml: Callable[..., Run], tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    """What cannot be inferred from, or does not make sense, ends with the exit code for it and writes nothing."""
    (tmp_path / "empty.csv").write_text("a,b\n")

    assert cd4ml("schema", *arguments).code == code
    assert not (tmp_path / "schema.yaml").exists()


def test_what_the_data_break_anyway__is_said(
    cd4ml: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Infinities and columns without a value are named when the schema is proposed."""
    pl.DataFrame({"a": [1.0, float("inf")], "b": pl.Series([None, None], dtype=pl.Float64)}).write_parquet(
        tmp_path / "t.parquet"
    )

    run = cd4ml("schema", "infer", "--data", "t.parquet", capsys=capsys)

    assert run.code == 0 and "a: 1 infinite" in run.stdout and "b: it holds no value" in run.stdout


CELLS = {
    pl.Int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9),
    pl.Int8(): st.integers(-128, 127),
    pl.UInt64(): st.integers(0, 2**64 - 1),
    pl.Float64(): st.floats(allow_infinity=False),
    pl.Float32(): st.floats(width=32, allow_infinity=False),
    pl.String(): st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5),
    pl.Boolean(): st.booleans(),
    pl.Date(): st.dates(),
}


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Draw a table of a column of some kind beside one of plain numbers."""
    kind = draw(st.sampled_from(list(CELLS)))
    gaps = draw(st.booleans())
    cells = draw(st.lists(CELLS[kind] | st.none() if gaps else CELLS[kind], min_size=2, max_size=30))
    return pl.DataFrame(
        {
            draw(st.sampled_from(["a", "odd: name", "no", "é\u0085"])): pl.Series(cells, dtype=kind),
            "row": range(len(cells)),
        }
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=tables(), slack=st.sampled_from([0.0, 0.1, 2.0]))
def test_proposal__is_met_by_its_own_data(
    table: pl.DataFrame, slack: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the table, it meets what was proposed from it."""
    folder = tmp_path_factory.mktemp("proposal")
    table.write_parquet(folder / "t.parquet")
    source = open_table(folder / "t.parquet").source()

    proposal = propose(source, slack=slack, most_categories=3)
    (folder / "schema.yaml").write_text(proposal.text)

    assert audited(source, load_schema(str(folder / "schema.yaml"), folder)).findings == {}


def test_nullable_types__are_proposed_as_pandas_noted_them(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Types of pandas' own and times with a zone are proposed by their names, and the data meet the proposal."""
    frame = pd.DataFrame(
        {
            "rank": pd.array([1, None, 3], dtype="Int64"),
            "big": pd.array([1, None, 2**63], dtype="UInt64"),
            "paid": pd.array([True, None, False], dtype="boolean"),
            "rate": pd.array([0.5, None, 1.5], dtype="Float32"),
            "word": pd.array(["a", None, "b"], dtype="string"),
            "when": pd.to_datetime(["2026-01-01"] * 3).tz_localize("America/Sao_Paulo"),
            "count": pd.array([1, None, 3], dtype="int32[pyarrow]"),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet", index=False)

    assert cd4ml("schema", "infer", "--data", "t.parquet").code == 0
    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert {name: column.get("dtype") for name, column in written(tmp_path).items()} == {
        "rank": "Int64",
        "big": "UInt64",
        "paid": "boolean",
        "rate": "Float32",
        "word": "str",
        "when": "datetime64[us, America/Sao_Paulo]",
        "count": None,
    }
    assert run.code == 0, run.report["summary"]


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text__is_read_as_it_was(text: str) -> None:
    """Every text comes back from YAML as it went in."""
    assert YAML(typ="safe", pure=True).load(f"a: {quoted(text)}\n")["a"] == text


def test_infer__leaves_room_where_little_was_seen(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Keys have no range, small counts have room for the next ones, and only 0 and 1 are a set."""
    rooms, marks = [1, 2, 1, 2] * 25, [0, 1, 1, 0] * 25
    seen = pl.DataFrame({"order": range(500, 600), "rooms": rooms, "paid": marks, "age": range(20, 120)})
    seen.write_csv(tmp_path / "t.csv")
    assert cd4ml("schema", "infer", "--data", "t.csv", "--output", "schema.yaml").code == 0
    later = seen.with_columns(pl.col("order") + 90_000, pl.col("rooms") + 1)
    later.write_csv(tmp_path / "later.csv")
    seen.with_columns(paid=pl.lit(2), rooms=pl.lit(30)).write_csv(tmp_path / "wrong.csv")

    good = cd4ml("validate-data", "--data", "later.csv", "--schema", "schema.yaml")
    bad = cd4ml("validate-data", "--data", "wrong.csv", "--schema", "schema.yaml")

    assert good.code == 0, good.report["summary"]
    assert {check["id"] for check in bad.report["checks"] if check["status"] != "passed"} == {
        "isin:paid",
        "in_range:rooms",
    }


def test_infer__texts_of_one_length(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Texts that all have one length, as dates and codes do, may have no other."""
    pl.DataFrame({"day": [f"2026-01-{day:02}" for day in range(1, 29)] * 40}).write_csv(tmp_path / "t.csv")

    assert cd4ml("schema", "infer", "--data", "t.csv", "--categories", "3").code == 0
    assert written(tmp_path)["day"]["checks"] == {"str_length": {"min_value": 10, "max_value": 10}}


def test_infer__bounds_of_a_calendar_and_of_codes(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Months and hours get the calendar's bounds, codes that were all seen their own, and nothing beyond passes."""
    rows = 480
    seen = pl.DataFrame(
        {
            "mnth": [row % 6 + 1 for row in range(rows)],
            "start_hour": [row % 20 for row in range(rows)],
            "season": [row % 4 + 1 for row in range(rows)],
            "weekday": [row % 7 for row in range(rows)],
            "humidity": [row % 100 / 100 for row in range(rows)],
            "rooms": [min(row % 9, row % 7) + 1 if row % 3 else 1 for row in range(rows)],
        }
    )
    seen.write_csv(tmp_path / "t.csv")
    assert cd4ml("schema", "infer", "--data", "t.csv").code == 0

    bounds = {name: column["checks"]["in_range"] for name, column in written(tmp_path).items()}  # type: ignore[index]

    assert {name: (bound["min_value"], bound["max_value"]) for name, bound in bounds.items()} == {
        "mnth": (1, 12),
        "start_hour": (0, 23),
        "season": (1, 4),
        "weekday": (0, 6),
        "humidity": (0.0, 1.0),
        "rooms": (0, 13),
    }
    seen.with_columns(season=pl.lit(5)).write_csv(tmp_path / "wrong.csv")
    assert cd4ml("validate-data", "--data", "wrong.csv", "--schema", "schema.yaml").code == 1


def test_propose__is_met_by_every_table(tmp_path: Path) -> None:
    """A schema of several tables is met by each, also where one reaches further than the other."""
    for name, low in (("a", 0.0), ("b", -50.0)):
        pl.DataFrame({"x": [low, 1.0, 2.0], "id": [1, 2, 3]}).write_parquet(tmp_path / f"{name}.parquet")
    sources = [open_table(tmp_path / f"{name}.parquet").source() for name in ("a", "b")]

    proposal = propose(*sources, slack=0.0, most_categories=5)
    (tmp_path / "schema.yaml").write_text(proposal.text)

    for source in sources:
        assert audited(source, load_schema(str(tmp_path / "schema.yaml"), tmp_path)).findings == {}
