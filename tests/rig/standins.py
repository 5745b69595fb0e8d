"""What stands in for machines: no image runs here. Pods are declared ready, routes accepted."""

from __future__ import annotations

import threading
import time
import urllib.error
from typing import Any

from tests.rig.kubernetes import Api, Object, path_of


class StandIns(threading.Thread):
    """Plays the scheduler and kubelet for every pod, and the gateway for every route."""

    def __init__(self, api: Api) -> None:
        """It begins with `start`."""
        super().__init__(daemon=True)
        self._api = api
        self._ended = threading.Event()

    def run(self) -> None:
        """Look at everything twice a second."""
        while not self._ended.wait(0.5):
            try:
                for pod in self._api.all("Pod"):
                    self._look_at_pod(pod)
                for route in self._api.all("HTTPRoute"):
                    self._look_at_route(route)
            except (OSError, urllib.error.HTTPError):
                continue  # somebody else changed the object meanwhile, or the server ends: looked at again

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()

    def _look_at_pod(self, pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = path_of("Pod", namespace, name)
        if "deletionTimestamp" in pod["metadata"]:
            self._api.call("DELETE", path, {"gracePeriodSeconds": 0})
        elif "nodeName" not in pod["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": "stand-in"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self._api.call("POST", path + "/binding", binding)
        elif pod["status"].get("phase") != "Running":
            self._api.merge("Pod", namespace, name, {"status": _running(pod)}, "/status")

    def _look_at_route(self, route: Object) -> None:
        meta = route["metadata"]
        parents = route.get("status", {}).get("parents", [])
        if any(item["conditions"][0]["observedGeneration"] == meta["generation"] for item in parents):
            return
        now = _now()
        conditions = [
            {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": now}
            | {"observedGeneration": meta["generation"]}
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {"parentRef": route["spec"]["parentRefs"][0], "controllerName": "example.com/stand-in"}
        status = {"status": {"parents": [parent | {"conditions": conditions}]}}
        self._api.merge("HTTPRoute", meta["namespace"], meta["name"], status, "/status")


def _running(pod: Object) -> Object:
    now = _now()
    (container,) = pod["spec"]["containers"]
    conditions: list[dict[str, Any]] = [
        {"type": kind, "status": "True", "lastTransitionTime": now}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    state = {"name": container["name"], "image": container["image"], "imageID": container["image"]}
    started = {"ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": now}}}
    return {
        "phase": "Running",
        "startTime": now,
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "conditions": conditions,
        "containerStatuses": [state | started],
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
