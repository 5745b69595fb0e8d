"""Argo Rollouts and Argo CD, started on the rig's API server."""

from __future__ import annotations

import base64
import os
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from tests.conftest import need_program
from tests.rig.kubernetes import ADDRESS, Api, Object, path_of
from tests.rig.processes import Processes, until

ROLLOUTS, ARGOCD = "argo-rollouts", "argocd"
PLUGIN: Final = "argoproj-labs/gatewayAPI"
# Argo CD asks for new commits every three minutes by default; a rig need not wait for that.
POLLING_SECONDS: Final = 10
_CONFIGURATIONS: Final = (
    "argocd-cm",
    "argocd-rbac-cm",
    "argocd-gpg-keys-cm",
    "argocd-tls-certs-cm",
    "argocd-ssh-known-hosts-cm",
)


def start(processes: Processes, api: Api) -> None:
    """Define the kinds, and start the controllers."""
    for name in (ROLLOUTS, ARGOCD):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for file in sorted((Path(need_program(name)).parent / "crds").glob("*.yaml")):
            _define(api, file.read_text(), "")
    _define(api, Path(need_program("crds")).read_text(), "HTTPRoute")
    for kind in ("Rollout", "AnalysisRun", "Application", "AppProject", "HTTPRoute"):
        until(f"{kind} is served", partial(_served, api, kind), seconds=60, processes=processes)
    _start_rollouts(processes, api)
    _start_argocd(processes, api)


def _define(api: Api, text: str, only: str) -> None:
    for item in yaml.safe_load_all(text):
        if item and item["kind"] == "CustomResourceDefinition" and only in ("", item["spec"]["names"]["kind"]):
            api.apply(item)


def _served(api: Api, kind: str) -> bool:
    try:
        api.call("GET", path_of(kind))
    except OSError:
        return False
    return True


def _start_rollouts(processes: Processes, api: Api) -> None:
    plugins = [{"name": PLUGIN, "location": f"file://{need_program('gateway-plugin')}"}]
    api.apply(_config("argo-rollouts-config", ROLLOUTS, {"trafficRouterPlugins": yaml.safe_dump(plugins)}))
    processes.start(
        ROLLOUTS,
        need_program("argo-rollouts"),
        f"--kubeconfig={processes.folder / 'kubeconfig'}",
        "--leader-elect=false",
        env={**os.environ, "KUBECONFIG": str(processes.folder / "kubeconfig"), "POD_NAMESPACE": ROLLOUTS},
    )


def _start_argocd(processes: Processes, api: Api) -> None:
    _configure_argocd(api)
    environment = _environment(processes.folder)
    redis = "127.0.0.1:6379"
    processes.start(
        "redis", need_program("redis-server"), "--bind", "127.0.0.1", "--port", "6379", "--save", "", env=environment
    )
    processes.start(
        "argocd-repo-server",
        processes.folder / "bin" / "argocd-repo-server",
        f"--redis={redis}",
        "--address=127.0.0.1",
        "--metrics-address=127.0.0.1",
        "--disable-tls",
        "--client-ca-path=",
        f"--revision-cache-expiration={POLLING_SECONDS // 2}s",
        env=environment,
    )
    processes.start(
        "argocd-application-controller",
        processes.folder / "bin" / "argocd-application-controller",
        f"--kubeconfig={processes.folder / 'kubeconfig'}",
        f"--namespace={ARGOCD}",
        f"--redis={redis}",
        "--repo-server=127.0.0.1:8081",
        "--repo-server-plaintext",
        f"--app-resync={POLLING_SECONDS}",
        "--app-resync-jitter=0",
        env=environment,
    )


def _environment(folder: Path) -> dict[str, str]:
    """Return what Argo CD finds: one program under its several names, and folders of its own."""
    program = Path(need_program("argocd"))
    links = {
        "helm": Path(need_program("helm")),
        "argocd-repo-server": program,
        "argocd-application-controller": program,
        **{path.name: path for path in (program.parent / "bin").iterdir()},
    }
    for name in ("bin", "home", "tmp", "tls", "ssh"):
        (folder / name).mkdir()
    for name, path in links.items():
        (folder / "bin" / name).symlink_to(path)
    return {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_ASK_PASS_SOCK": str(folder / "tmp" / "ask-pass.sock"),
        "ARGOCD_GPG_ENABLED": "false",
    }


def _configure_argocd(api: Api) -> None:
    for name in _CONFIGURATIONS:
        api.apply(_config(name, ARGOCD, {}))
    api.apply(_secret("argocd-secret", {}, {"server.secretkey": base64.b64encode(os.urandom(32)).decode()}))
    config = f'{{"bearerToken": "{api.token}", "tlsClientConfig": {{"insecure": true}}}}'
    cluster = {"name": "rig", "server": ADDRESS, "config": config}
    api.apply(_secret("cluster-rig", {"argocd.argoproj.io/secret-type": "cluster"}, cluster))
    anything = [{"group": "*", "kind": "*"}]
    spec = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": _meta("default", ARGOCD, {})}
    api.apply(project | {"spec": spec | {"clusterResourceWhitelist": anything}})


def _config(name: str, namespace: str, data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(name, namespace, {}), "data": data}


def _secret(name: str, labels: dict[str, str], data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(name, ARGOCD, labels), "stringData": data}


def _meta(name: str, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    ours = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"}
    return {"name": name, "namespace": namespace, "labels": ours | labels}
