"""Tables that are no plain files: Delta tables, DVC pointers, addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cd4ml.data.tables import frames as reading
from cd4ml.data.tables.frames import frames
from cd4ml.data.tables.opening import open_table
from tests.conftest import Run

SCHEMA = "columns:\n  a: {dtype: int64, checks: {greater_than: 0}}\n  p: {dtype: str}\nstrict: true\n"
GOOD = pl.DataFrame({"a": [1, 2, 3], "p": ["x", "y", "x"]})
BAD = pl.DataFrame({"a": [-1], "p": ["z"]})


@pytest.fixture
def validate(cd4ml: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Validate what is named against the schema."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)

    def run(data: str) -> Run:
        return cd4ml("validate-data", "--data", data, "--schema", "schema.yaml")

    return run


def test_delta_version__is_what_is_validated(validate: Callable[..., Run], tmp_path: Path) -> None:
    """A pinned version passes, the latest one fails by its own rows, and the report names the version."""
    GOOD.write_delta(tmp_path / "loans", delta_write_options={"partition_by": ["p"]})
    BAD.write_delta(tmp_path / "loans", mode="append")

    first, latest = validate("loans@0"), validate("loans")

    assert (first.code, latest.code) == (0, 1)
    assert [run.report["inputs"][0]["path"] for run in (first, latest)] == ["loans@0", "loans@1"]
    assert first.report["inputs"][0]["sha256"] != latest.report["inputs"][0]["sha256"]
    assert [run.report["inputs"][0]["rows"] for run in (first, latest)] == [3, 4]


def test_deleted_rows__are_not_read(validate: Callable[..., Run], tmp_path: Path) -> None:
    """Files of a Delta folder that its log has dropped do not count; reading the folder as Parquet would count them."""
    BAD.write_delta(tmp_path / "loans")
    GOOD.write_delta(tmp_path / "loans", mode="overwrite")

    run = validate("loans")

    assert (run.code, run.report["inputs"][0]["rows"]) == (0, 3)


def test_delta_version_that_is_not_there__unavailable(validate: Callable[..., Run], tmp_path: Path) -> None:
    """A version that does not exist is exit code 3, not the latest one."""
    GOOD.write_delta(tmp_path / "loans")

    assert validate("loans@7").code == 3


def pointer(folder: Path, md5: str) -> None:
    """Write what `dvc add t.parquet` writes."""
    (folder / "t.parquet.dvc").write_text(f"outs:\n- md5: {md5}\n  size: 1\n  hash: md5\n  path: t.parquet\n")


def test_dvc_pointer__is_compared_with_its_file(validate: Callable[..., Run], tmp_path: Path) -> None:
    """A pointer to this very file passes; to another one, or to one that was not pulled, is exit code 3."""
    GOOD.write_parquet(tmp_path / "t.parquet")
    md5 = hashlib.md5((tmp_path / "t.parquet").read_bytes(), usedforsecurity=False).hexdigest()
    pointer(tmp_path, md5)
    assert validate("t.parquet.dvc").code == 0

    pointer(tmp_path, "0" * 32)
    other = validate("t.parquet.dvc")
    (tmp_path / "t.parquet").unlink()
    missing = validate("t.parquet.dvc")

    assert (other.code, missing.code) == (3, 3)
    assert "not the file" in other.report["summary"] and "dvc pull" in str(missing.report["checks"])


LINES = "a,p\r\n" + "".join(f"{number},x\r\n" for number in range(1, 200_000))


@pytest.mark.parametrize(
    ("content", "plain"),
    [
        (LINES.encode(), False),
        (b"a,p\r\n1,x\n2,y\r\n", False),
        ("a,p\r\n" + "1,éüøçß\r\n" * 200, True),
        (b"\xef\xbb\xbfa,p\r\n1,x\r\n2,y\r\n", False),
    ],
    ids=["over a megabyte", "mixed line ends", "more than 30 % other characters", "byte-order mark"],
)
def test_dvc_2_pointer__hashes_texts_with_unix_line_ends(
    validate: Callable[..., Run], tmp_path: Path, content: bytes | str, plain: bool
) -> None:
    """A pointer without `hash: md5` is compared as DVC 1 and 2 hash: texts with LF, in parts of a megabyte."""
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / "t.csv").write_bytes(content)
    parts = [content[start : start + 2**20] for start in range(0, len(content), 2**20)]
    text = b"".join(part.replace(b"\r\n", b"\n") for part in parts)
    other = hashlib.md5(content if not plain else text, usedforsecurity=False).hexdigest()
    right = hashlib.md5(text if not plain else content, usedforsecurity=False).hexdigest()
    found = []
    for md5, version in ((right, ""), (other, ""), (right, "  hash: md5\n")):
        (tmp_path / "t.csv.dvc").write_text(f"outs:\n- md5: {md5}\n  path: t.csv\n{version}")
        found.append(validate("t.csv.dvc").code)

    assert found == [0, 3, 0 if plain else 3]


def test_dvc_working_directory__is_where_the_file_lies(validate: Callable[..., Run], tmp_path: Path) -> None:
    """`wdir` names the folder that a pointer's paths are relative to, inside the working directory only."""
    for folder in ("pointers", "data"):
        (tmp_path / folder).mkdir()
    GOOD.write_parquet(tmp_path / "data" / "t.parquet")
    md5 = hashlib.md5((tmp_path / "data" / "t.parquet").read_bytes(), usedforsecurity=False).hexdigest()
    out = f"outs:\n- md5: {md5}\n  hash: md5\n  path: t.parquet\n"
    found = []
    for wdir in ("wdir: ../data\n", "wdir: ../../data\n", "wdir: /data\n", ""):
        (tmp_path / "pointers" / "t.dvc").write_text(out + wdir)
        found.append(validate("pointers/t.dvc"))

    assert [run.code for run in found] == [0, 2, 2, 3]
    assert found[0].report["inputs"][0]["path"] == "data/t.parquet"
    assert "outside" in found[1].report["summary"]


