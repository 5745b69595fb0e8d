"""Who this machine is to a registry, by the files and helpers that other tools leave."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.registry_api.challenge import challenges
from cd4ml.image.registry_api.credentials import Credentials, credentials_for

ADA = {"auth": base64.b64encode(b"ada:se:cret").decode()}


def known(folder: Path, document: Any, host: str = "a.io", path: str = "team/loans") -> Credentials | None:
    """Return what docker's configuration says for a repository."""
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return credentials_for(host, path, {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"})


def helper(folder: Path, answer: str, code: int = 0) -> None:
    """Write a credential helper that notes what it is asked."""
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\necho $1 > {folder}/asked\ncat >> {folder}/asked\necho '{answer}'\nexit {code}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("key", ["a.io", "https://a.io", "https://a.io/v1/", "a.io/team", "a.io/team/loans"])
def test_entries_are_found_by_host_and_path(tmp_path: Path, key: str) -> None:
    """An entry is for a host or a part of it, written as a name or as an address; a password may hold a colon."""
    assert known(tmp_path, {"auths": {key: ADA}}) == Credentials(username="ada", password="se:cret")


@pytest.mark.parametrize("key", ["b.io", "a.io/team/loans2", "a.io/teams", "sub.a.io"])
def test_entries_of_others_are_not_sent(tmp_path: Path, key: str) -> None:
    """The password of another registry or team goes nowhere."""
    assert known(tmp_path, {"auths": {key: ADA}}) is None


def test_the_closest_entry_counts(tmp_path: Path) -> None:
    """What stands for the repository goes before what stands for its host."""
    found = known(tmp_path, {"auths": {"a.io": ADA, "a.io/team": {"username": "bot", "password": "p"}}})
    assert found is not None and found.username == "bot"


def test_docker_hub_goes_by_its_old_address(tmp_path: Path) -> None:
    """`docker login` without a host writes an address of its own."""
    found = known(tmp_path, {"auths": {"https://index.docker.io/v1/": ADA}}, "docker.io", "library/python")
    assert found is not None and found.username == "ada"


@pytest.mark.parametrize("document", [{"credsStore": "test"}, {"credHelpers": {"a.io": "test"}}])
def test_a_helper_is_asked(tmp_path: Path, document: dict[str, Any]) -> None:
    """A credential helper gets the host on its standard input and answers with user and secret."""
    helper(tmp_path, '{"ServerURL": "a.io", "Username": "ada", "Secret": "s"}')
    assert known(tmp_path, document) == Credentials(username="ada", password="s")
    assert (tmp_path / "asked").read_text().split() == ["get", "a.io"]


def test_a_helper_may_know_nobody(tmp_path: Path) -> None:
    """A helper without an entry makes nobody of this machine; one that fails otherwise ends the run."""
    helper(tmp_path, "credentials not found in native keychain", 1)
    assert known(tmp_path, {"credsStore": "test"}) is None
    helper(tmp_path, "keychain is locked", 1)
    with pytest.raises(
        UnavailableError, match="docker-credential-test gives no credentials for a.io: keychain is locked"
    ):
        known(tmp_path, {"credsStore": "test"})
    helper(tmp_path, '{"Username": "<token>", "Secret": "t"}')
    assert known(tmp_path, {"credsStore": "test"}) == Credentials(identity_token="t")


@pytest.mark.parametrize("name", ["../evil", "a b", "/bin/sh", "x;y", "-x"])
def test_a_helper_is_a_name(tmp_path: Path, name: str) -> None:
    """A configuration cannot name any program but a credential helper on PATH."""
    with pytest.raises(UnavailableError, match="is not the name of a credential helper"):
        known(tmp_path, {"credsStore": name})


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"auths": []}', '{"auths": {"a.io": 1}}', '{"auths": {"a.io": {"auth": "!"}}}']
)
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    """Nobody is sent as nobody because a file is broken."""
    with pytest.raises(UnavailableError, match=r"config\.json"):
        known(tmp_path, text)


def test_podman_logs_in_elsewhere(tmp_path: Path) -> None:
    """What podman and buildah have noted counts where docker has no configuration."""
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {"a.io/team": ADA}}))
    environ = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"), "HOME": str(tmp_path)}
    assert credentials_for("a.io", "team/loans", environ) == Credentials(username="ada", password="se:cret")
    assert credentials_for("a.io", "other", environ) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Bearer realm="https://a/t",service="s",scope="r:x:pull,push"', [("bearer", "https://a/t")]),
        ('Basic realm="a, b", Bearer realm="c\\"d"', [("basic", "a, b"), ("bearer", 'c"d')]),
        ("Negotiate, Basic realm=x", [("negotiate", None), ("basic", "x")]),
        ("", []),
    ],
)
def test_demands_are_read(text: str, found: list[tuple[str, str | None]]) -> None:
    """Several demands in one header, quoted commas and quotes are told apart."""
    assert [(one.scheme, one.parameters.get("realm")) for one in challenges([text])] == found
