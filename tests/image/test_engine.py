"""Which builder is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import UnavailableError
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


@pytest.mark.parametrize("name", BUILDERS)
def test_every_builder_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    """Each builder that the option offers stands on the program of that name, and says so."""
    program(tmp_path, name)
    assert detect(name, environ(tmp_path)).name == name


def test_no_engine_is_unavailable_and_says_why(tmp_path: Path) -> None:
    """Without an engine the message names each that was looked for."""
    program(tmp_path, "docker", info=(1, "Cannot connect to the daemon"))
    with pytest.raises(UnavailableError, match="docker: does not answer.*podman: not on PATH.*buildah: not on PATH"):
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
