"""`cd4ml trace` and the files that reports name: what a pin says otherwise, and paths that nobody should follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from cd4ml.data.tables.opening import open_table
from cd4ml.tracing import data
from tests.tracing.conftest import DIGEST, Delivered


def name_table(delivered: Delivered, path: str, sha256: str = "5" * 64) -> None:
    """Let a report name a table."""
    inputs = [{"name": "test-data", "path": path, "sha256": sha256}]
    delivered.report("score-model", lambda document: document.update(inputs=inputs))


def test_delta_pin__must_lead_to_the_same_data(delivered: Delivered) -> None:
    """The version of a Delta table that a report names must be what it was: other data there is an error."""
    table = delivered.folder / "data" / "t"
    pl.DataFrame({"a": [1, 2]}).write_delta(table)
    name_table(delivered, "data/t@0", open_table("data/t@0").sha256())
    assert delivered.trace(DIGEST)["contradictions"] == []

    pl.DataFrame({"a": [3]}).write_delta(table, mode="append")
    assert delivered.trace(DIGEST)["contradictions"] == []  # a later version changes nothing in the pinned one

    name_table(delivered, "data/t@1", open_table("data/t@0").sha256())
    assert "though data/t@1 pins it" in str(delivered.trace(DIGEST, code=1)["contradictions"])


@pytest.mark.parametrize("path", ["../../../..", "/", "/etc/passwd", "data/../../x", "OUTSIDE"])
def test_path_that_leads_out__is_not_followed(
    delivered: Delivered, tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    """A table outside the working directory is not looked at, and its digest is not shown; the story is told."""
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("secret\n")
    path = str(outside) if path == "OUTSIDE" else path
    name_table(delivered, path)

    notices = delivered.trace(DIGEST)["notices"]

    assert f"{path} was not compared: it is outside the working directory" in notices


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "a\ud800b", "x" * 5000 + "@0", "~", "**"])
def test_path_that_no_file_has__ends_nothing(delivered: Delivered, path: str) -> None:
    """A name that no file can have is one table that was not compared; the story is told."""
    name_table(delivered, path)

    assert any("was not compared" in notice and len(notice) < 500 for notice in delivered.trace(DIGEST)["notices"])


def test_folder_with_too_many_files__is_not_walked(delivered: Delivered, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of more files than any table has is left after the first of them, and that is said."""
    monkeypatch.setattr(data, "_MOST_FILES", 3)
    for number in range(9):
        (delivered.folder / "many" / str(number)).mkdir(parents=True)
    seen: list[Path] = []
    walk = Path.rglob

    def counted(folder: Path, pattern: str) -> Iterator[Path]:
        for one in walk(folder, pattern):
            seen.append(one)
            yield one

    monkeypatch.setattr(Path, "rglob", counted)
    name_table(delivered, "many")

    assert any(
        "many was not compared: it is not here, or is larger" in one for one in delivered.trace(DIGEST)["notices"]
    )
    assert len(seen) == 4


def test_document_of_an_impossible_name__is_named(delivered: Delivered) -> None:
    """A document that build-image is said to have written under a name that no file can have is a problem."""
    delivered.report("build-image", lambda one: one["details"].update(sbom={"y" * 5000: "5" * 64}))

    story = delivered.trace(DIGEST, code=1)

    assert any("yyy… cannot be read: File name too long" in one for one in story["contradictions"])
    assert {one["stage"] for one in story["verdicts"]} >= {"evaluate-model", "build-image"}
