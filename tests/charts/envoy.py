"""A real Envoy that serves what an HTTPRoute says, before backends that say who they are."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import need_program

_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def configuration(route: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return Envoy's configuration of an HTTPRoute: every Service is a backend that answers with its name."""
    # Gateway API: of two matches with the same path the one with more headers goes first, then the first one.
    rules = sorted(route["spec"]["rules"], key=lambda rule: -len(rule["matches"][0].get("headers", [])))
    names = sorted({name for rule in rules for name in _backends(rule)})
    hosts = route["spec"].get("hostnames", ["*"])
    front = {"name": "route", "domains": hosts, "routes": [_route(rule) for rule in rules]}
    return {
        "admin": {"address": _at(folder / "admin")},
        "static_resources": {
            "listeners": [_listener(folder / "front", front), *(_backend(folder / name, name) for name in names)],
            "clusters": [_cluster(folder / name, name) for name in names],
        },
    }


def _route(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the route of a rule."""
    (match,) = rule["matches"]
    prefix = match["path"]["value"]
    wanted = {"prefix": "/"} if prefix == "/" else {"path_separated_prefix": prefix}
    headers = [{"name": one["name"], "string_match": _string(one)} for one in match.get("headers", [])]
    weights = [{"name": ref["name"], "weight": ref["weight"]} for ref in rule["backendRefs"]]
    filters = {one["type"]: one for one in rule.get("filters", [])}
    action: dict[str, Any] = {"weighted_clusters": {"clusters": weights}}
    if mirror := filters.get("RequestMirror", {}).get("requestMirror"):
        share = {"default_value": {"numerator": mirror["percent"]}}
        action["request_mirror_policies"] = [{"cluster": mirror["backendRef"]["name"], "runtime_fraction": share}]
    if limit := rule.get("timeouts", {}).get("request"):
        action["timeout"] = limit
    added = filters.get("RequestHeaderModifier", {}).get("requestHeaderModifier", {}).get("set", [])
    set_headers = [
        {"header": {"key": one["name"], "value": one["value"]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for one in added
    ]
    return {"match": {**wanted, "headers": headers}, "route": action, "request_headers_to_add": set_headers}


def _string(header: Mapping[str, str]) -> dict[str, Any]:
    """Return what a header must be; a regular expression is one of the whole value."""
    if header.get("type") == "RegularExpression":
        return {"safe_regex": {"regex": header["value"]}}
    return {"exact": header["value"]}


def _backends(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Services that a rule names."""
    yield from (ref["name"] for ref in rule["backendRefs"])
    yield from (one["requestMirror"]["backendRef"]["name"] for one in rule.get("filters", []) if "requestMirror" in one)


def _backend(path: Path, name: str) -> dict[str, Any]:
    """Return a listener that answers with its name, and with a header that the route may set."""
    said = {"x-backend": name, "x-seen": "%REQ(X-Served-By)%"}
    answer = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": [{"header": {"key": key, "value": value}} for key, value in said.items()],
    }
    return _listener(path, {"name": name, "domains": ["*"], "routes": [answer]})


def _listener(path: Path, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return a listener with one virtual host."""
    router = {"name": "router", "typed_config": {"@type": _ROUTER}}
    manager = {
        "@type": _MANAGER,
        "stat_prefix": path.name,
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [router],
    }
    return {
        "name": path.name,
        "address": _at(path),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(path: Path, name: str) -> dict[str, Any]:
    """Return a cluster of one backend."""
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _at(path)}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _at(path: Path) -> dict[str, Any]:
    """Return the address of a socket in the file system: no port of the machine is taken."""
    return {"pipe": {"path": str(path)}}


@dataclass(frozen=True, kw_only=True)
class Envoy:
    """An Envoy that runs.

    Attributes:
        folder: where its sockets are.
    """

    folder: Path

    def send(
        self, number: int, path: str = "/predict", host: str = "credit.example.com", **headers: str
    ) -> Counter[str]:
        """Send requests over one connection, and return how many each backend answered (or each status but 200)."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        request = "\r\n".join([*lines, "", ""]).encode()
        counted: Counter[str] = Counter()
        with self.connected() as connection:
            for _ in range(number):
                connection.sendall(request)
                counted[_who(_answer(connection))] += 1
        return counted

    def connected(self, name: str = "front") -> socket.socket:
        """Return a connection to a listener."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        try:
            connection.connect(str(self.folder / name))
        except OSError:
            connection.close()
            raise
        return connection

    def copies(self, service: str) -> int:
        """Return how many requests a Service was sent."""
        connection = http.client.HTTPConnection("admin", timeout=20)
        connection.sock = self.connected("admin")
        connection.request("GET", f"/stats?filter=^cluster.{service}.upstream_rq_total$")
        found = re.search(rb": (\d+)", connection.getresponse().read())
        connection.close()
        assert found, f"Envoy knows no Service {service}"
        return int(found[1])


def _answer(connection: socket.socket) -> str:
    """Return the head of an answer; no answer here has a body."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received.decode()


def _who(head: str) -> str:
    """Return the backend of an answer, with the header that it saw if there was one; the status if it is not 200."""
    if not head.startswith("HTTP/1.1 200"):
        return head.split()[1]
    found = dict(re.findall(r"^(x-backend|x-seen): (.*?)\r?$", head, re.M))
    return (
        f"{found['x-backend']} {found['x-seen']}".strip(" -") if found.get("x-seen", "-") != "-" else found["x-backend"]
    )


@contextmanager
def running(route: Mapping[str, Any]) -> Iterator[Envoy]:
    """Run Envoy with what a route says."""
    with tempfile.TemporaryDirectory(prefix="envoy-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "envoy.json").write_text(json.dumps(configuration(route, folder)), encoding="utf-8")
        command = [
            need_program("envoy"),
            "-c",
            str(folder / "envoy.json"),
            "--concurrency",
            "1",
            "--disable-hot-restart",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--log-level", "warning"], stdout=log, stderr=log)
        try:
            envoy, end = Envoy(folder=folder), time.monotonic() + 30
            while not _listens(envoy):
                assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text(encoding="utf-8")
                time.sleep(0.05)
            yield envoy
        finally:
            process.kill()
            process.wait()


def _listens(envoy: Envoy) -> bool:
    """Whether requests are taken."""
    try:
        envoy.connected().close()
    except OSError:
        return False
    return True
