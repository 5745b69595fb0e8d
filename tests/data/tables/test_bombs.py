"""validate-data as a process of its own: small files that become large are refused soon, in little memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from cd4ml.data.tables.formats.parquet.expansion import hidden_bytes
from cd4ml.data.tables.formats.texts import decoded_bytes

LONG = "x" * 2_000_000
MOST_KILOBYTES = 512 * 1024
SCHEMA = "columns:\n  text: {dtype: str, checks: {str_length: {min_value: 1, max_value: 6}}}\n"


def repeated(rows: int) -> pa.Table:
    """Return rows that share one long text."""
    indices = pa.array([0] * rows, pa.int32())
    return pa.table({"text": pa.DictionaryArray.from_arrays(indices, pa.array([LONG]))})


def dictionary(path: Path) -> None:
    """Write one long text for a thousand rows."""
    pq.write_table(repeated(1000), path / "t.parquet", store_schema=False)


def categories(path: Path) -> None:
    """Write one long category for a thousand rows."""
    pq.write_table(repeated(1000), path / "t.parquet")


def prefixes(path: Path) -> None:
    """Write texts of which each is the prefix of the next."""
    table = pa.table({"text": pa.array([LONG] * 300)})
    pq.write_table(table, path / "t.parquet", use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})


def arrow(path: Path) -> None:
    """Write one long text for two thousand rows of an Arrow file."""
    feather.write_feather(repeated(2000), str(path / "t.arrow"), compression="uncompressed")


def views(path: Path) -> None:
    """Write rows of an Arrow file that all point to one long text."""
    view = np.frombuffer(pa.array([LONG], pa.string_view()).buffers()[1], dtype=np.int32)
    buffers = [None, pa.py_buffer(np.tile(view, 2000)), pa.py_buffer(LONG.encode())]
    text = pa.Array.from_buffers(pa.string_view(), 2000, buffers)
    with pa.ipc.new_file(str(path / "t.arrow"), pa.schema({"text": text.type})) as writer:
        writer.write_batch(pa.record_batch({"text": text}))


def folder(path: Path) -> None:
    """Write a folder of files of which none expands far alone."""
    (path / "t.parquet").mkdir()
    for part in range(5):
        pq.write_table(repeated(200), path / "t.parquet" / f"{part}.parquet", store_schema=False)


def gzipped(path: Path) -> None:
    """Write a compressed CSV file of 120 MB."""
    with gzip.open(path / "t.csv.gz", "wb") as stream:
        stream.write(b"text\n")
        for _ in range(120):
            stream.write(b"a\n" * 500_000)


def wide(path: Path) -> None:
    """Write a CSV file of two million columns."""
    names = ",".join(f"c{number}" for number in range(2_000_000))
    (path / "t.csv").write_text(f"{names}\n{'1,' * 1_999_999}1\n")


# In between, because a process begins with the peak of the one that starts it.
MEASURE = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def in_a_process(path: Path, *arguments: str) -> tuple[int, str, int]:
    """Run validate-data; return its exit code, what it said, and its peak of memory in kilobytes."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "cd4ml", "validate-data", *arguments]
    run = subprocess.run(command, cwd=path, capture_output=True, text=True, check=True)
    code, kilobytes = run.stdout.split()[-2:]
    return int(code), run.stdout + run.stderr, int(kilobytes)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (dictionary, "refused as hostile"),
        (categories, "refused as hostile"),
        (prefixes, "refused as hostile"),
        (arrow, "refused as hostile"),
        (views, "refused as hostile"),
        (folder, "refused as hostile"),
        (gzipped, "refused as hostile"),
        (wide, "a line is longer than|columns; at most"),
    ],
    ids=["dictionary", "categories", "prefixes", "arrow", "views", "folder", "gzip", "columns"],
)
def test_bomb__refused_in_little_memory(tmp_path: Path, write: Callable[[Path], None], words: str) -> None:
    """What expands without measure ends with exit code 2 and a reason, before it fills the machine's memory."""
    write(tmp_path)
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    (data,) = tmp_path.glob("t.*")

    code, said, kilobytes = in_a_process(tmp_path, "--data", data.name, "--schema", "schema.yaml")

    assert code == 2 and any(part in said for part in words.split("|")), said
    assert kilobytes < MOST_KILOBYTES


@pytest.mark.timeout(60)
def test_long_text_below_the_limit__judged_in_little_memory(tmp_path: Path) -> None:
    """Rows that share one long text are counted, and the text is kept once."""
    pq.write_table(repeated(240), tmp_path / "t.parquet", store_schema=False)
    (tmp_path / "schema.yaml").write_text(SCHEMA)

    code, said, kilobytes = in_a_process(tmp_path, "--data", "t.parquet", "--schema", "schema.yaml")

    assert code == 1 and "240 of 240 rows" in said
    assert kilobytes < MOST_KILOBYTES


def test_decoded_bytes__are_counted_exactly() -> None:
    """Texts count once for each row, however they are stored: in a dictionary, as views, in a slice, beside gaps."""
    texts = ["a", None, "bb" * 20, "", "a"]
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary_view()):
        plain = pa.array(texts, kind)
        dictionary = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 1]), pa.array(["a", "bb" * 20], kind))

        assert [decoded_bytes(item) for item in (plain, plain[1:4], plain[:0], dictionary)] == [42, 40, 0, 81]


def test_hidden_bytes__are_counted_exactly(tmp_path: Path) -> None:
    """Texts of every kind, nested ones among them, count once for each row, less what the footer shows."""
    text = "y" * 5000
    columns = {
        "plain": pa.array([text, None] * 50),
        "large": pa.array([text] * 100, pa.large_string()),
        "view": pa.array([text] * 100, pa.string_view()),
        "bytes": pa.array([text.encode()] * 100),
        "fixed": pa.array([text.encode()] * 100, pa.binary(5000)),
        "list": pa.array([[text, text]] * 100),
        "struct": pa.array([{"inner": text}] * 100),
        "map": pa.array([[("k" * 5000, None)]] * 100, pa.map_(pa.string(), pa.string())),
        "empty": pa.array([""] * 100),
        "nulls": pa.nulls(100, pa.string()),
    }
    expected = {"plain": 250_000, "list": 1_000_000, "empty": 0, "nulls": 0}
    for name, column in columns.items():
        file = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({name: column}), file)
        metadata = pq.read_metadata(file)
        group = metadata.row_group(0)
        stored = group.column(0).total_uncompressed_size

        assert hidden_bytes(file, metadata, enough=10**9, ignorable=1) == max(
            0, expected.get(name, 500_000) - stored
        ), name


def test_categories__are_no_bomb(tmp_path: Path) -> None:
    """Ten million rows of two categories are an ordinary table."""
    table = pa.table(
        {"text": pa.DictionaryArray.from_arrays(pa.array([0, 1] * 5_000_000, pa.int8()), ["Oslo", "Bergen"])}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "schema.yaml").write_text("columns:\n  text: {dtype: category}\n")

    code, said, _ = in_a_process(tmp_path, "--data", "t.parquet", "--schema", "schema.yaml")

    assert code == 0, said
