"""What the scan of a built image finds beside vulnerabilities, and the options that it takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.preflight import check_options
from tests.conftest import Run
from tests.containers import Lab
from tests.image.conftest import Project

TOKEN = "ghp_" + "0123456789abcdef" * 2 + "0123"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"scanners": ("secret", "license")}, "scanners: expected vuln"),
        ({"scanners": ("vuln", "secrets")}, "scanners: expected vuln"),
        ({"scanners": ("vuln",), "forbidden_licenses": ("MIT",)}, "add license to scanners"),
        ({"scanners": ("vuln", "license"), "forbidden_licenses": ("GPL 3",)}, "not the name of a licence"),
    ],
)
def test_options__a_scan_that_would_not_look_is_refused(changes: dict[str, Any], problem: str) -> None:
    """Scanners without vulnerabilities, unknown ones, and a limit on what is not looked for are bad options."""
    with pytest.raises(OptionsError, match=problem):
        given = {
            "severity": ("HIGH",),
            "system_packages": (),
            "forbidden_licenses": (),
            "scanners": ("vuln",),
            **changes,
        }
        check_options(Options(model="m", image="a.io/x:1", simulate=False, **given))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"latency_rate": 0.0}, "latency-rate must be"),
        ({"latency_rate": 5000.0}, "latency-rate must be"),
        ({"maximum_p99_ms": 5.0}, "needs simulate"),
        ({"maximum_p99_ms": 0.0, "simulate": True}, "must be positive"),
    ],
)
def test_options__a_latency_that_would_not_be_measured_is_refused(changes: dict[str, Any], problem: str) -> None:
    """A rate that the probe cannot send, and a limit without rows to send, are bad options."""
    given: dict[str, Any] = {
        "severity": ("HIGH",),
        "system_packages": (),
        "forbidden_licenses": (),
        "scanners": ("vuln",),
    }
    options = Options(**{"model": "m", "image": "a.io/x:1", "simulate": False, **given, **changes})
    with pytest.raises(OptionsError, match=problem):
        check_options(options)


def test_options__a_vex_document_is_read_before_anything_is_built(tmp_path: Path) -> None:
    """One that is missing or proves nothing is said at once; a plan waits for one that is not there yet."""
    given: dict[str, Any] = {
        "severity": ("HIGH",),
        "system_packages": (),
        "forbidden_licenses": (),
        "scanners": ("vuln",),
    }
    options = Options(model="m", image="a.io/x:1", simulate=False, vex=str(tmp_path / "vex.json"), **given)
    with pytest.raises(UnavailableError, match="no such file"):
        check_options(options)
    assert check_options(options, here=False).vex is None
    (tmp_path / "vex.json").write_text("{}")
    for here in (True, False):
        with pytest.raises(OptionsError, match="neither OpenVEX nor CycloneDX"):
            check_options(options, here=here)


def test_a_secret_and_a_forbidden_licence_block_the_push(
    build: Callable[..., Run], lab: Lab, project: Project, tmp_path: Any
) -> None:
    """A token among the model's files blocks, and its place is told but not itself; a licence that is named blocks."""
    shutil.copytree(project.folder, tmp_path / "p", ignore=shutil.ignore_patterns("reports"))
    copy = Project(folder=tmp_path / "p")
    (copy.folder / "model" / "notes.txt").write_text(f"first\ntoken: {TOKEN}\n")
    name = f"{lab.registry}/loans:secret"
    more = (
        "--simulate",
        "false",
        "--severity",
        "CRITICAL",
        "--forbidden-licenses",
        "library:notice",
        "--scanners",
        "secret",
    )

    run = build(copy, "--image", name, "--push", *more)

    assert run.code == 1 and lab.digest(name) is None
    failed = {check["id"]: check["reason"] for check in run.report["checks"] if check["status"] != "passed"}
    assert failed == {"secrets": "secret-in-image", "licenses": "forbidden-license"}
    scan = run.report["details"]["scan"]
    (secret,) = scan["secrets"]
    assert (secret["id"], secret["path"], secret["line"]) == ("github-pat", "/app/model/notes.txt", 2)
    assert secret["source"] == {"path": "model/notes.txt", "line": 2} and TOKEN not in str(run.report) + run.stdout
    assert scan["licenses"]["by_category"]["notice"] > 10
    assert {one["kind"] for one in scan["licenses"]["forbidden"]} == {"library"}
    assert 50 < scan["base_packages"] < scan["packages"]
