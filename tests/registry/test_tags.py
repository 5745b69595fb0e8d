"""Tags of a version: written once, replaced only aloud, and read back in the same way from a file and from a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cd4ml.registry import MissingModelError, reference_of, tags
from cd4ml.registry.described import described
from tests import registries

FIRST = {tags.IMAGE: "a@sha256:1", tags.COMMIT: "c1", tags.DATA: "sha256:d1", tags.LOCK: ""}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a SQLite registry with two versions of a model, the second of them production."""
    folder = tmp_path_factory.mktemp("store")
    uri = registries.new_store(folder)
    registries.register(uri, "credit", [folder, folder], aliases={"champion": "2"})
    return uri


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, store: str) -> Iterator[str]:
    """Run `mlflow server` on that registry."""
    with registries.server(store, tmp_path_factory.mktemp("server")) as address:
        yield address


def test_tag__once_and_never_in_silence(store: str, address: str) -> None:
    """What is there already is not written again; another value is replaced and said; what was of another image goes.

    The same is read from the file without MLflow and from the server.
    """
    assert tags.tag("credit", "2", FIRST, tracking_uri=address, environ={}).replaced == {}
    again = tags.tag("credit", "2", FIRST, tracking_uri=address, environ={})
    assert (again.written, again.replaced, again.told) == ({}, {}, "")

    changed = {**FIRST, tags.IMAGE: "a@sha256:2", tags.DATA: ""}
    found = tags.tag("credit", "2", changed, tracking_uri=address, environ={})

    assert found.written == {tags.IMAGE: "a@sha256:2"}
    assert found.replaced == {tags.IMAGE: "a@sha256:1", tags.DATA: "sha256:d1"}
    assert "cd4ml.image was a@sha256:1" in found.told
    (read,) = described(reference_of("models:/credit@champion"), tracking_uri=store, environ={})
    assert read.tags == {tags.IMAGE: "a@sha256:2", tags.COMMIT: "c1"}
    assert (read.version, read.aliases) == ("2", ["champion"])
    assert described(reference_of("models:/credit/2"), tracking_uri=address, environ={}) == [read]


def test_described__all_of_a_file(store: str) -> None:
    """All versions of a file are read at once; one that is not there is missing."""
    assert {one.version for one in described(None, tracking_uri=store, environ={})} == {"1", "2"}
    with pytest.raises(MissingModelError, match="no models:/credit/7"):
        described(reference_of("models:/credit/7"), tracking_uri=store, environ={})


def test_described__writes_nothing(store: str) -> None:
    """The file is the same afterwards."""
    path = Path(store.removeprefix("sqlite:///"))
    before = path.read_bytes()

    described(None, tracking_uri=store, environ={})

    assert path.read_bytes() == before and not list(path.parent.glob("*-journal"))


def test_of_tables__is_one_digest() -> None:
    """The digest of tables depends on their paths and contents, not on their order or on how often they are read."""
    one, two = ("a.csv", "1" * 64), ("b.csv", "2" * 64)

    assert tags.of_tables([one, two, one]) == tags.of_tables([two, one]) != tags.of_tables([one])
    assert tags.of_tables([]) == ""
