"""What splits traffic between two Services by weight: Gateway API routes, Istio's VirtualService, Contour's HTTPProxy,
Traefik's IngressRoute and TraefikService, SMI's TrafficSplit, and the canary annotations of ingress-nginx.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.gitops import read
from cd4ml.gitops.application import Weight
from cd4ml.gitops.edit import Path, mapping, shown
from cd4ml.gitops.kubernetes.pods import Pods


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """How an object writes its rules.

    Attributes:
        rules: where the list of rules stands; with `single`, the one rule.
        backends: key of a rule's backends.
        service: where a backend names its Service.
    """

    rules: Path
    backends: str
    service: Path
    single: bool = False


_SHAPES: Final = {
    **dict.fromkeys(
        ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
        _Shape(rules=("spec", "rules"), backends="backendRefs", service=("name",)),
    ),
    "VirtualService": _Shape(rules=("spec", "http"), backends="route", service=("destination", "host")),
    "HTTPProxy": _Shape(rules=("spec", "routes"), backends="services", service=("name",)),
    "IngressRoute": _Shape(rules=("spec", "routes"), backends="services", service=("name",)),
    "TraefikService": _Shape(rules=("spec", "weighted"), backends="services", service=("name",), single=True),
    "TrafficSplit": _Shape(rules=("spec",), backends="backends", service=("service",), single=True),
}
_NGINX: Final = "nginx.ingress.kubernetes.io/"
CATCH_ALL: Final = [{"path": {"type": "PathPrefix", "value": "/"}}]


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """A rule of a route: where its backends stand, which requests it takes, and the versions that it sends them to."""

    index: int
    path: Path
    matched: Any
    backends: dict[int, str]


def split(pods: Pods) -> list[Weight]:
    """Return where the weights stand that split the traffic of a stable version and its canary.

    Rules of other applications, and rules that send everything to one version (testers by a header), are left alone.

    Args:
        pods: which Services reach which version, and the documents of the file.

    Raises:
        OptionsError: a rule is about this application, and does not say whose weights are meant.
    """
    found = [weight for index, document in enumerate(pods.documents) for weight in _nginx(index, document, pods)]
    rules = [
        _Rule(index=index, path=path, matched=_matched(document, rule), backends=_backends(path, rule, document, pods))
        for index, document in enumerate(pods.documents)
        for path, rule in _rules(document)
    ]
    both = [rule for rule in rules if set(rule.backends.values()) == {"stable", "canary"}]
    found += [
        Weight(place=(rule.index, (*rule.path, position, "weight")), canary=version == "canary")
        for rule in both
        for position, version in rule.backends.items()
    ]
    for rule in rules:
        if set(rule.backends.values()) in ({"stable"}, {"canary"}) and _takes_all(rule, both, bool(found)):
            raise OptionsError(
                f"`{shown(rule.path)}` must have two backends: the stable one and the canary",
                advice="As written, all of its requests go to one version.",
            )
    return found


def divided(pods: Pods) -> str | None:
    """Return the route that sends a version without a canary only a part of the traffic, None if there is none."""
    for document in pods.documents:
        if any(len(sent) > 1 and "stable" in sent for sent in _sent(document, pods)):
            return f"the {read.kind(document)} {read.name(document)}"
    return None


def pass_by(pods: Pods) -> bool:
    """Whether routes lead to one version alone, and so past a Service that selects both."""
    rules = [sent for document in pods.documents for sent in _sent(document, pods)]
    return any(version in ("stable", "canary") for sent in rules for version in sent)


def _sent(document: Any, pods: Pods) -> Iterator[list[str | None]]:
    """Yield the versions that each rule of a route sends requests to."""
    shape = _SHAPES.get(read.kind(document))
    if shape is None:
        return
    for _, rule in _rules(document):
        backends = read.items(mapping(rule).get(shape.backends))
        yield [_reached(item, shape, pods) for item in backends if read.text(item, "weight") != "0"]


def _takes_all(rule: _Rule, both: Sequence[_Rule], found: bool) -> bool:
    """Whether a rule for one version takes the requests that were to be divided."""
    if not found:
        return rule.matched[1] == CATCH_ALL and "canary" in rule.backends.values()
    return any(
        rule.matched == other.matched and (rule.index != other.index or rule.path < other.path) for other in both
    )


def _rules(document: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the backends of each rule of an object: where they stand, and the rule."""
    shape = _SHAPES.get(read.kind(document))
    if shape is None:
        return
    if shape.single:
        yield (*shape.rules, shape.backends), read.follow(document, shape.rules)
        return
    for number, rule in enumerate(read.items(read.follow(document, shape.rules))):
        yield (*shape.rules, number, shape.backends), rule


