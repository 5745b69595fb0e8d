"""In every format a deployment, its promotion and its roll-back write their targets, and not one byte beside them."""

from __future__ import annotations

import pytest

from cd4ml.gitops.manifest import Manifest
from tests.gitops.formats.conftest import CHURN, NEW, OLD

REPOSITORY = CHURN.repository
# What people write around the targets: comments, anchors, odd quotes, numbers and spaces, several documents.
ODD = """\
# head: ä – "quotes" 'and' more SPACES
---
kind: ConfigMap
metadata: {name:   odd ,labels: {'a': "b\\u00e9",}}
data:
  base: &base {"on": yes, oct: 010, ver: 1.10, date: 2026-01-01}   # anchor elsewhere
  other:
    <<: *base
    text: |+
      trailing SPACES

    folded: >-
      a
      b
  ? complex
  : ~
  empty:
---
""".replace("SPACES", "   ")
TAIL = "\n# tail, without a line break at its end"
VALUES = """\
image: {repository: REPOSITORY, digest: 'STABLE'}   # the stable one
canary:
    enabled:    ON
    image:
        "digest":   "CANARY"
    weight: WEIGHT # percent
"""
WORKLOADS = """\
apiVersion: KIND
metadata: {name: churn}
spec: {template: {spec: {containers: [{name: 'server', image: "REPOSITORY@STABLE"}]}}}
---
apiVersion: KIND
metadata: {name: churn-canary}
spec:
  template:
    spec:
      initContainers:
      - image:   REPOSITORY@CANARY   # the same image
      containers:
      - image: REPOSITORY@CANARY
"""
ROUTE = """\
---
kind: HTTPRoute
metadata: {name: churn}
spec:
  rules:
  - backendRefs: [{name: churn, weight: REST}, {weight: 'WEIGHT', name: churn-canary}]
"""
ISTIO = """\
---
kind: VirtualService
metadata: {name: churn}
spec:
  http:
  - route:
    - {destination: {host: churn}, weight: REST}
    - destination:   {host: "churn-canary"}
      weight: WEIGHT
"""
PLAIN = WORKLOADS.replace("KIND", "apps/v1\nkind: Deployment")


def indented(text: str, *heads: str) -> str:
    """Return the text below lines of which each is a step deeper."""
    lines = [f"{'  ' * depth}{head}" for depth, head in enumerate(heads)]
    lines += [f"{'  ' * len(heads)}{line}" if line else "" for line in text.splitlines()]
    return "\n".join(lines) + "\n"


RELEASE = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: churn}\n"
ARGO = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: churn}\n"
IMAGES = """\
images:
- {name: redis, newTag: "7.20"}
- name: churn   # the stable one
  newName: 'REPOSITORY'
  digest:   STABLE
- {newName: REPOSITORY, digest: 'RESET', name: churn-canary}
"""
NOTE = "commonAnnotations: {cd4ml.io/canary-weight:   'WEIGHT'}\n"
ONE_IMAGE = """\
apiVersion: KIND
metadata: {name: churn}
spec:
  strategy: {canary: {steps: [{setWeight: 20}]}}
  template: {spec: {containers: [{'image':   'REPOSITORY@STABLE' , name: server}]}}
"""
FLAGGER = """\
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: churn}
spec: {targetRef: {kind: Deployment, name: churn}, analysis: {stepWeight: 5}}
"""
KSERVE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  annotations: {serving.kserve.io/deploymentMode: Knative, cd4ml.io/stable-image:   "REPOSITORY@STABLE"}   # noted
  name: churn
spec:
  predictor:
    canaryTrafficPercent:   KEPT # of the newest revision
    containers: [{name: kserve-container, image: 'REPOSITORY@RUNS'}]
"""
FILES = {
    "values": VALUES,
    "umbrella": indented(VALUES, "churn:"),
    "nested deeper": indented(VALUES, "team:", "churn:"),
    "HelmRelease": RELEASE + indented(VALUES, "spec:", "values:"),
    "valuesObject": ARGO + indented(VALUES, "spec:", "source:", "helm:", "valuesObject:"),
    "kustomization": NOTE + IMAGES,
    "Flux's Kustomization": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: churn}\n"
    + indented(
        NOTE.replace("commonAnnotations", "commonMetadata: {annotations").replace("}\n", "}}\n") + IMAGES, "spec:"
    ),
    "HTTPRoute": PLAIN + ROUTE,
    "Istio": PLAIN + ISTIO,
    "StatefulSet": WORKLOADS.replace("KIND", "apps/v1\nkind: StatefulSet") + ROUTE,
    "Rollout": ONE_IMAGE.replace("KIND", "argoproj.io/v1alpha1\nkind: Rollout"),
    "Flagger": ONE_IMAGE.replace("KIND", "apps/v1\nkind: Deployment") + FLAGGER,
    "KServe": KSERVE,
}
BY_CONTROLLER = ("Rollout", "Flagger")


def written(text: str, *, stable: str, canary: str, weight: int) -> str:
    """Return a file that says this."""
    runs, ends = (canary, stable) if weight else (stable, stable)
    said = {
        "REPOSITORY": REPOSITORY,
        "STABLE": stable,
        "CANARY": canary,
        "RESET": runs if weight else ends,
        "RUNS": runs,
        "KEPT": str(weight or 100),
        "REST": str(100 - weight),
        "WEIGHT": str(weight),
        "ON": "true" if weight else "false",
    }
    for name, value in said.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", FILES)
def test_byte_for_byte(name: str, newline: str) -> None:
    """Deployed at 10 %, promoted and restored, the file differs from what stood there in its targets alone."""

    def file(stable: str, canary: str, weight: int) -> str:
        text = ODD + written(FILES[name], stable=stable, canary=canary, weight=weight).rstrip("\n") + TAIL
        return text.replace("\n", newline)

    before = file(OLD, OLD, 0)
    after = Manifest(before, repository=REPOSITORY).with_canary(CHURN, 10)

    if name in BY_CONTROLLER:
        assert after == file(NEW, NEW, 0)
    else:
        assert after == file(OLD, NEW, 10)
        assert Manifest(after, repository=REPOSITORY).promoted(CHURN) == file(NEW, NEW, 0)
    stable = Manifest(file(NEW, NEW, 0), repository=REPOSITORY)
    assert stable.restored(f"{REPOSITORY}@{OLD}") in (before, file(OLD, NEW, 0))