PIPELINE = """\
stages:
  split:
    wdir: work
    cmd: python split.py
  prepare:
    foreach: [a, b]
    do: {wdir: ., cmd: python prepare.py}
  odd: {wdir: "${folder}", cmd: python odd.py}
"""


@pytest.mark.parametrize("version", ["1", "3"])
def test_dvc_lock__names_outputs_of_a_pipeline(validate: Callable[..., Run], tmp_path: Path, version: str) -> None:
    """An output of a stage is found by its path and the stage's `wdir`, and must have the hash of the lock file."""
    (tmp_path / "pipeline" / "work").mkdir(parents=True)
    (tmp_path / "pipeline" / "dvc.yaml").write_text(PIPELINE)
    GOOD.write_parquet(tmp_path / "pipeline" / "work" / "t.parquet")
    GOOD.write_parquet(tmp_path / "pipeline" / "b.parquet")
    md5 = hashlib.md5((tmp_path / "pipeline" / "b.parquet").read_bytes(), usedforsecurity=False).hexdigest()
    how = "hash: md5, " if version == "3" else ""
    stages = (
        f"split:\n  outs: [{{path: t.parquet, {how}md5: {md5}}}]\n"
        f"prepare@b:\n  outs: [{{path: b.parquet, {how}md5: {md5}}}, {{path: other.parquet, {how}md5: {md5}}}]\n"
        f"odd:\n  outs: [{{path: odd.parquet, {how}md5: {md5}}}]\nalone: {{cmd: x}}\n"
    )
    if version == "3":
        stages = "schema: '2.0'\nstages:\n" + "".join(f"  {line}\n" for line in stages.splitlines())
    (tmp_path / "pipeline" / "dvc.lock").write_text(stages)
    BAD.write_parquet(tmp_path / "pipeline" / "other.parquet")

    names = ["t.parquet", "b.parquet", "other.parquet", "nowhere.parquet", "odd.parquet"]
    runs = [validate(f"pipeline/dvc.lock:{name}") for name in names]

    assert [run.code for run in runs] == [0, 0, 3, 2, 2]
    assert [run.report["inputs"][0]["path"] for run in runs[:2]] == ["pipeline/work/t.parquet", "pipeline/b.parquet"]


