"""The key that signs is the signer's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cd4ml.context import Context
from cd4ml.stages.build_image.inputs import resolve
from cd4ml.stages.build_image.options import Options
from tests.evidence.keys import key_of, pem

NAMES = ("SIGNING_KEY", "EVIDENCE_KEY", "LOANS_PEM", "CD4ML_INPUT_SIGNING_KEY")
PASSWORD = "correct horse"


@pytest.mark.parametrize("push", [True, False])
def test_no_program_gets_the_key_that_signs(tmp_path: Path, push: bool) -> None:
    """Neither the builder nor any later step sees the key or its password, under any name, whether it signs or not."""
    for name in ("docker", "trivy"):
        (tmp_path / name).write_text(f'#!/bin/sh\nenv >> "{tmp_path}/seen"\n')
        (tmp_path / name).chmod(0o755)
    key = pem(key_of("ecdsa"), PASSWORD).decode()
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SIGNING_PASSWORD": PASSWORD, **dict.fromkeys(NAMES, key)}
    options = Options(
        model="m",
        image="a.io/x:1",
        engine="docker",
        trivy=str(tmp_path / "trivy"),
        system_packages=(),
        forbidden_licenses=(),
        scanners=("vuln",),
        severity=("HIGH",),
        simulate=False,
        push=push,
        signing_key="env://LOANS_PEM",
    )
    inputs = resolve(options, Context(directory=tmp_path, environ=environ), tmp_path)
    assert (inputs.signer is not None) is push
    assert set(inputs.context.environ) == {"PATH"}
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen and PASSWORD not in seen and "PRIVATE KEY" not in seen
