"""Which builder is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.image.builders import BUILDERS
from cd4ml.image.engine import detect
from tests.image.programs import environ, program


@pytest.mark.parametrize(("present", "taken"), [("podman", "podman"), ("buildah", "buildah"), ("docker", "docker")])
def test_auto_takes_the_first_that_answers(tmp_path: Path, present: str, taken: str) -> None:
    """A docker that does not answer is passed over; one that does comes first."""
    if present != "docker":
        program(tmp_path, "docker", info=(1, "Cannot connect"))
    program(tmp_path, present)
    assert detect("auto", environ(tmp_path)).name == taken


@pytest.mark.parametrize("name", sorted(set(BUILDERS) - {"oci"}))
def test_every_builder_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    """Each builder that is a program stands on the program of that name, and says so."""
    program(tmp_path, name)
    assert detect(name, environ(tmp_path)).name == name


def test_no_engine_is_unavailable_and_says_why(tmp_path: Path) -> None:
    """Without an engine the message names each that was looked for."""
    program(tmp_path, "docker", info=(1, "Cannot connect to the daemon"))
    with pytest.raises(
        UnavailableError, match="docker: does not answer.*podman: not on PATH.*buildah: not on PATH.*oci: "
    ):
        detect("auto", environ(tmp_path))


def test_a_named_engine_is_not_replaced(tmp_path: Path) -> None:
    """Who asks for podman does not get docker."""
    program(tmp_path, "docker")
    with pytest.raises(UnavailableError, match="podman: not on PATH"):
        detect("podman", environ(tmp_path))


def test_a_docker_without_buildkit_is_passed_over_for_one_with_it(tmp_path: Path) -> None:
    """A newer client without buildx early on PATH does not hide the system's own."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    program(first, "docker", buildx=(1, ""), version=(0, "28.2.2"))
    program(second, "docker", buildx=(1, ""), version=(0, "20.10.24+dfsg1"))
    found: Any = detect("docker", {"PATH": f"{first}:{second}:/usr/bin:/bin"})
    assert found.program == str(second / "docker")
    with pytest.raises(UnavailableError, match="no BuildKit"):
        detect("docker", environ(first))


def test_without_an_engine_images_are_made_here(tmp_path: Path) -> None:
    """Where no engine answers, `auto` takes the builder that needs none; it isolates what it starts."""
    program(tmp_path, "docker", info=(1, "Cannot connect to the daemon"))
    program(tmp_path, "bwrap")
    found = detect("auto", environ(tmp_path))
    assert found.name == detect("oci", environ(tmp_path)).name == "oci" and found.read_only_root


def test_a_sandbox_that_does_not_work_is_none(tmp_path: Path) -> None:
    """Where namespaces are forbidden the image could not be started, so nothing is built."""
    program(tmp_path, "bwrap").write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    with pytest.raises(UnavailableError, match=r"oci: .*\(bwrap: No permissions to create new namespace\)"):
        detect("oci", environ(tmp_path))


def test_system_packages_need_an_engine(tmp_path: Path) -> None:
    """Who needs packages of the system is told before anything is built that `oci` installs none."""
    program(tmp_path, "bwrap")
    with pytest.raises(OptionsError, match="system-packages: the engine oci installs none"):
        detect("oci", environ(tmp_path), system_packages=True)
    with pytest.raises(UnavailableError, match="oci: installs no system-packages"):
        detect("auto", environ(tmp_path), system_packages=True)
    program(tmp_path, "buildah")
    assert detect("auto", environ(tmp_path), system_packages=True).name == "buildah"
