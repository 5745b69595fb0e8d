"""The chart as others use it: twice in an umbrella chart, switched off, under long names, with a cluster's user ids."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.charts.rendering import CANARY, CHART, KUBERNETES, STABLE, helm, of_kind, render

VALUES = {
    "image": {"repository": "registry.example.com/team/model", "digest": STABLE},
    "canary": {"enabled": True, "image": {"digest": CANARY}, "weight": 10},
    "autoscaling": {"enabled": True},
}


@pytest.fixture
def umbrella(tmp_path: Path) -> Path:
    """Return a chart that depends on ours under two aliases, one of them with a condition."""
    version = YAML(typ="safe", pure=True).load((CHART / "Chart.yaml").read_text())["version"]
    dependencies = [
        {"name": "model-server", "version": version, "alias": "churn", "condition": "churn.enabled"},
        {"name": "model-server", "version": version, "alias": "riskModel_v2"},
    ]
    chart = {"apiVersion": "v2", "name": "models", "version": "0.1.0", "dependencies": dependencies}
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "Chart.yaml").write_text(json.dumps(chart))
    (tmp_path / "models" / "values.yaml").write_text(json.dumps({"churn": VALUES, "riskModel_v2": VALUES}))
    shutil.copytree(CHART, tmp_path / "models" / "charts" / "model-server")
    return tmp_path / "models"


def rendered(release: str, chart: Path, *settings: str) -> list[dict[str, Any]]:
    """Return the objects of a release."""
    arguments = [part for setting in settings for part in ("--set", setting)]
    result = helm("template", release, chart, *arguments)
    assert result.returncode == 0, result.stderr
    return [item for item in YAML(typ="safe", pure=True).load_all(result.stdout) if item]


def names(objects: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return kind and name of each object."""
    return [(item["kind"], item["metadata"]["name"]) for item in objects]


def test_aliases__each_has_names_and_pods_of_its_own(umbrella: Path) -> None:
    """No object of one alias has the name of the other's, and no selector takes the other's pods."""
    objects = rendered("prod", umbrella)
    pods = {i["metadata"]["name"]: i["spec"]["template"]["metadata"]["labels"] for i in of_kind(objects, "Deployment")}
    services = {i["metadata"]["name"]: i["spec"]["selector"].items() for i in of_kind(objects, "Service")}

    assert len(set(names(objects))) == len(objects)
    assert set(pods) == {
        f"prod-{alias}-{track}" for alias in ("churn", "riskmodel-v2") for track in ("stable", "canary")
    }
    for service, selector in services.items():
        assert {name for name, labels in pods.items() if selector <= labels.items()} == {
            name for name in pods if name.startswith(service)
        }


def test_aliases__valid_for_kubernetes(umbrella: Path) -> None:
    """The objects of both aliases are valid by Kubernetes' own schemas."""
    import kubernetes_validate

    for item in rendered("prod", umbrella):
        if not item["apiVersion"].startswith("gateway.networking.k8s.io"):
            kubernetes_validate.validate(item, KUBERNETES[-1], strict=True)


def test_condition__switches_one_alias_off(umbrella: Path) -> None:
    """`enabled`, which Helm hands down with a condition, is accepted, and false renders nothing of that alias."""
    on, off = rendered("prod", umbrella, "churn.enabled=true"), rendered("prod", umbrella, "churn.enabled=false")

    assert {name for _, name in names(on)} - {name for _, name in names(off)} == {
        f"prod-churn{suffix}" for suffix in ("", "-stable", "-canary")
    }


def test_enabled__false_installs_nothing() -> None:
    """Without a condition as well, a chart that is switched off renders no object."""
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        assert render("--values", values, "--set", "enabled=false") == []


@pytest.mark.parametrize("length", [20, 45, 46, 53])
def test_long_names__stay_within_the_limit_and_apart(umbrella: Path, length: int) -> None:
    """Names and labels stay within 63 characters, and releases or aliases that differ at the end stay two."""
    found: list[tuple[str, str]] = []
    for last in ("a", "b"):
        release = "r" * (length - 1) + last
        objects = rendered(release, umbrella) + rendered(release, CHART, *_settings())
        found += names(objects)
        texts = [text for item in objects for text in (item["metadata"]["name"], *item["metadata"]["labels"].values())]
        assert all(
            len(text) <= 63 and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", text) for text in texts
        )

    assert len(set(found)) == len(found)


def _settings(digest: str = STABLE) -> list[str]:
    """Return what a release of the chart alone needs."""
    return ["image.repository=registry.example.com/team/model", f"image.digest={digest}"]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("nameOverride=churn", "prod-churn-stable"),
        ("fullnameOverride=churn", "churn-stable"),
        ("fullnameOverride=", "prod-stable"),
    ],
)
def test_overrides__name_the_objects(setting: str, name: str) -> None:
    """nameOverride stands beside the release's name, fullnameOverride in its place."""
    (deployment,) = of_kind(rendered("prod", CHART, *_settings(), setting), "Deployment")

    assert deployment["metadata"]["name"] == name


@pytest.mark.parametrize("setting", ["nameOverride=a b", "fullnameOverride=Churn", "enabled=maybe", "nameOverride=-a"])
def test_overrides__refused(setting: str) -> None:
    """A name that Kubernetes would refuse, and a switch that is neither on nor off, are refused by the schema."""
    arguments = [part for item in (*_settings(), setting) for part in ("--set", item)]

    assert helm("template", "prod", CHART, *arguments).returncode != 0


def test_user_ids__left_to_the_cluster(umbrella: Path) -> None:
    """With null no id is set, as OpenShift's restricted policy asks, and the rest of the policy stays."""
    unset = [f"podSecurityContext.{name}=null" for name in ("runAsUser", "runAsGroup", "fsGroup")]
    alone = rendered("prod", CHART, *_settings(), *unset)
    below = rendered("prod", umbrella, *(f"churn.{setting}" for setting in unset))

    for deployment in [*of_kind(alone, "Deployment"), *of_kind(below, "Deployment")[:1]]:
        context = deployment["spec"]["template"]["spec"]["securityContext"]
        assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_user_ids__of_a_project() -> None:
    """An id in the range of an OpenShift project arrives as the whole number that it is; root is refused."""
    setting = "podSecurityContext.runAsUser=1000680000"
    (deployment,) = of_kind(rendered("prod", CHART, *_settings(), setting), "Deployment")
    context = deployment["spec"]["template"]["spec"]["securityContext"]

    assert (context["runAsUser"], context["fsGroup"]) == (1000680000, 65532)
    arguments = [part for item in (*_settings(), "podSecurityContext.runAsUser=0") for part in ("--set", item)]
    assert helm("template", "prod", CHART, *arguments).returncode != 0
