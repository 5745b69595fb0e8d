"""Where spans go: OpenTelemetry's own variables, as its specification has them.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from cd4ml.serving.settings import SettingsError

_PATH: Final = "/v1/traces"
_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
# The name of a header: https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECONDS: Final = 10.0
_MOST_SECONDS: Final = 60.0
# Shares of traces begun here that each sampler samples; those with "ratio" read OTEL_TRACES_SAMPLER_ARG.
_SAMPLERS: Final = ("always_on", "always_off", "traceidratio")
VARIABLES: Final[Mapping[str, str]] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Address of an OpenTelemetry collector (OTLP over HTTP, such as "
    "`http://collector:4318`); spans go to its `/v1/traces`. Without it there are no spans.",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "The whole address for spans, instead.",
    "OTEL_EXPORTER_OTLP_HEADERS": "Headers for the collector: `name=value,…`, percent-encoded.",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "Milliseconds that the collector may take; by default 10000.",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "File with the authority that signed the collector's certificate.",
    "OTEL_TRACES_SAMPLER": "`parentbased_always_on` (default), `parentbased_always_off` or "
    "`parentbased_traceidratio`, the last with a share in `OTEL_TRACES_SAMPLER_ARG`. Whoever began a trace has decided "
    "whether it is sampled.",
    "OTEL_SERVICE_NAME": "The service's name in traces; by default the model's name.",
    "OTEL_RESOURCE_ATTRIBUTES": "More about the service: `key=value,…`, percent-encoded.",
    "OTEL_SDK_DISABLED": "`true`: no spans.",
}


@dataclass(frozen=True, kw_only=True)
class Exporting:
    """Where spans go, and of which traces.

    Attributes:
        sampled: share of the traces begun here.
        service: the service's name, if it is set.
        attributes: what else is said of the service.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = _SECONDS
    ca_file: str | None = None
    sampled: float = 1.0
    service: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Exporting | None:
        """Return what the environment says; None if spans go nowhere.

        Raises:
            SettingsError: a variable has a value that it cannot have.
        """
        url = environ.get(f"{_PREFIX}TRACES_ENDPOINT") or ""
        if not url and (base := environ.get(f"{_PREFIX}ENDPOINT")):
            url = base.rstrip("/") + _PATH
        if not url or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        _check(url, environ)
        return cls(
            url=url,
            headers=_headers(environ),
            seconds=_timeout(environ),
            ca_file=environ.get(f"{_PREFIX}TRACES_CERTIFICATE") or environ.get(f"{_PREFIX}CERTIFICATE") or None,
            sampled=_share(environ),
            service=environ.get("OTEL_SERVICE_NAME") or None,
            attributes=_pairs(environ, "OTEL_RESOURCE_ATTRIBUTES"),
        )

    def resource(self, model: Mapping[str, str | None]) -> dict[str, str]:
        """Return the attributes of the service."""
        about = {f"cd4ml.model.{name}": value for name, value in model.items() if value}
        named = {"service.name": self.service or self.attributes.get("service.name") or model.get("name") or "model"}
        return {**self.attributes, **about, **named}


def _check(url: str, environ: Mapping[str, str]) -> None:
    """Refuse an address, or a protocol, that spans cannot be sent to."""
    try:
        address = urlsplit(url)
        good = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or any(sign <= " " for sign in url):
        raise SettingsError(f"{_PREFIX}ENDPOINT must be an address such as http://collector:4318")
    protocol = environ.get(f"{_PREFIX}TRACES_PROTOCOL") or environ.get(f"{_PREFIX}PROTOCOL") or ""
    # Whoever takes protobuf over HTTP takes JSON at the same address.
    if protocol not in ("", "http/json", "http/protobuf"):
        raise SettingsError(f"{_PREFIX}PROTOCOL must be http/json or http/protobuf: spans are sent over HTTP")


def _timeout(environ: Mapping[str, str]) -> float:
    """Return how many seconds the collector may take."""
    text = environ.get(f"{_PREFIX}TRACES_TIMEOUT") or environ.get(f"{_PREFIX}TIMEOUT") or ""
    if not text:
        return _SECONDS
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST_SECONDS * 1000):
        raise SettingsError(f"{_PREFIX}TIMEOUT must be milliseconds from 1 to {_MOST_SECONDS * 1000:.0f}")
    return int(text) / 1000


def _share(environ: Mapping[str, str]) -> float:
    """Return the share of traces begun here that are sampled."""
    name = environ.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    kind = name.removeprefix("parentbased_")
    if kind not in _SAMPLERS or kind == name:
        known = ", ".join(f"parentbased_{one}" for one in _SAMPLERS)
        raise SettingsError(f"OTEL_TRACES_SAMPLER must be one of {known}")
    if kind != "traceidratio":
        return float(kind == "always_on")
    text = environ.get("OTEL_TRACES_SAMPLER_ARG") or "1"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError("OTEL_TRACES_SAMPLER_ARG must be a share from 0 to 1")
    return share


def _headers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers for the collector; one that HTTP cannot carry is refused here, not where spans are sent."""
    found = _pairs(environ, f"{_PREFIX}TRACES_HEADERS", f"{_PREFIX}HEADERS")
    if not all(_TOKEN.fullmatch(name) for name in found):
        raise SettingsError(f"{_PREFIX}HEADERS must be of the form name=value,name=value, with names of HTTP headers")
    return found


def _pairs(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return `key=value,…` of the first variable that is set; what it holds is never repeated, for it may be secret."""
    name = next((name for name in names if environ.get(name)), None)
    found = {}
    for member in environ[name].split(",") if name else ():
        key, equals, value = member.partition("=")
        key, value = unquote(key.strip()), unquote(value.strip())
        if not member.strip():
            continue
        if not equals or not key or not (key + value).isprintable() or not (key + value).isascii():
            raise SettingsError(f"{name} must be of the form key=value,key=value, percent-encoded")
        found[key] = value
    return found
