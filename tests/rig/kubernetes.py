"""A Kubernetes control plane on loopback, and a small client of its API."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import yaml

from tests.conftest import need_program
from tests.rig.processes import Processes, until

ADDRESS: Final = "https://127.0.0.1:6443"
Object = dict[str, Any]
# Kind -> where its objects are: what goes before the namespace, and their plural.
PATHS: Final = {
    "Namespace": ("/api/v1", "namespaces"),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "Rollout": ("/apis/argoproj.io/v1alpha1", "rollouts"),
    "AnalysisRun": ("/apis/argoproj.io/v1alpha1", "analysisruns"),
    "Application": ("/apis/argoproj.io/v1alpha1", "applications"),
    "AppProject": ("/apis/argoproj.io/v1alpha1", "appprojects"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
}
# Those that a Rollout needs; there are no nodes, so what looks after them would delete the pods.
CONTROLLERS: Final = (
    "deployment-controller,replicaset-controller,endpointslice-controller,namespace-controller,"
    "serviceaccount-controller,disruption-controller,garbage-collector-controller"
)
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """Return where an object is, or all of a kind."""
    group, plural = PATHS[kind]
    return "/".join([group, *(["namespaces", namespace] if namespace else []), plural, *([name] if name else [])])


class Api:
    """Asks the API server as its administrator."""

    def __init__(self, token: str) -> None:
        """The server's certificate is its own: on loopback nobody is in between."""
        self.token = token
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def call(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        """Ask, and return the answer; an error of the server is one here, with what it says."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(ADDRESS + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._context) as answer:
                found: Object = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                error.add_note(error.read().decode(errors="replace"))
            raise
        return found

    def find(self, kind: str, namespace: str, name: str) -> Object:
        """Return an object; empty if there is none."""
        try:
            return self.call("GET", path_of(kind, namespace, name))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    def all(self, kind: str, namespace: str = "") -> list[Object]:
        """Return all objects of a kind."""
        found: list[Object] = self.call("GET", path_of(kind, namespace))["items"]
        return found

    def apply(self, item: Object) -> None:
        """Make an object, or change it to what is given."""
        meta = item["metadata"]
        path = path_of(item["kind"], meta.get("namespace", ""), meta["name"])
        self.call("PATCH", path + "?fieldManager=rig&force=true", item, APPLY)

    def merge(self, kind: str, namespace: str, name: str, change: Object, part: str = "") -> None:
        """Change parts of an object, or of its status."""
        self.call("PATCH", path_of(kind, namespace, name) + part, change, MERGE)


def start(processes: Processes) -> Api:
    """Start etcd, the API server and the controllers of pods; return once it answers."""
    folder = processes.folder
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},administrator,1,system:masters\n")
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    _start_etcd(processes)
    _start_server(processes, key)
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(token)))
    api = Api(token)
    until("the API server answers", lambda: _answers(api), seconds=120, processes=processes)
    processes.start(
        "kube-controller-manager",
        need_program("kube-controller-manager"),
        f"--kubeconfig={folder / 'kubeconfig'}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        env=os.environ,
    )
    return api


def _start_etcd(processes: Processes) -> None:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    processes.start(
        "etcd",
        need_program("etcd"),
        f"--data-dir={processes.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        env=os.environ,
    )


def _start_server(processes: Processes, key: Path) -> None:
    processes.start(
        "kube-apiserver",
        need_program("kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--cert-dir={processes.folder / 'certificates'}",
        f"--token-auth-file={processes.folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--secure-port=6443",
        env=os.environ,
    )


def kubeconfig(token: str) -> Object:
    """Return the file by which programs find the server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "rig",
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "rig", "namespace": "default"}}],
        "clusters": [{"name": "rig", "cluster": {"server": ADDRESS, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "rig", "user": {"token": token}}],
    }


def _answers(api: Api) -> bool:
    try:
        return bool(api.find("Namespace", "", "default"))
    except OSError:
        return False
