"""The one door: every stage reads every kind of table, with the same verdict, and says the same of what it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.feather as feather
import pytest

from cd4ml.data.tables.opening import FORMATS, open_table
from cd4ml.report.ids import table_id
from tests.conftest import ROOT, Run

Command = Callable[..., Run]
EVALUATE = ["evaluate-model", "--task", "binary", "--minimum", "accuracy=0.9", "--bootstrap", "true"]
DRIFT = ["detect-drift", "--features", "amount,kind,y_pred", "--label", "y_true"]
SCORE = ["score-model", "--candidate", "nowhere", "--bootstrap", "true", "--target", "y_true"]
SPLIT = ["check-split", "--target", "y_true"]
# Every option that takes a table, as the last one of its command.
READERS = {
    "validate-data": ["validate-data", "--schema", "schema.yaml", "--data"],
    "validate-data, serving": ["validate-data", "--schema", "schema.yaml", "--data", "t.parquet", "--serving"],
    "score-model": [*SCORE, "--test-data"],
    "check-split, training": [*SPLIT, "--test-data", "t.parquet", "--train-data"],
    "check-split, test": [*SPLIT, "--train-data", "t.parquet", "--test-data"],
    "evaluate-model": [*EVALUATE, "--predictions"],
    "evaluate-model, training": [
        *[*EVALUATE, "--predictions", "t.parquet", "--maximum-gap", "accuracy=0.1", "--train-predictions"]
    ],
    "audit-fairness": ["audit-fairness", "--sensitive-features", "kind,whole", "--predictions"],
    "detect-drift, reference": [*DRIFT, "--current", "t.parquet", "--reference"],
    "detect-drift, current": [*DRIFT, "--reference", "t.parquet", "--current"],
    "schema infer": ["schema", "infer", "--output", "new.yaml", "--overwrite", "true", "--data"],
}
SCHEMA = """\
columns:
  row_id: {dtype: int64, unique: true}
  y_true: {dtype: int64, checks: {isin: [0, 1]}}
  y_pred: {dtype: int64, checks: {isin: [0]}}
  y_score: {dtype: float64, checks: {in_range: {min_value: 0, max_value: 1}}}
  kind: {dtype: str, checks: {str_length: {min_value: 2}}}
  amount: {dtype: float64, nullable: true, checks: {greater_than: 0}}
  whole: {dtype: bool}
"""
ROWS = 600


def rows(seed: int) -> pl.DataFrame:
    """Return predictions with gaps, groups, numbers and booleans."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, ROWS)
    return pl.DataFrame(
        {
            "row_id": np.arange(ROWS) + ROWS * seed,
            "y_true": truth,
            "y_pred": np.where(rng.random(ROWS) < 0.8, truth, 1 - truth),
            "y_score": rng.integers(0, 1025, ROWS) / 1024,  # sums are exact, whatever their order
            "kind": rng.choice(["a", "bb", "NA", "ccc"], ROWS),
            "amount": [
                None if gap else n for gap, n in zip(rng.random(ROWS) < 0.1, rng.normal(5, 2, ROWS), strict=True)
            ],
            "whole": rng.random(ROWS) < 0.5,
        }
    )


def parts(table: pl.DataFrame, folder: Path) -> None:
    """Write a folder of Parquet."""
    folder.mkdir()
    table[:250].write_parquet(folder / "1.parquet")
    table[250:].write_parquet(folder / "2.parquet")


def versions(table: pl.DataFrame, folder: Path) -> None:
    """Write a Delta table whose latest version is another one."""
    table.write_delta(folder)
    table[:10].write_delta(folder, mode="overwrite")


def pin(table: pl.DataFrame, pointer: Path) -> None:
    """Write a file and the pointer that DVC keeps of it."""
    table.write_parquet(pointer.with_name("pinned.parquet"))
    md5 = hashlib.md5(pointer.with_name("pinned.parquet").read_bytes(), usedforsecurity=False).hexdigest()
    pointer.write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: pinned.parquet\n")


# How a table is named, and how it is written: {server} stands for where the folder is served from.
KINDS: dict[str, tuple[str, Callable[[pl.DataFrame, Path], Any]]] = {
    "CSV": ("o.csv", lambda table, folder: table.write_csv(folder / "o.csv")),
    "TSV": ("o.tsv", lambda table, folder: table.write_csv(folder / "o.tsv", separator="\t")),
    "Parquet": ("o.parquet", lambda table, folder: table.write_parquet(folder / "o.parquet")),
    "folder": ("folder.d", lambda table, folder: parts(table, folder / "folder.d")),
    "Arrow, by Polars": ("o.arrow", lambda table, folder: table.write_ipc(folder / "o.arrow")),
    "Feather": ("o.feather", lambda table, folder: feather.write_feather(table.to_arrow(), str(folder / "o.feather"))),
    "Delta": ("delta@0", lambda table, folder: versions(table, folder / "delta")),
    "pin": ("o.dvc", lambda table, folder: pin(table, folder / "o.dvc")),
    "address": ("{server}/served.parquet", lambda table, folder: table.write_parquet(folder / "served.parquet")),
    "address of CSV": ("{server}/served.csv", lambda table, folder: table.write_csv(folder / "served.csv")),
}


