"""Image names: which are read, which mean the same, and which are refused."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.image.reference import parse, repository_of, same_image


@pytest.mark.parametrize(
    ("text", "name", "tag", "loopback"),
    [
        ("python:3.11-slim", "python", "3.11-slim", False),
        ("ghcr.io/owner/model:candidate", "ghcr.io/owner/model", "candidate", False),
        ("127.0.0.1:5055/loans:v1", "127.0.0.1:5055/loans", "v1", True),
        ("localhost:5000/a/b", "localhost:5000/a/b", None, True),
        ("localhost.example.com/a", "localhost.example.com/a", None, False),
        ("127.0.0.1.example.com/a", "127.0.0.1.example.com/a", None, False),
    ],
)
def test_names_are_read(text: str, name: str, tag: str | None, loopback: bool) -> None:
    """Names of the grammar are taken apart as engines do, and only this machine's own addresses are loopback."""
    found = parse(text, "image")
    assert (found.name, found.tag, found.loopback, str(found)) == (name, tag, loopback, text)


def test_a_digest_is_part_of_a_name() -> None:
    """A name by digest keeps it."""
    assert parse(f"python@sha256:{'a' * 64}", "base-image").digest == f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("team/scores", "docker.io/team/scores", True),
        ("index.docker.io/team/scores", "registry-1.docker.io/team/scores", True),
        ("postgres", "docker.io/library/postgres", True),
        ("library/postgres", "index.docker.io/postgres", True),
        ("ghcr.io/team/scores", "team/scores", False),
        ("localhost/team/scores", "team/scores", False),
        ("registry:5000/scores", "docker.io/registry/scores", False),
        ("team/scores", "team/score", False),
    ],
)
def test_repository__one_by_all_its_spellings(one: str, other: str, same: bool) -> None:
    """Docker Hub's repositories are the same with and without its hosts; those of other registries are not."""
    assert (repository_of(one) == repository_of(other)) is same


def test_image__one_by_its_digest() -> None:
    """Two references mean one image if their digests are one; a tag is the same only letter by letter."""
    one, other = (f"ghcr.io/a/b@sha256:{letter * 64}" for letter in "ab")

    assert same_image(one, one.replace("ghcr.io/a", "mirror.example:5000")) and not same_image(one, other)
    assert same_image("a/b:v1", "a/b:v1") and not same_image("a/b:v1", "a/b:v2") and not same_image("a/b:v1", one)
    assert not same_image(None, None) and not same_image("", "")


BAD_NAMES = [
    "",
    " ",
    "-v",
    "--privileged",
    "Upper/case",
    "python:3.11\nRUN curl evil",
    "python:3.11 AS builder",
    "python:3.11\tx",
    "python:3.11\\",
    "python;id",
    "$(id)",
    "${HOME}",
    "{{ 7 * 7 }}",
    "a//b",
    "a/",
    "/a",
    "a:b:c",
    "a@sha256:abc",
    f"a@md5:{'a' * 32}",
    "a:" + "t" * 129,
    "a" * 256,
    "пример/модель",
    "a\x00b",
    "https://example.com/a",
]


@pytest.mark.parametrize("text", BAD_NAMES)
def test_anything_else_is_refused(text: str) -> None:
    """Options of engines, instructions of Dockerfiles, shell and template syntax are no image names."""
    with pytest.raises(OptionsError, match="is not an image name"):
        parse(text, "image")
