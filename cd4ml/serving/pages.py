"""What GET answers: probes and descriptions, for Kubernetes and for clients of each protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cd4ml import __version__
from cd4ml.serving.protocols import dialects, open_inference
from cd4ml.serving.refused import not_ready
from cd4ml.serving.state import Phase, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What a path without a body of its own answers."""

    body: bytes
    status: int = 200
    media_type: bytes = b"application/json"


Pages = dict[str, Callable[[], Page]]


class Part(Protocol):
    """What the gateway may need to be ready: a cache, an online store."""

    def ready(self) -> str | None:
        """Return why the gateway is not ready without it, None if it is."""


def pages(state: State, parts: Sequence[Part] = ()) -> Pages:
    """Return the pages of a gateway, by path."""
    own = _Own(state, parts)
    return {
        "/health/liveness": own.liveness,
        "/health/readiness": own.readiness,
        "/health/startup": own.startup,
        "/version": own.version,
        "/ping": own.ping,
        "/health": own.ping,
        **_open_inference(state, own),
    }


def unready(state: State, parts: Sequence[Part]) -> str:
    """Return why predictions cannot be asked for, "" if they can."""
    if state.phase is not Phase.READY:
        return state.reason or str(state.phase)
    return next(filter(None, (part.ready() for part in parts)), "")


class _Own:
    """The gateway's own probes, and those that MLflow's clients ask."""

    def __init__(self, state: State, parts: Sequence[Part]) -> None:
        self._state, self._parts = state, parts

    @property
    def reason(self) -> str:
        """Why predictions cannot be asked for, "" if they can."""
        return unready(self._state, self._parts)

    @property
    def ready(self) -> bool:
        """Whether predictions can be asked for: only once the model is verified, loaded and was called."""
        return not self.reason

    def liveness(self) -> Page:
        """Whether the process works; a model that cannot be loaded is for the platform to restart or roll back."""
        phase = self._state.phase
        return document({"status": str(phase)}, 503 if phase is Phase.FAILED else 200)

    def readiness(self) -> Page:
        """Whether predictions can be asked for, and if not, why."""
        body = {"status": str(self._state.phase), "reason": self.reason, "warm_up": self._state.warm_up}
        return document(body, _status(self.ready))

    def startup(self) -> Page:
        """Whether the model was loaded; unlike readiness, it does not ask what the gateway connects to."""
        phase = self._state.phase
        return document({"status": str(phase)}, _status(phase is Phase.READY))

    def version(self) -> Page:
        """Which model and which Python."""
        return document(self._state.version())

    def ping(self) -> Page:
        """Whether MLflow's clients can ask for predictions; they look at the status alone."""
        return Page(body=b"\n", status=_status(self.ready))


def document(content: Mapping[str, Any], status: int = 200) -> Page:
    """Return a page of JSON."""
    return Page(body=json.dumps(content).encode(), status=status)


def _open_inference(state: State, own: _Own) -> Pages:
    """Return the pages of the Open Inference Protocol."""
    name = state.service.name
    about = {"name": "cd4ml", "version": __version__, "extensions": [open_inference.EXTENSION]}

    def live() -> Page:
        """Whether the server works."""
        failed = state.phase is Phase.FAILED
        return document({"live": not failed}, 503 if failed else 200)

    def ready() -> Page:
        """Whether predictions can be asked for."""
        return document({"ready": own.ready}, _status(own.ready))

    def model_ready() -> Page:
        """Whether predictions of the model can be asked for."""
        return document({"name": name, "ready": own.ready}, _status(own.ready))

    def model() -> Page:
        """Which tensors the model takes and gives."""
        if state.runtime is None:
            refused = not_ready()
            return Page(body=open_inference.refusal(refused), status=refused.status)
        return document(dialects.metadata(state.runtime, state.service.model))

    found: Pages = {"/v2": lambda: document(about), "/v2/health/live": live, "/v2/health/ready": ready}
    for path in open_inference.paths(state.service.model):
        found |= {path: model, f"{path}/ready": model_ready}
    return found


def _status(ready: bool) -> int:
    """Return the status of a probe of readiness."""
    return 200 if ready else 503
