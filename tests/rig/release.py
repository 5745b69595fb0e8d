"""A model that is released: its GitOps repository, and what the cluster made of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from tests.charts.rendering import CHART
from tests.charts.test_documented import SHOWN
from tests.conftest import ROOT, Run, run_cd4ml
from tests.gitops.conftest import GitOps, git, write_evidence
from tests.rig.argo import ARGOCD
from tests.rig.kubernetes import ADDRESS, Api, Object
from tests.rig.processes import Processes, until

VERDICTS_PORT: Final = 8888
REPOSITORY: Final = "ghcr.io/owner/credit"
VALUES: Final = f"""\
image:
  repository: {REPOSITORY}
  digest: ""
canary:
  enabled: false
  image:
    digest: ""
  weight: 0
replicas: 4
"""


def documented(word: str) -> Any:
    """Return the block of the chart's page that holds this word, as it can be pasted from there."""
    (block,) = (text for text in SHOWN if word in text)
    return yaml.safe_load(block)


def chart_repository(folder: Path) -> Path:
    """Return a repository that holds the chart as it is here, at the tag that users name."""
    work = folder / "chart"
    shutil.copytree(CHART, work / CHART.relative_to(ROOT))
    git(work, "init", "--quiet")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "The chart")
    git(work, "tag", "v1")
    return work


class Release:
    """One model, in a namespace of its own."""

    def __init__(self, name: str, folder: Path, api: Api, processes: Processes) -> None:
        """Nothing is deployed yet: the values name no image."""
        folder.mkdir()
        self.name, self.folder = name, folder
        self._api = api
        self._processes = processes
        self._gitops = GitOps(folder)
        self._gitops.commit("Serve credit", {"credit/values.yaml": VALUES + _dump(settings(installed=False))})
        self._source = folder / "source"
        self._source.mkdir()
        git(self._source, "init", "--quiet")
        (self._source / ".gitignore").write_text("*\n")

    def install(self, digest: str, chart: Path) -> None:
        """Deploy the first image to all of the traffic, and tell the chart that it is there."""
        assert self.deploy(digest, weight=100).code == 0
        self._api.apply(application(self.name, chart, self._gitops.bare))
        self.wait_until_synced("Healthy")
        text = self._gitops.read().replace("installed: false", "installed: true")
        self._gitops.commit("The release runs its stable version", {"credit/values.yaml": text})
        self.wait_until_synced("Healthy")

    def deploy(self, digest: str, *, weight: int = 1) -> Run:
        """Run deploy-model for a candidate that has passed every stage."""
        git(self._source, "commit", "--quiet", "--allow-empty", "--message", digest)
        git(self._source, "add", "--force", ".gitignore")
        commit = git(self._source, "rev-parse", "HEAD").strip()
        write_evidence(self._source, commit, f"{REPOSITORY}@{digest}", digest.removeprefix("sha256:"))
        where = ("--repository", str(self._gitops.bare), "--manifest", "credit/values.yaml")
        return run_cd4ml(self._source, "deploy-model", *where, "--canary-weight", str(weight))

    def change(self, values: str) -> None:
        """Commit another setting, as people do."""
        self._gitops.commit("A setting", {"credit/values.yaml": f"{self._gitops.read()}{values}\n"})

    def promote(self, *, rollback: bool = False) -> Run:
        """Run promote-model."""
        where = ("--repository", str(self._gitops.bare), "--manifest", "credit/values.yaml")
        return run_cd4ml(self._source, "promote-model", *where, *(["--rollback", "true"] if rollback else []))

    def wait_until_synced(self, health: str, seconds: float = 120) -> None:
        """Return once Argo CD has applied the newest commit, and says this of what runs."""
        self.wait(f"Argo CD is {health} on the newest commit", lambda: self.state() == ("Synced", health), seconds)

    def wait(self, what: str, look: Callable[[], Any], seconds: float = 120) -> None:
        """Return once something is true; fail with what the cluster says if it does not become so."""
        try:
            until(what, look, seconds=seconds, processes=self._processes)
        except AssertionError as error:
            error.add_note(f"{self.state()} {self.unsynced()} {self.rollout().get('status', {})} {self.weights()}")
            raise

    def state(self) -> tuple[str, str]:
        """Return what Argo CD says of the newest commit: is it applied, and how is what runs?"""
        status = self._api.find("Application", ARGOCD, self.name).get("status", {})
        sync, head = status.get("sync", {}), self._gitops.head()
        applied = sync.get("status") if head in sync.get("revisions", []) else "Unknown"
        return str(applied), str(status.get("health", {}).get("status"))

    def unsynced(self) -> list[Object]:
        """Return the objects that Argo CD finds other than the commit says, and what it says of the commit itself."""
        status = self._api.find("Application", ARGOCD, self.name).get("status", {})
        objects = [item for item in status.get("resources", []) if item.get("status") != "Synced"]
        return objects + list(status.get("conditions", []))

    def rollout(self) -> Object:
        """Return the Rollout."""
        return self._api.find("Rollout", self.name, self.name)

    def phase(self) -> str:
        """Return what Argo Rollouts says of it."""
        return str(self.rollout().get("status", {}).get("phase"))

    def weights(self) -> dict[str, int]:
        """Return the shares of the traffic that the route gives the stable version and the canary."""
        route = self._api.find("HTTPRoute", self.name, self.name)
        refs = route["spec"]["rules"][0]["backendRefs"] if route else []
        return {ref["name"].removeprefix(f"{self.name}-"): ref["weight"] for ref in refs}

    def path(self) -> str:
        """Return the path prefix that the route serves."""
        (rule,) = self._api.find("HTTPRoute", self.name, self.name)["spec"]["rules"]
        (match,) = rule["matches"]
        return str(match["path"]["value"])

    def images(self) -> set[str]:
        """Return the digests of the images of all pods."""
        pods = self._api.all("Pod", self.name)
        return {item["image"].partition("@")[2] for pod in pods for item in pod["spec"]["containers"]}

    def analyses(self) -> list[tuple[str, str]]:
        """Return what was found at each step so far, oldest first: about which image, and the outcome."""
        runs = sorted(self._api.all("AnalysisRun", self.name), key=lambda run: run["metadata"]["creationTimestamp"])
        return [(run["spec"]["args"][0]["value"], run.get("status", {}).get("phase", "")) for run in runs]


def settings(*, installed: bool) -> Object:
    """Return how it is rolled out: as the page of the chart shows, in steps of seconds."""
    found: Object = documented("analyze-rollout.json")["rollout"]
    (metric,) = found["analysis"]["metrics"]
    url = metric["provider"]["web"]["url"]
    metric["provider"]["web"]["url"] = url.replace(
        "http://verdicts.monitoring.svc", f"http://127.0.0.1:{VERDICTS_PORT}"
    )
    metric |= {"interval": "5s", "count": 3, "inconclusiveLimit": 3}
    return found | {"installed": installed, "stepSeconds": 10}


def application(name: str, chart: Path, gitops: Path) -> Object:
    """Return the Application that the page of the chart shows, with the addresses of the rig."""
    found: Object = documented("kind: Application")
    found["metadata"]["name"] = name
    spec = found["spec"]
    charts, values = spec["sources"]
    charts["repoURL"], values["repoURL"] = f"file://{chart}", f"file://{gitops}"
    spec["destination"] = {"server": ADDRESS, "namespace": name}
    return found


def _dump(rollout: Object) -> str:
    text: str = yaml.safe_dump({"rollout": rollout}, sort_keys=False)
    return text
