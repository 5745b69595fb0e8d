"""The router's own settings; how it listens is set as the gateway's is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cd4ml.serving.settings import FromEnvironment, path, text, whole


@dataclass(frozen=True, kw_only=True)
class RouterSettings(FromEnvironment):
    """What the router is told by its environment; the variable of a field is its name in capital letters."""

    routes_file: Path = path("/app/routes.json", "The file that says which tracks there are.")
    upstream_seconds: int = whole(10, "How long a track may take to answer; after it the answer is 504.", most=3600)
    upstream_connections: int = whole(256, "How many connections may be open to each track.", most=100_000)
    copies: int = whole(
        64, "How many copies for the shadow may be on their way; more are dropped and counted.", most=10_000
    )
    pairs: str = text(
        "", "Where answers of track and shadow are recorded as pairs: `stdout`, a file, or nowhere (the default)."
    )