def _backends(path: Path, rule: Any, document: Any, pods: Pods) -> dict[int, str]:
    """Return the version that each backend of a rule reaches, by position; empty if the rule is another's."""
    shape = _SHAPES[read.kind(document)]
    backends = read.items(mapping(rule).get(shape.backends))
    versions = [_reached(item, shape, pods) for item in backends]
    if "canary" in versions and len(versions) > 1:
        _check(path, backends, versions, shape)
    known = {position: version for position, version in enumerate(versions) if version in ("stable", "canary")}
    return known if len(known) == len(versions) else {}


def _check(path: Path, backends: list[Any], versions: list[str | None], shape: _Shape) -> None:
    """Refuse a rule that sends requests to the canary and does not say what the stable version gets."""
    if "both" in versions:
        service = _service(backends[versions.index("both")], shape)
        raise OptionsError(
            f"`{shown(path)}`: the Service {service} selects the canary's pods as well, so that the weights are not "
            "what the canary gets",
            advice="Select only the stable pods.",
        )
    if sorted(map(str, versions)) != ["canary", "stable"]:
        raise OptionsError(f"`{shown(path)}` must have two backends: the stable one and the canary")
    if not all("weight" in mapping(backend) for backend in backends):
        raise OptionsError(f"`{shown(path)}` has a backend without weight", advice="Write both: 100 and 0.")


def _reached(backend: Any, shape: _Shape, pods: Pods) -> str | None:
    """Return the version that a backend reaches; one in another namespace is another's."""
    there, here = read.text(backend, "namespace"), read.namespace(pods.stable)
    if there and here and there != here:
        return None
    return pods.version(_service(backend, shape), read.text(backend, "destination", "subset"))


def _service(backend: Any, shape: _Shape) -> str:
    """Return the Service that a backend names; empty if it is something else."""
    if mapping(backend).get("kind", "Service") != "Service":
        return ""
    # Istio may write credit.models.svc.cluster.local, SMI and others write the name alone.
    return str(read.follow(backend, shape.service) or "").partition(".")[0]


def _matched(document: Any, rule: Any) -> Any:
    """Return which requests a rule takes."""
    keys = ("matches", "match", "conditions")
    own = next((mapping(rule)[key] for key in keys if mapping(rule).get(key)), CATCH_ALL)
    hosts = [mapping(document, "spec").get(key) for key in ("hostnames", "hosts")]
    return hosts, own


def _nginx(index: int, document: Any, pods: Pods) -> list[Weight]:
    """Return the weight of an Ingress that ingress-nginx takes for a canary's."""
    annotations = mapping(document, "metadata", "annotations")
    key = f"{_NGINX}canary-weight"
    if read.kind(document) != "Ingress" or str(annotations.get(f"{_NGINX}canary")).lower() != "true":
        return []
    if key not in annotations or str(annotations.get(f"{key}-total", "100")) != "100":
        return []
    if not any(pods.version(name) == "canary" for name in _ingress_services(document)):
        return []
    return [Weight(place=(index, ("metadata", "annotations", key)), canary=True)]


def _ingress_services(document: Any) -> Iterator[str]:
    """Yield the Services that an Ingress sends requests to."""
    yield read.text(document, "spec", "defaultBackend", "service", "name")
    for rule in read.items(read.follow(document, ("spec", "rules"))):
        for path in read.items(read.follow(rule, ("http", "paths"))):
            yield read.text(path, "backend", "service", "name")
