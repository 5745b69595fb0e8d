"""The key that signs is the signer's alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from cd4ml.commands.signing import find_signing
from cd4ml.context import Context
from cd4ml.errors import UnavailableError
from cd4ml.evidence.signer import without_keys
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.stages.build_image.inputs import resolve
from cd4ml.stages.build_image.options import Options
from tests.evidence.keys import key_of, pem

NAMES = ("SIGNING_KEY", "EVIDENCE_KEY", "LOANS_PEM", "CD4ML_INPUT_SIGNING_KEY")
PASSWORD = "correct horse"
NOTHING: Final[Mapping[str, Any]] = {
    "system_packages": (),
    "forbidden_licenses": (),
    "scanners": ("vuln",),
    "severity": ("HIGH",),
    "simulate": False,
}


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
        push=push,
        **NOTHING,
    )
    signing = find_signing(RunOptions(signing_key="env://LOANS_PEM"), environ)
    environ = without_keys(environ, "env://LOANS_PEM")
    inputs = resolve(options, Context(directory=tmp_path, environ=environ, signer=signing.signer), tmp_path)
    assert (inputs.signer is not None) is push
    assert set(inputs.context.environ) == {"PATH"}
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen and PASSWORD not in seen and "PRIVATE KEY" not in seen


def test_a_pushed_image_that_nobody_can_sign_is_not_built(tmp_path: Path) -> None:
    """Where a signer is named and is not there, build-image says so before it builds what it would push."""
    signing = find_signing(RunOptions(signing_key="env://LOANS_PEM"), {})
    context = Context(directory=tmp_path, environ={"PATH": ""}, unsigned=signing.unsigned)
    options = Options(model="m", image="a.io/x:1", push=True, **NOTHING)
    with pytest.raises(UnavailableError, match="LOANS_PEM is not set"):
        resolve(options, context, tmp_path)
