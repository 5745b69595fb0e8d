"""Where the image has what: facts that its Dockerfile and those who start it share."""

from __future__ import annotations

from typing import Final

PORT: Final = 8080
USER: Final = 65532  # "nonroot", as distroless images number it
PYTHON: Final = "/opt/venv/bin/python3"
ENTRYPOINT: Final = (PYTHON, "-m", "cd4ml.serving")
