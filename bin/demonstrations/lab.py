"""What building images needs on this machine: engine, registry, base image, scanner; named where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from cd4ml.errors import UnavailableError  # noqa: E402
from cd4ml.image.builders import oci  # noqa: E402

DEMO: Final = ROOT / ".demo"
LAB: Final = DEMO / "lab"


def engine_found() -> bool:
    """Whether this machine can build images: an engine that answers, or one that root can start."""
    answers = any(
        shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0
        for name in ("docker", "podman", "buildah")
    )
    dockerd = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return answers or bool(dockerd and shutil.which("docker") and os.geteuid() == 0)


def sandbox_problem() -> str:
    """Return why build-image cannot do without an engine here; empty if it can."""
    try:
        oci.find(os.environ)
    except UnavailableError as error:
        return error.message
    return ""


def start_lab() -> dict[str, str]:
    """Start what building needs (engine, registry, base image, scanner database) and return its settings.

    Where something is missing it is named, and the building stages are left out.
    """
    flags = []
    if not engine_found():
        print("demo: no container engine: docker, podman and buildah are not there", file=sys.stderr)
        if problem := sandbox_problem():
            print(f"demo: no image is built here: {problem}", file=sys.stderr)
            return {}
        flags = ["--without-engine"]
    subprocess.run([ROOT / "bin" / "setup-tools", "crane", "trivy", "trivy-test-db", "base-image"], check=False)
    command: list[str | Path] = [ROOT / "bin" / "container-lab", "start", LAB, *flags]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        return {}
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


def stop_lab() -> None:
    """Stop what the lab started."""
    subprocess.run([ROOT / "bin" / "container-lab", "stop", LAB], check=False)


def settings(lab: Mapping[str, str]) -> dict[str, str]:
    """Return the lab's settings as the environment of the stages."""
    if not lab:
        return {}
    names = {
        "BASE_IMAGE": "CD4ML_BASE_IMAGE",
        "TRIVY_CACHE_DIR": "CD4ML_TRIVY_CACHE",
        "BUILD_NETWORK": "CD4ML_BUILD_NETWORK",
    }
    names |= {"EXTRA_CA": "CD4ML_EXTRA_CA", "TRIVY": "CD4ML_TRIVY", "SCAN_OFFLINE": "CD4ML_SCAN_OFFLINE"}
    known = {new: lab[old] for old, new in names.items() if lab.get(old)}
    return {**lab, **known}
