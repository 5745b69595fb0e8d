"""The gateway's settings: environment variables with plain names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """A variable has a value that it cannot have."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the model is and how the gateway listens.

    Attributes:
        keep_alive_seconds: how long an idle connection stays open; longer than the proxy before it keeps its own
            (60 s for AWS and ingress-nginx, 600 s for Google Cloud), or a request is lost on a closing connection.
        header_seconds: how long a client may take to send a request's line and headers, or to read an answer.
        connections: how many may be open at once; one more is answered 503.
    """

    model_directory: Path
    service_file: Path
    host: str
    port: int
    keep_alive_seconds: int
    header_seconds: int
    connections: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from the environment.

        Raises:
            SettingsError: a number is none, or is out of its range.
        """
        return cls(
            model_directory=Path(environ.get("MODEL_DIRECTORY") or "/app/model"),
            service_file=Path(environ.get("SERVICE_FILE") or "/app/service.json"),
            host=environ.get("HOST") or "0.0.0.0",
            port=_whole(environ, "PORT", 8080, most=65535),
            keep_alive_seconds=_whole(environ, "KEEP_ALIVE_SECONDS", 75, most=86400),
            header_seconds=_whole(environ, "HEADER_SECONDS", 10, most=3600),
            connections=_whole(environ, "CONNECTIONS", 1000, most=1_000_000),
        )


def _whole(environ: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """Return a whole number from 1 on."""
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise SettingsError(f"{name} must be a whole number from 1 to {most}, not {text[:40]!r}")
    return int(text)
