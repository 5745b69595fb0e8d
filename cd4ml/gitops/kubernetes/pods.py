"""Which version of an application a Service reaches: by its selector if the file holds it, else by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cd4ml.gitops import read

CANARY: Final = "-canary"
STABLE: Final = "-stable"


@dataclass(frozen=True, kw_only=True)
class Pods:
    """The pods of a stable version and of its canary.

    Attributes:
        stable: the workload that runs the stable image.
        canary: the one that runs the canary's.
        documents: of the same file.
    """

    stable: Any
    canary: Any
    documents: Sequence[Any]

    def version(self, service: str, subset: str = "") -> str | None:
        """Return which version a Service reaches: `stable`, `canary`, `both`, or None if it is another's."""
        if subset:
            return self._reached(self._subset(service, subset))
        if service in self._selectors:
            return self._reached(self._selectors[service])
        base = read.name(self.stable).removesuffix(STABLE)
        if service and service == read.name(self.canary):
            return "canary"
        return "stable" if service and service in (base, base + STABLE) else None

    @property
    def common(self) -> list[str]:
        """The Services that reach both versions."""
        return [name for name in self._selectors if self.version(name) == "both"]

    @cached_property
    def _selectors(self) -> dict[str, dict[str, str]]:
        """The Services of the file that select pods."""
        return {
            read.name(item): read.labels(item, "spec", "selector")
            for item in self.documents
            if read.kind(item) == "Service" and read.labels(item, "spec", "selector")
        }

    def _subset(self, host: str, subset: str) -> dict[str, str]:
        """Return the labels of an Istio subset; no pod has them if the file does not say."""
        for item in self.documents:
            if read.kind(item) == "DestinationRule" and read.text(item, "spec", "host").partition(".")[0] == host:
                for known in read.items(read.follow(item, ("spec", "subsets"))):
                    if read.text(known, "name") == subset:
                        return {**self._selectors.get(host, {}), **read.labels(known, "labels")}
        return {"": subset}

    def _reached(self, selector: dict[str, str]) -> str | None:
        """Return the versions whose pods have these labels."""
        reached = [
            name
            for name, workload in (("stable", self.stable), ("canary", self.canary))
            if workload is not None
            and selector.items() <= read.labels(workload, "spec", "template", "metadata", "labels").items()
        ]
        return "both" if len(reached) == 2 else (reached[0] if reached else None)
