"""The engine on its own: what proves a rule, what is counted, and files that lie."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cd4ml.data.schema.audit import audited
from cd4ml.data.schema.engine.patterns import translated
from cd4ml.data.schema.engine.unique import duplicates
from cd4ml.data.schema.load import load_schema
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from tests.conftest import Run, run_cd4ml

SCHEMA = """\
columns:
  id: {dtype: int64, unique: true, checks: {in_range: {min_value: 0, max_value: 99999}}}
  amount: {dtype: float64, checks: {greater_than_or_equal_to: 0}}
  city: {dtype: str, checks: {isin: [Oslo, Bergen]}}
"""


def table(rows: int = 1000) -> pa.Table:
    """Return a table that meets the schema."""
    rng = np.random.default_rng(7)
    return pa.table(
        {
            "id": np.arange(rows),
            "amount": rng.uniform(0, 10, rows),
            "city": rng.choice(["Oslo", "Bergen"], rows),
        }
    )


def decided(path: Path, schema: str, *, metadata: bool = True) -> dict[str, dict[str, str]]:
    """Return how each rule of a table was decided, after making sure that all of them hold."""
    (path.parent / "schema.yaml").write_text(schema)
    audit = audited(
        open_table(path).source(), load_schema(str(path.parent / "schema.yaml"), path.parent), metadata=metadata
    )
    assert audit.findings == {}
    return audit.proofs


def test_proofs__come_from_where_they_can(tmp_path: Path) -> None:
    """Footers prove whole numbers, dictionaries texts; floats are always read, as their footers leave out NaN."""
    pq.write_table(table(), tmp_path / "t.parquet", row_group_size=100)

    assert decided(tmp_path / "t.parquet", SCHEMA) == {
        "id": {"dtype": "footer", "not-nullable": "footer", "in_range": "footer", "unique": "scan"},
        "amount": {"dtype": "footer", "not-nullable": "scan", "greater_than_or_equal_to": "scan"},
        "city": {"dtype": "footer", "not-nullable": "footer", "isin": "dictionary"},
    }


def test_read_everything__proves_nothing_from_metadata(tmp_path: Path) -> None:
    """Whoever does not believe metadata has every value read."""
    pq.write_table(table(), tmp_path / "t.parquet", row_group_size=100)

    found = decided(tmp_path / "t.parquet", SCHEMA, metadata=False)

    assert {how for rules in found.values() for how in rules.values()} == {"scan"}


def test_schema_in_yaml__needs_no_pandera(tmp_path: Path) -> None:
    """A schema of built-in checks is decided without importing pandera or pandas, which takes longer than the data."""
    pq.write_table(table(), tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text(SCHEMA)

    run = run_cd4ml(
        *(tmp_path, "validate-data", "--data", "t.parquet", "--schema", "schema.yaml"),
        env={"PYTHONPROFILEIMPORTTIME": "1"},
    )

    assert run.code == 0
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time")}
    assert "polars" in imported and not {"pandas", "pandera"} & imported


@pytest.mark.parametrize("hidden", [300, None], ids=["bounds", "nulls"])
def test_lying_footer__refused(cd4ml: Callable[..., Run], tmp_path: Path, hidden: int | None) -> None:
    """A file whose footer is another one's, and hides a value out of bounds or a null, is refused."""
    for name, last in (("honest", hidden), ("innocent", 3)):
        content = pa.table({"id": pa.array([1, 2, last], pa.int64())})
        pq.write_table(content, tmp_path / name, compression="none", use_dictionary=False)
    rows, footer = (tmp_path / "honest").read_bytes(), (tmp_path / "innocent").read_bytes()
    sizes = [int.from_bytes(content[-8:-4], "little") + 8 for content in (rows, footer)]
    (tmp_path / "t.parquet").write_bytes(rows[: -sizes[0]] + footer[-sizes[1] :])
    (tmp_path / "schema.yaml").write_text(
        "columns:\n  id: {dtype: int64, checks: {in_range: {min_value: 0, max_value: 9}}}\n"
    )

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    assert run.code == 2
    assert "footer" in run.report["summary"]


