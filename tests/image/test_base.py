"""The base image: where it is looked up, and what it may not say of the image."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest

from cd4ml.checks.image.build import base_check
from cd4ml.errors import UnavailableError
from cd4ml.image import base
from cd4ml.image.builders.docker import Docker
from cd4ml.image.contents import Contents
from cd4ml.image.labels import own_labels
from cd4ml.image.reference import Reference, parse
from cd4ml.image.registry_api.transport import BrokenOffError, RegistryError
from cd4ml.stages.build_image.base import BaseImage
from tests.image.programs import DIGEST, IMAGE, build, calls, program

CONTENTS = Contents(python="3.11", installers=[], folders={})


@dataclass(frozen=True, kw_only=True)
class Refused(Docker):
    """An engine whose pull ends so."""

    errors: list[UnavailableError] = field(default_factory=list)

    def pull(self, reference: Reference) -> None:
        """See Builder."""
        raise self.errors[0]


def looked_up(folder: Path, reference: str, **answers: tuple[int, str]) -> tuple[base.Base, list[str]]:
    """Resolve a base with an engine that answers so, and return it with the commands that were given."""
    found = base.resolve(build(folder, "docker", **answers), parse(reference, "base-image"), lambda _: None)
    return found, [call[0] for call in calls(folder)]


def test_a_tag_of_a_base_is_looked_up_though_a_copy_is_here(tmp_path: Path) -> None:
    """A tag is pulled even where the machine has an image of that name, which may be an old one."""
    found, given = looked_up(tmp_path, "a.io/x:1", image=(0, json.dumps(IMAGE)))
    assert given[0] == "pull" and found.unreachable is None and found.digest == DIGEST
    source = BaseImage(resolved=found, contents=CONTENTS).part.details["base"]["source"]
    assert source == "registry" and str(found.reference) == f"a.io/x:1@{DIGEST}"


def test_a_base_that_cannot_be_looked_up_is_named_as_a_copy(tmp_path: Path) -> None:
    """Where the registry does not answer, the report says that a local copy was used, and of which digest."""
    found, _ = looked_up(tmp_path, "a.io/x:1", pull=(1, "no route to host"), image=(0, json.dumps(IMAGE)))
    message, source = (
        base_check(found).message,
        BaseImage(resolved=found, contents=CONTENTS).part.details["base"]["source"],
    )
    assert source == "local copy" and DIGEST in message
    assert "no route to host" in message and "newer" in message


@pytest.mark.parametrize(
    "said",
    [
        "manifest unknown: manifest unknown",
        "pull access denied for x, repository does not exist or may require 'docker login'",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
)
def test_what_a_registry_refuses_no_copy_stands_for(tmp_path: Path, said: str) -> None:
    """A registry that says that there is no such image, or does not give it, has answered."""
    with pytest.raises(UnavailableError, match=re.escape(said)):
        looked_up(tmp_path, "a.io/x:1", pull=(1, said), image=(0, json.dumps(IMAGE)))


def test_a_base_that_was_built_here_is_told_what_to_do(tmp_path: Path) -> None:
    """An image of this machine that no registry has ever served is refused with the reason, and where to put it."""
    built = [{key: value for key, value in IMAGE[0].items() if key != "RepoDigests"}]
    with pytest.raises(UnavailableError, match="was built on this machine") as caught:
        looked_up(tmp_path, "base:1", pull=(1, "pull access denied"), image=(0, json.dumps(built)))
    assert "pull access denied" in caught.value.message and "127.0.0.1:5000" in caught.value.advice


@pytest.mark.parametrize(
    "error",
    [
        BrokenOffError("broken off"),
        RegistryError("answers 503", status=503, headers=Message(), address="https://a.io"),
        RegistryError("answers 404", status=404, headers=Message(), address="https://a.io"),
        UnavailableError("serves a manifest with another digest"),
    ],
)
def test_a_copy_stands_for_a_registry_that_does_not_answer(tmp_path: Path, error: UnavailableError) -> None:
    """Of what a registry's own client says, an answer that broke off and a failure of the server are no answers."""
    engine = Refused(program=str(program(tmp_path, "docker", image=(0, json.dumps(IMAGE)))), environ={"PATH": "/bin"})
    engine.errors.append(error)
    if isinstance(error, BrokenOffError) or "503" in error.message:
        assert base.resolve(engine, parse("a.io/x:1", "base-image"), lambda _: None).unreachable == error.message
    else:
        with pytest.raises(UnavailableError, match=error.message):
            base.resolve(engine, parse("a.io/x:1", "base-image"), lambda _: None)


def test_a_base_that_is_nowhere_is_unavailable(tmp_path: Path) -> None:
    """Without a registry and without a copy nothing is built."""
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\n[ "$1" = image ] && echo "No such image" >&2 || echo "no route to host" >&2\nexit 1\n'
    )
    docker.chmod(0o755)
    engine = Docker(program=str(docker), environ={"PATH": "/usr/bin:/bin"})
    with pytest.raises(UnavailableError, match="no route to host"):
        base.resolve(engine, parse("a.io/x:1", "base-image"), lambda _: None)


def test_a_digest_of_a_base_is_not_looked_up(tmp_path: Path) -> None:
    """A digest means the same bytes everywhere, so a copy of it is as good as the registry's."""
    found, given = looked_up(tmp_path, f"a.io/x@{DIGEST}", image=(0, json.dumps(IMAGE)))
    assert given == ["image"] and found.unreachable is None


def test_labels_of_the_base_do_not_describe_the_image() -> None:
    """Titles and versions of the base are emptied, the image's own stand, and labels with other uses stay."""
    inherited = {
        "org.opencontainers.image.title": "Python",
        "org.opencontainers.image.revision": "abc",
        "org.label-schema.version": "9",
        "maintainer": "them",
        "io.cd4ml.model.version": "7",
        "com.example.cost-centre": "42",
    }
    own = {"org.opencontainers.image.title": "loans"}
    assert own_labels(own, inherited) == {
        "org.opencontainers.image.title": "loans",
        "org.opencontainers.image.revision": "",
        "org.label-schema.version": "",
        "maintainer": "",
        "io.cd4ml.model.version": "",
    }