@pytest.mark.parametrize(
    "text",
    [
        "outs: []",
        "outs:\n- {md5: a, hash: etag, path: x}\n",
        "outs:\n- md5: a\n  path: x\nwdir: [1]\n",
        "- 1",
        "outs:\n- md5: 0.dir\n  path: folder\n",
        "outs:\n- md5: a\n  path: ../elsewhere.parquet\n",
        "outs:\n- {md5: a, path: x}\n- {md5: b, path: y}\n",
    ],
)
def test_odd_pointer__refused(validate: Callable[..., Run], tmp_path: Path, text: str) -> None:
    """Pointers to folders, to several files or out of their folder are refused."""
    (tmp_path / "t.parquet.dvc").write_text(text)

    assert validate("t.parquet.dvc").code == 2


def test_address__is_fetched_and_named_without_secrets(
    validate: Callable[..., Run], server: str, tmp_path: Path
) -> None:
    """A table at an address is validated; what may be a signature stays out of the report."""
    GOOD.write_parquet(tmp_path / "good.parquet")
    BAD.write_csv(tmp_path / "bad.csv")

    good = validate(f"{server}/good.parquet?signature=secret")

    assert good.code == 0
    assert good.report["inputs"][0]["path"] == f"{server}/good.parquet"
    assert validate(f"{server}/bad.csv").code == 1
    missing = validate(f"{server}/missing.parquet?signature=secret")
    assert missing.code == 3 and "secret" not in missing.report["summary"]


def test_fetched_table__leaves_nothing_behind(server: str, tmp_path: Path) -> None:
    """The copy goes as soon as the table is no longer needed."""
    GOOD.write_parquet(tmp_path / "good.parquet")
    source = open_table(f"{server}/good.parquet").source()
    folder = source.files[0].parent
    assert folder.exists()

    del source

    assert not folder.exists()


def test_row_groups__are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read in their order up to a bound at once, and no row group is cut that fits."""
    monkeypatch.setattr(reading, "ROWS_AT_ONCE", 700)
    rows = pl.DataFrame({"number": range(5_000), "text": [f"{at % 50}" for at in range(5_000)]})
    for name, part, size in (("a", rows[:3_000], 600), ("b", rows[3_000:4_000], 300), ("c", rows[4_000:], 1_000)):
        (tmp_path / "parts").mkdir(exist_ok=True)
        part.write_parquet(tmp_path / "parts" / f"{name}.parquet", row_group_size=size)

    found = list(frames(open_table(str(tmp_path / "parts")).source(), ["number", "text"]))

    assert [len(one) for one in found] == [600] * 6 + [400, 700, 300]
    assert pl.concat(found).equals(rows)


def test_large_row_group__is_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a row group that is too large for slices come in their order, with the types of the table."""
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "number": rng.normal(size=5000),
            "small": rng.integers(0, 100, 5000).astype(np.int8),
            "text": [None if at % 7 == 0 else f"{at % 50}" for at in range(5000)],
            "kind": pl.Series([f"{at % 3}" for at in range(5000)], dtype=pl.Categorical),
            "day": pl.Series([date(2026, 1, 1 + at % 28) for at in range(5000)]),
            "at": pl.Series([datetime(2026, 1, 1, at % 24, tzinfo=UTC) for at in range(5000)]),
            "flag": [at % 2 == 0 for at in range(5000)],
            "list": [[at, None] for at in range(5000)],
        }
    )
    rows.write_parquet(tmp_path / "one.parquet", row_group_size=5000)
    source = open_table(str(tmp_path / "one.parquet")).source()
    names = ["text", "number", *(name for name in rows.columns if name not in ("text", "number"))]
    sliced = pl.concat(frames(source, names))
    monkeypatch.setattr(reading, "_LARGEST_SLICED", 1000)
    monkeypatch.setattr(reading, "ROWS_AT_ONCE", 700)

    found = list(frames(source, names))

    assert len(found) == 8 and pl.concat(found).equals(sliced)
    assert dict(found[0].schema) == {name: source.schema[name] for name in names}
