"""Where the image has what: facts that its Dockerfile and those who start it share."""

from __future__ import annotations

from typing import Final

from cd4ml.serving.settings import declared

PORT: Final = 8080
USER: Final = 65532  # "nonroot", as distroless images number it
PYTHON: Final = "/opt/venv/bin/python3"
VENV: Final = "/opt/venv"
APP: Final = "/app"
ENTRYPOINT: Final = (PYTHON, "-m", "cd4ml.serving")
_SETTINGS: Final[dict[str, str]] = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": APP,
    "PYTHONUNBUFFERED": "1",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def environment() -> dict[str, str]:
    """Return the image's environment. Every setting of the gateway is in it: a base must not decide them."""
    return {"HOME": "/tmp", **{name: setting.default for name, setting in declared()}, **_SETTINGS}  # nosec