# The same with texts as categories, whose type a schema tells from texts.
CATEGORIES: dict[str, tuple[str, Callable[[pl.DataFrame, Path], Any]]] = {
    "Parquet": ("c.parquet", lambda table, folder: categories(table).write_parquet(folder / "c.parquet")),
    "Arrow, by Polars": ("c.arrow", lambda table, folder: categories(table).write_ipc(folder / "c.arrow")),
    "Arrow": (
        "c.ipc",
        lambda table, folder: feather.write_feather(categories(table).to_arrow(), str(folder / "c.ipc")),
    ),
}


def categories(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with texts as categories."""
    return table.with_columns(pl.col("kind").cast(pl.Categorical))


@pytest.fixture(params=[KINDS, CATEGORIES], ids=["plain", "categories"])
def tables(tmp_path: Path, server: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Write one table in every way, beside another one and a schema; return the name of each."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    rows(1).write_parquet(tmp_path / "t.parquet")
    for _, write in request.param.values():
        write(rows(2), tmp_path)
    return {kind: name.format(server=server) for kind, (name, _) in request.param.items()}


def outcome(run: Run, name: str) -> Any:
    """Return the exit code, every check and every number of a report, whatever the table is called.

    Words in CSV that may stand for a missing value are remarked on; other kinds of tables say what is missing.
    """
    report = run.report
    checks = [check for check in report.get("checks", ()) if not check["id"].startswith("missing-values:")]
    known = {name, table_id("", name).removeprefix("@"), "pinned.parquet"}
    inputs = [{**item, "path": "…", "sha256": "…"} for item in report.get("inputs", ()) if item["path"] in known]

    def anonymous(value: object) -> str:
        text = repr(value)
        for called in sorted(known, key=len, reverse=True):
            text = text.replace(called, "…")
        return text

    return run.code, sorted(map(anonymous, checks)), anonymous(report.get("metrics")), anonymous(inputs)


@pytest.mark.parametrize("reader", READERS)
def test_every_kind_of_table__same_verdict(cd4ml: Command, tables: dict[str, str], tmp_path: Path, reader: str) -> None:
    """Whatever a table is stored in and wherever it is, a stage says of it what it says of a Parquet file."""
    found = {}
    for kind, name in tables.items():
        run = cd4ml(*READERS[reader], name)
        written = tmp_path / "new.yaml"
        if reader == "schema infer":
            lines = written.read_text().splitlines()
            found[kind] = "\n".join([str(run.code), *(line for line in lines if not line.startswith("# Proposed"))])
        else:
            found[kind] = outcome(run, name)

    expected = found["Parquet"]
    assert "not a readable" not in str(expected) and "unknown kind" not in str(expected)
    assert {kind: text for kind, text in found.items() if text != expected} == {}


@pytest.mark.parametrize("reader", READERS)
def test_unknown_ending__same_message(
    cd4ml: Command, tmp_path: Path, reader: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every stage says the same of a file whose ending no format has, and names all endings that there are."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    rows(1).write_parquet(tmp_path / "t.parquet")
    (tmp_path / "o.xlsx").write_text("a\n1\n")

    run = cd4ml(*READERS[reader], "o.xlsx", capsys=capsys)

    said = run.stdout + run.stderr
    assert run.code == 2 and "o.xlsx: unknown kind of table" in said
    assert all(ending in said for endings in FORMATS for ending in endings)


def test_page__names_every_ending() -> None:
    """The page that says how tables are named lists the endings of every format."""
    page = (ROOT / "docs" / "stages" / "validate-data.md").read_text().partition("## How tables are named")[2]
    plain = {ending.removesuffix(".gz") for endings in FORMATS for ending in endings}

    assert all(f"`{ending}`" in page for ending in plain)


@pytest.mark.parametrize("reader", READERS)
def test_damaged_table__same_message(
    cd4ml: Command, tmp_path: Path, reader: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every stage says the same of a file that is not what its ending says."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    rows(1).write_parquet(tmp_path / "t.parquet")
    for ending in ("parquet", "arrow"):
        (tmp_path / f"o.{ending}").write_bytes(b"not at all" * 100)

        run = cd4ml(*READERS[reader], f"o.{ending}", capsys=capsys)

        assert run.code == 2 and f"o.{ending}: not a readable table: " in run.stdout + run.stderr


def test_frame_and_dataset__same_rows(tables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas and Arrow are given the very rows that are streamed, of every kind of table."""
    monkeypatch.chdir(tmp_path)
    expected = rows(2).to_dicts()
    for name in tables.values():
        table = open_table(name)
        source = table.source()
        frame = pl.from_pandas(table.frame(), nan_to_null=True)
        few = table.frame(lambda names: [name for name in names if name != "amount"])
        arrow = pl.from_arrow(table.dataset().to_table())

        assert source.lazy().collect().with_columns(pl.col("kind").cast(pl.String)).to_dicts() == expected
        assert frame.with_columns(pl.col("kind").cast(pl.String)).to_dicts() == expected
        assert isinstance(arrow, pl.DataFrame)
        assert arrow.with_columns(pl.col("kind").cast(pl.String)).to_dicts() == expected
        assert list(few) == [column for column in rows(2).columns if column != "amount"]
        assert source.rows == ROWS and source.digest("data").sha256 == table.sha256()
