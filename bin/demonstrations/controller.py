"""What Argo CD and a service mesh do in a cluster: the GitOps repository says what runs, and it comes to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from demonstrations.adopter import Adopter
from demonstrations.live import Live, Serving
from demonstrations.traffic import Traffic

MANIFEST = "loan-approval/values.yaml"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the manifest wants.

    Attributes:
        stable, canary: image digests; no canary is an empty text.
        weight: of the canary, in percent.
    """

    stable: str
    canary: str = ""
    weight: int = 0


def wanted(adopter: Adopter) -> Wanted:
    """Return what the newest commit wants."""
    text = adopter.call("git", "show", f"main:{MANIFEST}", cwd=adopter.gitops)
    values: Mapping[str, Any] = yaml.safe_load(text)
    canary = values["canary"]
    if not canary["enabled"]:
        return Wanted(stable=values["image"]["digest"])
    return Wanted(stable=values["image"]["digest"], canary=canary["image"]["digest"], weight=int(canary["weight"]))


class Controller:
    """Starts gateways as they are wanted, and sends the traffic to a router that gives each its share."""

    def __init__(self, live: Live, traffic: Traffic) -> None:
        """Begin with nothing that runs."""
        self._live, self._traffic = live, traffic
        self._ports: dict[str, int] = {}
        self._routers = 0

    def apply(self, stable: Serving, canary: Serving | None = None, weight: int = 0) -> None:
        """Have the models served: users go to stable and canary by weight, copies of all requests to the canary's
        model as a shadow. The new router takes over before the old one ends."""
        urls = {model.name: self._served(model) for model in (stable, canary) if model}
        tracks = [{"name": "stable", "url": urls[stable.name], "weight": 100 - weight}]
        routes: dict[str, Any] = {"experiment": "loan-approval", "tracks": tracks}
        if canary:
            tracks.append({"name": "canary", "url": urls[canary.name], "weight": weight})
            routes["shadow"] = {"name": "shadow", "url": urls[canary.name], "percent": 100}
        self._routers += 1
        self._traffic.port = self._live.router(f"router-{self._routers}", routes)
        if self._routers > 1:
            self._live.end(f"router-{self._routers - 1}")
        for name in set(self._ports) - set(urls):
            del self._ports[name]
            self._live.end(name)

    def _served(self, model: Serving) -> str:
        """Return the address of a model's gateway, which is started if it does not run."""
        if model.name not in self._ports:
            self._ports[model.name] = self._live.gateway(model)
        return f"http://127.0.0.1:{self._ports[model.name]}"
