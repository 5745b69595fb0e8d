"""The chart `model-server`: it renders valid, restricted manifests, and refuses what has no identity."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import (
    CANARY,
    CASES,
    CHART,
    KUBERNETES,
    OF_KUBERNETES,
    STABLE,
    environment,
    helm,
    of_kind,
    render,
    workloads,
)

# It has every kind of Kubernetes' own, and most fields of each.
RICHEST = CHART / "ci" / "everything-values.yaml"


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.name)
def test_lint(values: Path) -> None:
    """helm lint has nothing to say, strictly."""
    result = helm("lint", "--strict", CHART, "--values", values)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("values", "version"),
    [(values, KUBERNETES[-1]) for values in CASES] + [(RICHEST, version) for version in KUBERNETES[:-1]],
    ids=lambda one: getattr(one, "name", one),
)
def test_valid_for_kubernetes(values: Path, version: str) -> None:
    """Every object is valid by the schemas of the newest five versions of Kubernetes, unknown fields refused."""
    import kubernetes_validate

    for item in render("--values", values, "--kube-version", version):
        if item["apiVersion"] in OF_KUBERNETES:  # the others: see test_kinds_of_others.py
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.name)
def test_restricted_pods(values: Path) -> None:
    """Every pod meets the "restricted" Pod Security Standard and has probes and limits."""
    found = workloads(render("--values", values))

    assert found
    for deployment in found:
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        context = container["securityContext"]
        assert context.pop("seccompProfile", {"type": "Localhost"})["type"] in ("RuntimeDefault", "Localhost")
        assert context == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        assert re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", container["image"])


def test_canary__two_versions_and_weights() -> None:
    """The canary runs its own digest and gets its share of the route; the stable version gets the rest."""
    objects = render("--values", CHART / "ci" / "canary-values.yaml")

    images = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in of_kind(objects, "Deployment")
    }
    (route,) = of_kind(objects, "HTTPRoute")
    backends = {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]}

    assert images == {
        "credit-stable": f"ghcr.io/owner/credit@{STABLE}",
        "credit-canary": f"ghcr.io/owner/credit@{CANARY}",
    }
    assert backends == {"credit-stable": 90, "credit-canary": 10}
    assert {"credit", "credit-stable", "credit-canary"} == {i["metadata"]["name"] for i in of_kind(objects, "Service")}


def test_services__select_their_version() -> None:
    """The Service of a version selects that version alone, and the common one both."""
    objects = render("--values", CHART / "ci" / "canary-values.yaml")
    tracks = {i["metadata"]["name"]: i["spec"]["selector"].get("cd4ml.io/track") for i in of_kind(objects, "Service")}

    assert tracks == {"credit": None, "credit-stable": "stable", "credit-canary": "canary"}


def test_no_canary__all_traffic_to_stable() -> None:
    """Without a canary there is one version with all of the traffic."""
    objects = render("--values", CHART / "ci" / "stable-values.yaml")
    (route,) = of_kind(objects, "HTTPRoute")

    assert len(of_kind(objects, "Deployment")) == 1
    assert [ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]] == [100]


def test_autoscaling__leaves_replicas_to_the_autoscaler() -> None:
    """With autoscaling on, the stable Deployment does not reset the number of replicas."""
    objects = render("--values", CHART / "ci" / "everything-values.yaml")
    replicas = {i["metadata"]["name"]: i["spec"].get("replicas") for i in of_kind(objects, "Deployment")}

    assert replicas == {"credit-stable": None, "credit-canary": 3}
    assert of_kind(objects, "HorizontalPodAutoscaler")


@pytest.mark.parametrize(
    "setting",
    [
        "image.digest=latest",
        "image.digest=sha256:abc",
        "image.digest=sha256:" + "A" * 64,
        "image.digest=",
        "image.tag=v1",
        "image.repository=ghcr.io/owner/credit:v1",
        "image.repository=x\nkind: Evil",
        "canary.weight=101",
        "canary.weight=-1",
        "canary.weight=1.5",
        "canary.enabled=yes please",
        "canary.enabled=true",
        "replicas=0",
        "resources.limits=null",
        "unknown=1",
        "service.port=70000",
        "image.repository=credit:123",
        "image.repository={{ .Release.Name }}",
        "image.digest=sha256:" + "a" * 64 + ":v1",
        "image.digest=sha256:" + "a" * 64 + "\n",
        "canary.image.tag=v1",
        "canary.weight=1e1",
        "podLabels.cd4ml\\.io/track=canary",
        "podLabels.app\\.kubernetes\\.io/instance=other",
        "podAnnotations.cd4ml\\.io/image-digest=other",
        "env.PORT=9000",
        "env.MODEL_DIRECTORY=/tmp/other",
        "env.SERVICE_FILE=/tmp/service.json",
        "env.PYTHONPATH=/tmp",
        "env.LD_PRELOAD=/tmp/x.so",
        "env.a b=x",
        "env.COUNT=1",
        "httpRoute.hostnames[0]=a b",
        "podDisruptionBudget.maxUnavailable=0",
        "podDisruptionBudget.maxUnavailable=many",
    ],
)
def test_schema__refuses(setting: str) -> None:
    """The schema refuses tags, short digests, weights out of range, unknown keys and a canary without an image."""
    arguments: list[str | Path] = ["--values", CHART / "ci" / "stable-values.yaml"]
    result = helm("template", "credit", CHART, *arguments, "--set", re.sub(r"([,{}])", r"\\\1", setting))

    assert result.returncode != 0
    assert (
        "values don't meet the specifications" in result.stderr or "schema" in result.stderr or "parse" in result.stderr
    )


@pytest.mark.parametrize("text", ["1e3", "yes", "{{ .Release.Name }}", "a: b", "x\ny", '"', "#", "~"])
def test_texts__stay_texts(tmp_path: Path, text: str) -> None:
    """What YAML or Helm would read as something else arrives in the pod as the text that was set."""
    values = tmp_path / "values.yaml"
    values.write_text(
        json.dumps({"env": {"TEXT": text}, "podAnnotations": {"text": text}, "nodeSelector": {"a": text}})
    )

    (deployment,) = of_kind(
        render("--values", CHART / "ci" / "stable-values.yaml", "--values", values, "--set", "httpRoute.enabled=false"),
        "Deployment",
    )
    template = deployment["spec"]["template"]

    assert environment(deployment)["TEXT"] == text
    assert template["metadata"]["annotations"]["text"] == text
    assert template["spec"]["nodeSelector"] == {"a": text}


def test_autoscaling__bounds_in_order() -> None:
    """An autoscaler with more replicas at least than at most is refused."""
    settings = ["--set", "autoscaling.enabled=true", "--set", "autoscaling.minReplicas=11"]
    result = helm("template", "credit", CHART, "--values", CHART / "ci" / "stable-values.yaml", *settings)

    assert result.returncode != 0 and "greater than" in result.stderr


def test_selectors__match_their_pods_and_services() -> None:
    """Deployments select their own pods alone, and every backend of the route is a Service that selects some."""
    objects = render("--values", CHART / "ci" / "canary-values.yaml")
    pods = {i["metadata"]["name"]: i["spec"]["template"]["metadata"]["labels"] for i in of_kind(objects, "Deployment")}
    services = {item["metadata"]["name"]: item["spec"] for item in of_kind(objects, "Service")}
    (route,) = of_kind(objects, "HTTPRoute")

    for deployment in of_kind(objects, "Deployment"):
        wanted = deployment["spec"]["selector"]["matchLabels"].items()
        assert [name for name, labels in pods.items() if wanted <= labels.items()] == [deployment["metadata"]["name"]]
    for backend in route["spec"]["rules"][0]["backendRefs"]:
        selector = services[backend["name"]]["selector"].items()
        assert [name for name, labels in pods.items() if selector <= labels.items()] == [backend["name"]]
        assert backend["port"] == services[backend["name"]]["ports"][0]["port"]


def test_values_that_deploy_model_writes_render(tmp_path: Path) -> None:
    """A values file that was edited by deploy-model and promote-model renders with those images."""
    from cd4ml.gitops.image import image
    from cd4ml.gitops.manifest import Manifest

    before = (CHART / "ci" / "canary-values.yaml").read_text()
    new = image("ghcr.io/owner/credit@sha256:" + "c" * 64)
    values = tmp_path / "values.yaml"

    values.write_text(Manifest(before).with_canary(new, 25))
    (route,) = of_kind(render("--values", values), "HTTPRoute")
    assert [ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]] == [75, 25]

    values.write_text(Manifest(values.read_text()).promoted(new))
    (deployment,) = of_kind(render("--values", values), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == str(new)


def test_readme__documents_every_value() -> None:
    """Every value that has a default stands in the README's table, or those below it do."""
    table = (CHART / "README.md").read_text(encoding="utf-8")
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    def undocumented(name: str, value: object) -> list[str]:
        if f"| `{name}` |" in table:
            return []
        below = value.items() if isinstance(value, dict) else ()
        return [one for key, item in below for one in undocumented(f"{name}.{key}", item)] or [name] * (not below)

    assert [one for key, value in values.items() for one in undocumented(key, value)] == []