@pytest.mark.parametrize(
    ("values", "bounds", "method"),
    [
        (np.arange(5000), (0, 4999), "rising"),
        (np.random.default_rng(1).permutation(5000), (0, 4999), "ticked off"),
        (np.random.default_rng(1).permutation(5000) * 10**9, (0, 4999 * 10**9), "sorted"),
        (np.random.default_rng(1).random(5000), None, "sorted"),
    ],
)
def test_unique_key__is_found_unique(tmp_path: Path, values: Any, bounds: tuple[int, int] | None, method: str) -> None:
    """Sorted, shuffled, sparse and fractional keys are each decided by the cheapest way that is exact."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"key": values}), path, row_group_size=700)

    found = duplicates(open_table(path).source(), ["key"], "all", 10, bounds)

    assert (found.count, found.method) == (0, method)


@pytest.mark.parametrize("keep", ["all", "exclude_first", "exclude_last"])
@pytest.mark.parametrize("kind", ["int", "float", "str", "several"])
def test_duplicates__are_counted_and_shown_as_pandas_does(tmp_path: Path, keep: Any, kind: str) -> None:
    """Counts and first rows equal pandas' own, with missing values and minus zero among them."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"a": rng.integers(0, 4000, 5000), "b": rng.integers(0, 3, 5000)})
    if kind == "float":
        frame["a"] = frame["a"].astype(float).where(frame["a"] > 5)
        frame.loc[[0, 1], "a"] = [0.0, -0.0]
    if kind == "str":
        frame["a"] = frame["a"].astype(str).where(frame["a"] > 5)
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, row_group_size=700)
    columns = ["a", "b"] if kind == "several" else ["a"]

    found = duplicates(open_table(path).source(), columns, keep, 10)

    counted: dict[str, Any] = {"all": False, "exclude_first": "first", "exclude_last": "last"}
    expected = frame.duplicated(columns, keep=counted[keep])
    assert found.count == int(expected.sum())
    assert [row for row, _ in found.samples] == np.flatnonzero(expected)[:10].tolist()


def test_arrow_file__is_a_table(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Feather is validated like Parquet, and blocks like it."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    good = pl.from_arrow(table())
    assert isinstance(good, pl.DataFrame)
    good.write_ipc(tmp_path / "good.feather", compat_level=pl.CompatLevel.oldest())
    good.with_columns(amount=-pl.col("amount")).write_ipc(tmp_path / "bad.feather")

    assert cd4ml("validate-data", "--data", "good.feather", "--schema", "schema.yaml").code == 0
    assert cd4ml("validate-data", "--data", "bad.feather", "--schema", "schema.yaml").code == 1


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (r"^[A-Z]{2}-a+$", r"^[A-Z]{2}-a+\n?\z"),
        (r"[\\d.]+", r"[\\d.]+"),
        (r"a.", r"a[^\n]"),
        (r"a|(?:bc)*", "a|(?:bc)*"),
        (r"(?i)a", None),
        (r"\bа", None),
        (r"(?=a)", None),
        (r"a$b", None),
        (r"(a)\1", None),
        (r"a**", None),
        (r"\w{300}", None),
        ("[+--]", None),
        ("(", None),
    ],
)
def test_patterns__mean_the_same_or_are_left_to_pandera(pattern: str, meant: str | None) -> None:
    """What two engines for patterns may read differently is not compiled."""
    assert translated(pattern) == meant


@pytest.mark.parametrize("written", [r"\d", r"\w", r"\s", ".", r"[^\w]", r"[\d\s]"])
def test_classes_of_characters__are_pythons(written: str) -> None:
    """Every character is in a class exactly if Python, and so pandas, says so; also what later Unicodes assign."""
    characters = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) != "Cs"]
    expected = [re.match(written, character) is not None for character in characters]

    assert pl.Series(characters).str.contains(str(translated(written))).to_list() == expected


