"""Rendering the chart with helm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import ROOT, need_program

CHART = ROOT / "charts" / "model-server"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
MINIMAL = CHART / "ci" / "stable-values.yaml"
STABLE, CANARY = "sha256:" + "a" * 64, "sha256:" + "b" * 64
# Versions of kinds that Kubernetes itself defines.
OF_KUBERNETES = ("v1", "apps/v1", "autoscaling/v2", "networking.k8s.io/v1", "policy/v1")
# The newest five versions.
KUBERNETES = ("1.33", "1.34", "1.35", "1.36", "1.37")


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    command = [need_program("helm"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def render(*arguments: str | Path) -> list[dict[str, Any]]:
    """Render the chart and return its objects."""
    result = helm("template", "credit", CHART, *arguments)
    assert result.returncode == 0, result.stderr
    return [item for item in YAML(typ="safe", pure=True).load_all(result.stdout) if item]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind."""
    return [item for item in objects if item["kind"] == kind]


def workloads(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what runs pods."""
    return [item for item in objects if item["kind"] in ("Deployment", "Rollout")]


def refused(*arguments: str | Path) -> str:
    """Return why the chart does not render."""
    result = helm("template", "credit", CHART, *arguments)
    assert result.returncode != 0, result.stdout
    return result.stderr


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of a workload's pods."""
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def container(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a workload's pods."""
    (found,) = pod(workload)["containers"]
    assert isinstance(found, dict)
    return found


def environment(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the environment of a workload's container: texts, or where they come from."""
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container(workload)["env"]}