def test_every_row_fails__counts_and_samples_are_bounded(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """With every row broken, the report holds the count and ten samples."""
    pq.write_table(table(50_000), tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text("columns:\n  amount: {dtype: float64, checks: {less_than: 0}}\n")

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")

    check = next(item for item in run.report["checks"] if item["id"] == "less_than:amount")
    assert (run.code, check["value"]) == (1, 50_000)
    samples = run.report["details"]["t.parquet"]["samples"]["less_than:amount"]
    assert samples == [{"row": row} for row in range(10)]


def dirty(folder: Path, broken: int) -> None:
    """Write 1,000 rows, some of them out of bounds, and the schema."""
    frame = pd.DataFrame({"age": [200] * broken + [30] * (1000 - broken), "sex": ["x"] * 1000})
    frame.to_parquet(folder / "t.parquet")
    (folder / "schema.yaml").write_text(
        "columns:\n  age: {dtype: int64, checks: {less_than: 150}}\n  sex: {dtype: int64}\n"
    )


def test_budget__allows_a_share_of_rows_and_no_more(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """At most 0.3 % of 1,000 rows are three rows: three pass, four do not."""
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml", "--warn", "dtype:sex"]
    found = {}
    for broken in (3, 4):
        dirty(tmp_path, broken)
        run = cd4ml(*command, "--budget", "less_than:age=0.003")
        check = next(item for item in run.report["checks"] if item["id"] == "less_than:age")
        found[broken] = run.code, check["status"], check["value"], check["limit"]

    assert found == {3: (0, "passed", 3, 3), 4: (1, "failed", 4, 3)}


def test_warning__is_told_and_does_not_block(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A check that only warns passes, with its finding in the report."""
    dirty(tmp_path, 1)
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml"]

    run = cd4ml(*command, "--warn", "dtype:sex", "--warn", "less_than:age")

    warned = {item["id"]: item["reason"] for item in run.report["checks"] if item.get("reason") == "warning"}
    assert run.code == 0 and set(warned) == {"dtype:sex", "less_than:age"}
    assert cd4ml(*command, "--warn", "dtype:sex").code == 1
    unknown = cd4ml(*command, "--warn", "less_then:age")
    assert unknown.code == 2 and "less_than:age" in unknown.report["summary"]


def test_crashed_check__is_not_tolerated(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A warning is about what was found; a check that could not look still blocks."""
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "crashing.py").write_text(
        "import pandera.pandas as pa\n\nS = pa.DataFrameSchema("
        "{'a': pa.Column(int, pa.Check(lambda s: 1 / 0, name='own'))})\n"
    )
    command = ["validate-data", "--data", "t.parquet", "--schema", "crashing:S"]

    run = cd4ml(*command, "--warn", "own:a", "--budget", "own:a=0.5")

    assert run.code != 0 and run.report["status"] == "error"


def test_stale_data__blocks(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """The latest time must be recent, and must not lie in the future."""
    (tmp_path / "schema.yaml").write_text("columns:\n  at: {dtype: 'datetime64[ns]'}\n")
    found = {}
    for hours in (1, 30, -5):
        now = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours)
        pd.DataFrame({"at": [now, now - timedelta(days=9)]}).to_parquet(tmp_path / "t.parquet")
        run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml", "--freshness", "at=24")
        found[hours] = run.code, next(item for item in run.report["checks"] if item["id"] == "fresh:at").get("reason")

    assert found == {1: (0, None), 30: (1, "stale"), -5: (1, "in-the-future")}


def test_lost_rows__block(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Half of the rows gone since the last accepted data is a finding; a report of refused data is no baseline."""
    pq.write_table(table(1000), tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    command = ["validate-data", "--data", "t.parquet", "--schema", "schema.yaml"]
    assert cd4ml(*command, "--report", "accepted.json").code == 0
    changed = [*command, "--previous-report", "accepted.json", "--maximum-row-change", "0.2"]

    assert cd4ml(*changed).code == 0
    pq.write_table(table(790), tmp_path / "t.parquet")
    lost = cd4ml(*changed)
    assert (
        lost.code == 1
        and "790 rows, 21.0 % fewer than the 1,000 before (at most a 20 % change)" in lost.report["summary"]
    )
    accepted = json.loads((tmp_path / "accepted.json").read_text())
    (tmp_path / "accepted.json").write_text(json.dumps({**accepted, "status": "failed"}))
    assert cd4ml(*changed).code == 2


def test_file_that_shrinks_while_it_is_read__refused(tmp_path: Path) -> None:
    """What the second look finds must be what the first one found."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0]}), path)
    source = open_table(path).source()
    pq.write_table(pa.table({"a": [1.0, 2.0]}), path)
    (tmp_path / "schema.yaml").write_text("columns:\n  a: {dtype: float64, checks: {greater_than: 0}}\n")

    with pytest.raises(OptionsError, match="rows|not a readable"):
        audited(source, load_schema(str(tmp_path / "schema.yaml"), tmp_path), metadata=False)


@pytest.mark.parametrize(
    ("settings", "proof"),
    [("isin: [Oslo, Bergen]", "dictionary"), ("str_length: {min_value: 4, max_value: 6}", "dictionary")],
)
def test_categories__are_decided_without_pandera(
    cd4ml: Callable[..., Run], tmp_path: Path, settings: str, proof: str
) -> None:
    """Checks of categories are proven on their few texts, and the rows that break them are counted."""
    cities = pa.array(["Oslo", "Bergen", None, "Oslo"]).dictionary_encode()
    pq.write_table(pa.table({"city": cities}), tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text(
        f"columns:\n  city: {{dtype: category, nullable: true, checks: {{{settings}}}}}\n"
    )
    (tmp_path / "bad.yaml").write_text("columns:\n  city: {dtype: str, nullable: true, checks: {notin: [Oslo]}}\n")

    good = cd4ml("validate-data", "--data", "t.parquet", "--schema", "schema.yaml")
    bad = cd4ml("validate-data", "--data", "t.parquet", "--schema", "bad.yaml")

    decided = good.report["details"]["t.parquet"]["decided_by"]["city"]
    assert good.code == 0 and decided[settings.partition(":")[0]] == proof and "pandera" not in decided.values()
    found = {check["id"]: check for check in bad.report["checks"]}
    assert found["notin:city"]["value"] == 2
    assert found["dtype:city"]["message"] == "`city` is not of type string[pyarrow]; it is category."


def test_listed_categories__are_another_type_than_any(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Categories that a schema lists are compared by pandera, which knows their order; a plain type would pass them."""
    pq.write_table(pa.table({"city": pa.array(["Oslo", "Bergen"]).dictionary_encode()}), tmp_path / "t.parquet")
    (tmp_path / "listed.py").write_text(
        "import pandas as pd\nimport pandera.pandas as pa\n"
        "Schema = pa.DataFrameSchema({'city': pa.Column(pd.CategoricalDtype(['Oslo']))})\n"
    )

    run = cd4ml("validate-data", "--data", "t.parquet", "--schema", "listed:Schema")

    assert run.code == 1
    assert {check["id"] for check in run.report["checks"] if check["status"] == "failed"} == {"dtype:city"}
